"""A Procfile and the .env beside it, as foreman and honcho read them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from circus_convert.document import Document, Section
from circus_convert.problems import ConvertError, Place
from circus_convert.text import as_command, as_environment, means_something

__all__ = ["convert_procfile", "is_entry"]

_ENTRY: Final = re.compile(r"([A-Za-z0-9_-]+):\s*(\S.*)")
_ASSIGNMENT: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)")
_ESCAPE: Final = re.compile(r"\\(.)")
_DISPUTED: Final = re.compile(r"""[\s#'"\\]""")
_HOW_DISPUTED: Final = (
    "taken as it stands, as foreman does; honcho leaves out blanks, quotes and what is behind #; "
    "quotes around it make it clear"
)
_ONCE: Final = "release"  # what Heroku runs before a release, and does not run again
_FIRST_PORT, _PORTS_APART = 5000, 100
_GRACE: Final = 5  # seconds that honcho and foreman wait


@dataclass(frozen=True, slots=True)
class _Entry:
    """One type of process."""

    name: str
    command: str
    place: Place


def convert_procfile(path: Path) -> Document:
    """Read a Procfile and the .env in its folder and return what they mean.

    Raises:
        ConvertError: they can't be read.
    """
    document = Document(str(path), extras={"streams"})
    document.remarks.append("a process that ends is replaced; foreman and honcho would end all of them")
    document.section("DEFAULT").options.update(
        copy_env=True, working_dir=str(path.absolute().parent), graceful_timeout=_GRACE, stop_children=True
    )
    common = document.section("env")
    for name, value in _environment(path.parent / ".env", common):
        common.options[name] = as_environment((value,))
    port = _base_port(common.options.pop("PORT", None), path)
    for entry in _entries(path, document.section("DEFAULT")):
        if document.free_name("watcher", entry.name) != entry.name:
            raise ConvertError(f"{entry.place}: there are two entries of this name; case does not count")
        _add(document.section(f"watcher:{entry.name}"), entry)
        document.section(f"env:{entry.name}").options["PORT"] = str(port)
        port += _PORTS_APART
    if document.count("watcher") == 0:
        raise ConvertError(f"{path}: there is no NAME: COMMAND in it")
    document.sections = [each for each in document.sections if each.options or each.notes]
    return document


def is_entry(line: str) -> bool:
    """Tell whether it is a line of a Procfile."""
    return _ENTRY.fullmatch(line.strip()) is not None


def _add(watcher: Section, entry: _Entry) -> None:
    watcher.options.update(_shell_command(entry.command))
    if entry.name == _ONCE:
        watcher.options["respawn"] = False
        watcher.note(entry.place, "release: it runs once, and again with circusctl start release")
    watcher.options["stdout_stream.class"] = "StdoutStream"
    watcher.options["stdout_stream.prefix"] = True
    watcher.options["stderr_stream.class"] = "stdout"


def _shell_command(command: str) -> dict[str, str | bool]:
    """Have the shell run it; through its own arguments where circusd would see more in the text."""
    if not means_something(command):
        return {"cmd": command, "shell": True}
    return {"cmd": as_command((f"/bin/sh -c {shlex.quote(command)}",))}


def _entries(path: Path, section: Section) -> Iterator[_Entry]:
    """Yield the types of processes, in their order; what is no entry is named in a comment."""
    for number, line in enumerate(_lines(path), 1):
        match = _ENTRY.fullmatch(line.strip())
        if match is not None:
            yield _Entry(match.group(1), match.group(2), Place(str(path), number))
        elif line.strip() and not line.lstrip().startswith("#"):
            section.note(Place(str(path), number), "not NAME: COMMAND: left out, as foreman and honcho do")


def _environment(path: Path, section: Section) -> Iterator[tuple[str, str]]:
    """Yield the variables of a .env; a line that is none is named, not shown: it may be secret."""
    for number, line in enumerate(_lines(path) if path.exists() else (), 1):
        line = line.strip()
        match = _ASSIGNMENT.fullmatch(line)
        if match is not None:
            if _DISPUTED.search(match.group(2)) and _quoted(match.group(2)) is None:
                section.note(Place(str(path), number), f"{match.group(1)}: {_HOW_DISPUTED}")
            yield match.group(1), _unquoted(match.group(2))
        elif line and not line.startswith("#"):
            section.note(Place(str(path), number), "not NAME=VALUE: left out, as foreman does")


def _unquoted(value: str) -> str:
    """Take one pair of quotes off; between double ones `\\n` is a line end, other backslashes just go."""
    inner = _quoted(value)
    if inner is None:
        return value
    if value[0] == "'":
        return inner
    return _ESCAPE.sub(lambda found: "\n" if found.group(1) == "n" else found.group(1), inner)


def _quoted(value: str) -> str | None:
    """Return what is between the quotes that are around a value."""
    is_quoted = len(value) >= 2 and value[0] == value[-1] and value[0] in "'\""
    return value[1:-1] if is_quoted else None


def _base_port(given: object, path: Path) -> int:
    try:
        return int(str(given)) if given is not None else _FIRST_PORT
    except ValueError:
        raise ConvertError(f"{path.parent / '.env'}: PORT must be a number") from None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        raise ConvertError(f"{path}: can't be read: {(error.strerror or str(error)).lower()}") from None
    except UnicodeDecodeError as error:
        raise ConvertError(f"{path}: is no text in UTF-8: {error.reason}") from None
