"""Read configuration files of Supervisor: sections, options and the lines they stand in.

The grammar is that of the configuration files of Python with `;` and `#` behind a blank as comments, options
in any case, and of an option that comes twice the last one (supervisord.org, "Configuration File").
"""

from __future__ import annotations

import glob
import os
import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from circus_convert.expansions import expand
from circus_convert.problems import ConvertError, Place
from circus_convert.text import Variable

__all__ = ["SupervisorOption", "SupervisorSection", "read_supervisor"]

_COMMENT: Final = re.compile(r"(?:^|\s)[;#].*")
_HEADER: Final = re.compile(r"\[(.+)\]")
_OPTION: Final = re.compile(r"(.*?)\s*[=:]\s*(.*)", re.DOTALL)


@dataclass(slots=True)
class SupervisorOption:
    """One option; `here` is the folder of its file."""

    value: str
    place: Place
    here: str


@dataclass(slots=True)
class SupervisorSection:
    """`[kind:name]`, also put together from several pieces; `name` is empty where there is none.

    Attributes:
        missing: of [include]: the patterns that no file matches.
    """

    kind: str
    name: str
    place: Place
    options: dict[str, SupervisorOption] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


def read_supervisor(path: Path) -> list[SupervisorSection]:
    """Read a file and all that it includes, in the order in which sections begin.

    Raises:
        ConvertError: a file can't be read, or a line of it not be understood.
    """
    sections: dict[str, SupervisorSection] = {}
    _read(path, sections)
    include = sections.pop("include", None)
    for file in _included(include, path) if include else ():
        _read(file, sections)
    sections.pop("include", None)
    if include is not None and include.missing:
        sections["include"] = include
    return list(sections.values())


def _included(include: SupervisorSection, main: Path) -> Iterator[Path]:
    """Yield the files of [include]; variables of the environment are looked up, or they could not be read."""
    option = include.options.get("files")
    if option is None:
        return
    known = {"here": option.here, "host_node_name": socket.gethostname()}
    try:
        pieces = expand(option.value, known)
        files = "".join(
            _known(piece, os.environ) if isinstance(piece, Variable) else piece for piece in pieces
        )
    except ValueError as error:
        raise ConvertError(f"{option.place}: files: {error}") from None
    for pattern in files.split():
        found = sorted(glob.glob(os.path.join(main.parent, pattern)))
        if not found:
            include.missing.append(pattern)
        yield from map(Path, found)


def _known(variable: Variable, environ: Mapping[str, str]) -> str:
    name = variable.path.removeprefix("env.")
    if name not in environ:
        raise ValueError(f"the variable {name} is not set here; set it so that the files are found")
    return environ[name]


def _read(path: Path, sections: dict[str, SupervisorSection]) -> None:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConvertError(f"{path}: can't be read: {(error.strerror or str(error)).lower()}") from None
    except UnicodeDecodeError as error:
        raise ConvertError(f"{path}: is no text in UTF-8: {error.reason}") from None
    _Scanner(path, sections).scan(text)


class _Scanner:
    """Takes line by line; remembers the option that a line further to the right continues."""

    def __init__(self, path: Path, sections: dict[str, SupervisorSection]) -> None:
        self._path = path
        self._here = str(path.absolute().parent)
        self._sections = sections
        self._section: SupervisorSection | None = None
        self._option: SupervisorOption | None = None
        self._indent = 0

    def scan(self, text: str) -> None:
        for number, line in enumerate(text.split("\n"), 1):
            self._take(Place(str(self._path), number), line)
        for section in self._sections.values():
            for option in section.options.values():
                option.value = option.value.rstrip()

    def _take(self, place: Place, line: str) -> None:
        content = _COMMENT.sub("", line, count=1).strip()
        if not content:
            if self._option is not None and not line.strip():
                self._option.value += "\n"
            return
        indent = len(line) - len(line.lstrip())
        if self._option is not None and indent > self._indent:
            self._option.value += f"\n{content}"
            return
        self._indent = indent
        header = _HEADER.match(content)
        if header is not None:
            self._begin_section(place, header.group(1).strip())
        else:
            self._begin_option(place, content)

    def _begin_section(self, place: Place, name: str) -> None:
        kind, _, rest = name.partition(":")
        self._section = self._sections.setdefault(name, SupervisorSection(kind, rest.strip(), place))
        self._option = None

    def _begin_option(self, place: Place, content: str) -> None:
        match = _OPTION.match(content)
        if match is None or self._section is None:
            raise ConvertError(f"{place}: neither a section nor an option of Supervisor: {content!r}")
        self._option = SupervisorOption(match.group(2), place, self._here)
        self._section.options[match.group(1).lower()] = self._option
