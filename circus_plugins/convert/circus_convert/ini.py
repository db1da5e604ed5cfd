"""Write a document as an ini file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from circus_convert.document import Document, Section, Value
from circus_convert.problems import ConvertError

__all__ = ["write_ini"]

_UNWRITABLE: Final = re.compile(r"[\r\0]|(?:^|\s);")


def write_ini(document: Document) -> str:
    """Return the text of the file.

    Raises:
        ConvertError: an ini file can't hold a value.
    """
    blocks = ["".join(f"# {line}\n" for line in document.head())]
    equals = " = " if document.is_spaced else "="
    blocks += ["".join(_lines(section, equals)) for section in document.sections]
    return "\n".join(blocks)


def _lines(section: Section, equals: str) -> Iterator[str]:
    for note in section.notes:
        yield f"# {' '.join(str(note).split())}\n"
    if section.options:
        yield f"[{section.name}]\n"
    for key, value in section.options.items():
        yield f"{key}{equals}{_written(section.name, key, value)}\n".replace("= \n", "=\n")


def _written(section: str, key: str, value: Value) -> str:
    """Return a value as it is read again; its further lines are indented."""
    text = str(value)
    lines = text.split("\n")
    is_readable = text != '""' and not _UNWRITABLE.search(text) and _is_readable(lines)
    if text and not is_readable:
        raise ConvertError(f"[{section}] {key}: an ini file can't hold this value; write --to toml")
    return "\n    ".join(lines)


def _is_readable(lines: Sequence[str]) -> bool:
    """Whether all lines stay what they are: blanks at their ends do not, nor what looks like a comment."""
    return all(line and line == line.strip() for line in lines) and not any(
        line.startswith(("#", ";")) for line in lines[1:]
    )
