"""What is wrong with a configuration, told to a person: where, what, what was got, the way out."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from pathlib import Path

from circus_core.errors import ConfigError
from circus_core.records import dataclass

__all__ = ["Level", "Place", "Problem", "Report", "raise_errors", "who"]


class Level(Enum):
    """How bad a problem is."""

    ERROR = "error"  # the daemon refuses to start
    DOUBT = "doubt"  # probably a mistake: a check fails, the daemon starts with a warning
    NOTICE = "notice"  # worth knowing: an old option that is accepted and ignored


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One finding. `accepted` is what the option takes, `suggestion` what to do; both may be empty."""

    level: Level
    message: str
    file: Path | None = None
    line: int | None = None
    section: str | None = None
    option: str | None = None
    value: str | None = None
    accepted: str = ""
    suggestion: str = ""

    def __str__(self) -> str:
        """`FILE:LINE: watcher 'web': MESSAGE; SUGGESTION`, leaving out what is not known."""
        parts = [part for part in (self._position(), who(self.section)) if part]
        text = ": ".join([*parts, self.message])
        return f"{text}; {self.suggestion}" if self.suggestion else text

    def _position(self) -> str:
        if self.file is None:
            return ""
        return str(self.file) if self.line is None else f"{self.file}:{self.line}"


def who(section: str | None) -> str:
    """Name a section for people: `watcher:web` is "watcher 'web'", `circus` is "[circus]"."""
    if not section:  # "" is what follows a header that could not be read
        return ""
    kind, colon, name = section.partition(":")
    if colon and kind in ("watcher", "socket", "plugin"):
        return f"{kind} {name!r}"
    return f"[{section}]"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value was written; all None when it came through the API."""

    file: Path | None = None
    line: int | None = None
    section: str | None = None


class Report:
    """Collects problems, so that one run shows all of them."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def add(
        self,
        level: Level,
        place: Place,
        message: str,
        *,
        option: str | None = None,
        value: str | None = None,
        accepted: str = "",
        suggestion: str = "",
    ) -> None:
        self.problems.append(
            Problem(
                level=level,
                message=message,
                file=place.file,
                line=place.line,
                section=place.section,
                option=option,
                value=value,
                accepted=accepted,
                suggestion=suggestion,
            )
        )

    def error(self, place: Place, message: str, *, option: str | None = None, suggestion: str = "") -> None:
        self.add(Level.ERROR, place, message, option=option, suggestion=suggestion)

    def doubt(self, place: Place, message: str, *, option: str | None = None, suggestion: str = "") -> None:
        self.add(Level.DOUBT, place, message, option=option, suggestion=suggestion)

    def notice(self, place: Place, message: str, *, option: str | None = None, suggestion: str = "") -> None:
        self.add(Level.NOTICE, place, message, option=option, suggestion=suggestion)

    def has_errors(self) -> bool:
        return any(problem.level is Level.ERROR for problem in self.problems)


def raise_errors(problems: Iterable[Problem]) -> None:
    """Raise ConfigError with one line per error; do nothing if there is none."""
    errors = [str(problem) for problem in problems if problem.level is Level.ERROR]
    if errors:
        raise ConfigError("\n".join(errors))
