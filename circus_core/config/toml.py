"""Reader of toml files: the same sections and names as in an ini file.

`[watcher.web]` and `["watcher:web"]` are `[watcher:web]`, `[env."web*"]` is `[env:web*]`, and a table
inside a section is a dotted name: `[watcher.web.hooks]` with `before_start` is `hooks.before_start`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from circus_core.config.ini import read_text
from circus_core.config.problems import Place, Report
from circus_core.config.raw import RawFile, RawSection, RawValue

__all__ = ["parse_toml", "read_toml"]

_NAMED: Final = ("watcher", "socket", "plugin", "env")
_AT_LINE: Final = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)$")

_Path = tuple[str, ...]


def read_toml(path: Path) -> RawFile:
    """Read a toml file. Raises OSError if it can't be read."""
    report = Report()
    text = read_text(path, report)
    file = parse_toml(text, path)
    return RawFile(path=path, sections=file.sections, problems=(*report.problems, *file.problems))


def parse_toml(text: str, path: Path) -> RawFile:
    """Parse the text of a toml file; `path` is only used to name places."""
    report = Report()
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        message = str(error)
        at = _AT_LINE.search(message)
        line = int(at.group(1)) if at and at.group(1) else text.count("\n") + 1
        report.error(Place(path, line), f"not toml: {_AT_LINE.sub('', message)}")
        return RawFile(path=path, problems=tuple(report.problems))
    sections = _Sections(path, _Lines(text), report).collect(document)
    return RawFile(path=path, sections=sections, problems=tuple(report.problems))


class _Sections:
    """Turns nested tables into flat sections."""

    def __init__(self, path: Path, lines: _Lines, report: Report) -> None:
        self._path = path
        self._lines = lines
        self._report = report
        self._sections: dict[str, RawSection] = {}

    def collect(self, document: Mapping[str, Any]) -> tuple[RawSection, ...]:
        for name, value in document.items():
            if not isinstance(value, Mapping):
                place = Place(self._path, self._lines.of((name,)))
                self._report.error(
                    place, f"{name} stands before the first section", suggestion="start with [circus]"
                )
            elif name in _NAMED:
                self._add_named(name, value)
            else:
                self._add(name, (name,), value)
        return tuple(self._sections.values())

    def _add_named(self, kind: str, tables: Mapping[str, Any]) -> None:
        """`[watcher.web]`; what is no table inside `[env]` is a variable."""
        plain = {name: value for name, value in tables.items() if not isinstance(value, Mapping)}
        if plain or not tables:
            self._add(kind, (kind,), plain)
        for name, table in tables.items():
            if isinstance(table, Mapping):
                self._add(f"{kind}:{name}", (kind, name), table)

    def _add(self, name: str, path: _Path, table: Mapping[str, Any]) -> None:
        section = self._sections.setdefault(name, RawSection(name, self._path, self._lines.of(path)))
        for keys, value in _flatten(table, ()):
            raw = RawValue(value, self._path, self._lines.of(path + keys))
            section.values.setdefault(".".join(keys), raw)


def _flatten(table: Mapping[str, Any], keys: _Path) -> Iterator[tuple[_Path, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, (*keys, key))
        else:
            yield (*keys, key), value


# -- lines: tomllib does not tell them -------------------------------------------------------------

_STRING: Final = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}|' + r"'''.*?'{3,5}" + r'|"(?:\\.|[^"\\\n])*"' + r"|'[^'\n]*'", re.DOTALL
)
_KEY: Final = re.compile(r"""\s*("(?:\\.|[^"\\\n])*"|'[^'\n]*'|[A-Za-z0-9_-]+)\s*""")


class _Lines:
    """Scans a document that tomllib has accepted for the line of every key and table."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines: dict[_Path, int] = {}
        self._table: _Path = ()
        self._scan()

    def of(self, path: _Path) -> int | None:
        """Line of a key; for what is inside an inline table, the line of the key that holds it."""
        while path:
            if path in self._lines:
                return self._lines[path]
            path = path[:-1]
        return None

    def _scan(self) -> None:
        position, line = 0, 1
        while position < len(self._text):
            end = self._statement_end(position)
            self._take(self._text[position:end].strip(), line + self._blank_lines(position, end))
            line += self._text.count("\n", position, end + 1)
            position = end + 1

    def _blank_lines(self, position: int, end: int) -> int:
        piece = self._text[position:end]
        return piece[: len(piece) - len(piece.lstrip())].count("\n")

    def _statement_end(self, position: int) -> int:
        """Position of the newline that ends the statement: not one in a string, an array or a comment."""
        depth = 0
        while position < len(self._text):
            string = _STRING.match(self._text, position)
            if string is not None:
                position = string.end()
                continue
            char = self._text[position]
            if char == "#":
                position = self._text.find("\n", position) % (len(self._text) + 1)
                continue
            if char == "\n" and depth <= 0:
                return position
            depth += (char in "[{") - (char in "]}")
            position += 1
        return position

    def _take(self, statement: str, line: int) -> None:
        if not statement or statement.startswith("#"):
            return
        if statement.startswith("["):
            self._table = self._keys(statement.lstrip("["))
            self._remember(self._table, line)
        else:
            self._remember(self._table + self._keys(statement), line)

    def _remember(self, path: _Path, line: int) -> None:
        """The first line of a path counts, also for the tables it is in."""
        for length in range(1, len(path) + 1):
            self._lines.setdefault(path[:length], line)

    @staticmethod
    def _keys(text: str) -> _Path:
        """The dotted key a statement begins with."""
        keys: list[str] = []
        position = 0
        while (match := _KEY.match(text, position)) is not None:
            written = match.group(1)
            keys.append(_unquoted(written))
            if text[match.end() : match.end() + 1] != ".":
                break
            position = match.end() + 1
        return tuple(keys)


def _unquoted(written: str) -> str:
    if written[0] not in "'\"":
        return written
    return str(tomllib.loads(f"key = {written}")["key"])
