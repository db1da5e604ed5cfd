"""Reader of ini files, with the grammar of Circus files: see docs/configuration.md for the rules."""

from __future__ import annotations

import locale
import re
from pathlib import Path
from typing import Final

from circus_core.config.problems import Place, Report
from circus_core.config.raw import RawFile, RawSection, RawValue

__all__ = ["parse_ini", "read_ini", "read_text"]

_HEADER: Final = re.compile(r"\[((?:[^\[\]]|\[[^\]]*\])+)\](.*)|\[([^\]]+)\](.*)")  # patterns may hold [abc]
_OPTION: Final = re.compile(r"([^:=\s\[][^:=]*)[:=](.*)", re.DOTALL)
_COMMENT: Final = re.compile(r"(?:^|\s);")
_REM: Final = re.compile(r"rem(\s|$)", re.IGNORECASE)


def read_ini(path: Path) -> RawFile:
    """Read an ini file. Raises OSError if it can't be read."""
    report = Report()
    text = read_text(path, report)
    sections = _Parser(path, report).parse(text)
    return RawFile(path=path, sections=sections, problems=tuple(report.problems))


def parse_ini(text: str, path: Path) -> RawFile:
    """Parse the text of an ini file; `path` is only used to name places."""
    report = Report()
    sections = _Parser(path, report).parse(text)
    return RawFile(path=path, sections=sections, problems=tuple(report.problems))


def read_text(path: Path, report: Report) -> str:
    """Return the text of a file: UTF-8, else the locale's encoding; "" and an error if it is neither."""
    data = path.read_bytes()
    for encoding in ("utf-8-sig", locale.getpreferredencoding(False)):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
    report.error(Place(path, line), "this line is not UTF-8 text", suggestion="save the file as UTF-8")
    return ""


class _Parser:
    """Reads line by line; remembers the section and the option that a continuation line would extend."""

    def __init__(self, path: Path, report: Report) -> None:
        self._path = path
        self._report = report
        self._sections: dict[str, RawSection] = {}
        self._section: RawSection | None = None
        self._key: str | None = None  # None: nothing to continue
        self._pieces: list[str] = []
        self._line = 0
        self._comment: str | None = None

    def parse(self, text: str) -> tuple[RawSection, ...]:
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        for number, line in enumerate(lines, 1):
            self._take(number, line)
        self._finish_option()
        return tuple(self._sections.values())

    def _take(self, number: int, line: str) -> None:
        if not line.strip() or line[0] in "#;" or _REM.match(line):
            return
        if "\0" in line:
            self._fail(number, "a NUL character can't be part of a configuration")
        elif line[0].isspace():
            self._continue(number, line.strip())
        else:
            self._finish_option()
            self._start(number, line)

    def _start(self, number: int, line: str) -> None:
        """Take a line that starts in the first column: a header or an option."""
        if line.startswith("["):
            self._start_section(number, line)
        elif self._section is None:
            self._fail(
                number, f"text before the first section: {line.strip()!r}", "start with a [section] line"
            )
        else:
            self._start_option(number, line)

    def _start_section(self, number: int, line: str) -> None:
        header = _HEADER.match(line)
        if header is None:
            self._fail(number, f"not a section header: {line.strip()!r}", "write [name]")
            self._section = RawSection("")  # what follows belongs to no section we know
            return
        name = header.group(1) or header.group(3)
        rest = (header.group(2) or header.group(4) or "").strip()
        if rest and rest[0] not in ";#":
            place = Place(self._path, number, name)
            self._report.doubt(place, f"text behind the section header is ignored: {rest!r}")
        self._section = self._sections.setdefault(name, RawSection(name, self._path, number))

    def _start_option(self, number: int, line: str) -> None:
        option = _OPTION.match(line)
        if option is None:
            self._fail(number, f"neither a section nor an option: {line.strip()!r}", "write 'key = value'")
            return
        value, self._comment = _split_comment(option.group(2))
        self._key, self._line = option.group(1).rstrip(), number
        self._pieces = ["" if value == '""' else value]

    def _continue(self, number: int, piece: str) -> None:
        if self._key is None:
            self._fail(number, f"an indented line with no option above it: {piece!r}", "start it in column 1")
            return
        if piece[0] in "#;":
            self._report.doubt(
                Place(self._path, number, self._section.name if self._section else None),
                f"an indented comment is part of the value of {self._key}",
                option=self._key,
                suggestion="start it in column 1",
            )
        self._pieces.append(piece)

    def _finish_option(self) -> None:
        """Store the option that ends here, unless the section has it already: the first one counts."""
        if self._key is None or self._section is None:
            return
        text = "\n".join(piece for piece in self._pieces if piece)
        value = RawValue(text, self._path, self._line, self._comment)
        first = self._section.values.setdefault(self._key, value)
        if first.value != text:
            self._report.doubt(
                Place(self._path, self._line, self._section.name),
                f"{self._key} is {text!r} here and {first.value!r} in line {first.line}, which counts",
                option=self._key,
                suggestion="keep one of the two",
            )
        self._key = None

    def _fail(self, number: int, message: str, suggestion: str = "") -> None:
        section = self._section.name if self._section else None
        self._report.error(Place(self._path, number, section), message, suggestion=suggestion)


def _split_comment(text: str) -> tuple[str, str | None]:
    """Cut at the first `;` with a blank before it."""
    comment = _COMMENT.search(text)
    if comment is None:
        return text.strip(), None
    return text[: comment.start()].strip(), text[comment.end() :].strip()
