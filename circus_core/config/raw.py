"""What a reader hands over: sections of keys, each with the line it stands on, nothing interpreted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from circus_core.config.problems import Place, Problem, Report
from circus_core.records import dataclass, field

__all__ = ["RawFile", "RawSection", "RawValue", "Reader", "Sections", "merge"]

# Sections for which a second, different value in another file is reported: which one counts depends on
# the order of the files. In [circus] and [env] the main file is meant to overrule what it includes.
_OWNED = ("watcher:", "socket:", "plugin:")


@dataclass(frozen=True, slots=True)
class RawValue:
    """One value: text from an ini file, text, number, bool or list from a toml file.

    Attributes:
        comment: what stood behind ` ;` on its line, None if nothing did.
    """

    value: Any
    file: Path | None = None
    line: int | None = None
    comment: str | None = None


@dataclass(slots=True)
class RawSection:
    """One section, named by its header (`watcher:web`); merged from all places that have this header."""

    name: str
    file: Path | None = None
    line: int | None = None
    values: dict[str, RawValue] = field(default_factory=dict)

    @property
    def place(self) -> Place:
        return Place(self.file, self.line, self.name)

    def place_of(self, key: str) -> Place:
        """Where the key stands, or the section if it is not there."""
        value = self.values.get(key)
        return self.place if value is None else Place(value.file, value.line, self.name)


Sections = dict[str, RawSection]


@dataclass(frozen=True, slots=True, kw_only=True)
class RawFile:
    """One file as read; `problems` are the lines that could not be understood."""

    path: Path
    sections: tuple[RawSection, ...] = ()
    problems: tuple[Problem, ...] = ()


Reader = Callable[[Path], RawFile]
"""Reads one file. What is wrong inside the file goes to `RawFile.problems`; OSError is left to the caller."""


def merge(files: Iterable[RawFile], report: Report) -> Sections:
    """Merge files in order: the first definition of a key wins."""
    merged: Sections = {}
    for file in files:
        for section in file.sections:
            _merge_section(merged, section, report)
    return merged


def _merge_section(merged: Sections, section: RawSection, report: Report) -> None:
    known = merged.get(section.name)
    if known is None:
        merged[section.name] = RawSection(section.name, section.file, section.line, dict(section.values))
        return
    for key, value in section.values.items():
        first = known.values.setdefault(key, value)
        if first.value != value.value and section.name.startswith(_OWNED):
            report.doubt(
                Place(value.file, value.line, section.name),
                f"{key} is {value.value!r} here and {first.value!r} in {first.file}:{first.line}, "
                "which counts",
                option=key,
                suggestion="keep one of the two",
            )
