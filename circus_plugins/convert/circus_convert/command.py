"""`circusctl convert`: the command. It asks no daemon."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from circus_core.commands import Answer, Conversation, LocalCommand, Option, Word

if TYPE_CHECKING:
    from circus_convert.document import Document

__all__ = ["Convert"]


class Convert(LocalCommand):
    """Make a configuration from one of Supervisor or from a Procfile

    FILE is a supervisord.conf, with all that it includes, or a Procfile, with the .env beside it. The
    result goes to standard output, or with --output to a new file that only you can read. What has no
    equivalent becomes a comment that names the line it comes from. Nothing is started, and no variable of
    the environment is put in: %(ENV_X)s becomes $(circus.env.X).
    """

    name = "convert"
    arguments = (
        Word("path", "the file", metavar="FILE", completes="file"),
        Option("from", "what it is, if that can't be told", choices=("supervisor", "procfile")),
        Option("to", "the form to write: ini, or what the ending of --output says", choices=("ini", "toml")),
        Option("output", "the file to make, readable for you only", completes="file"),
    )

    def converse(self, daemon: Conversation, properties: Mapping[str, Any]) -> Iterator[Answer]:
        from pathlib import Path

        from circus_convert.conversion import convert, target_of, write

        output = properties.get("output")
        target = target_of(properties.get("to"), output)
        document = convert(Path(properties["path"]), properties.get("from"))
        text = write(document, target)
        notes = [str(note) for note in document.notes()]
        if output is not None:
            _create(output, text)
            data = {"output": output, "notes": notes}
            yield Answer(data, lambda: _summary(document, output))
        else:
            yield Answer({"text": text, "notes": notes}, lambda: text.rstrip("\n"))


def _create(output: str, text: str) -> None:
    """Write a file that is new, so that nobody else has it open: there may be secrets in it."""
    from circus_convert.problems import ConvertError

    try:
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConvertError(f"{output}: exists already; name another file or remove it") from None
    except OSError as error:
        raise ConvertError(f"{output}: can't be made: {(error.strerror or str(error)).lower()}") from None
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def _summary(document: Document, output: str) -> str:
    from shlex import quote

    counts = (_count(document.count("watcher"), "watcher"), _count(document.count("socket"), "socket"))
    notes = _count(len(document.notes()), "comment")
    lines = [f"made {output}: {', '.join(counts)}, {notes} about what is not the same"]
    if document.extras:
        lines.append(f"it needs: pip install 'circus-core[{','.join(sorted(document.extras))}]'")
    return "\n".join([*lines, f"next: circusd --check {quote(output)}"])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
