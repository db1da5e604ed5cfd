"""What `circusd --check` prints: every problem, and the configuration that would be used."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Self

from circus_core.config.load import LoadResult, load
from circus_core.config.model import Config
from circus_core.config.problems import Level, Problem
from circus_core.records import dataclass, fields

__all__ = ["CheckReport", "check", "to_plain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """The result of a check; `config` is None if there is an error."""

    path: Path
    config: Config | None
    problems: tuple[Problem, ...]

    @classmethod
    def of(cls, path: str | Path, result: LoadResult) -> Self:
        return cls(path=Path(path), config=result.config, problems=result.problems)

    @property
    def exit_code(self) -> int:
        """1 if there is an error or a doubt, else 0."""
        return int(any(problem.level is not Level.NOTICE for problem in self.problems))

    def text(self) -> str:
        """One line per problem, then one that sums up; no newline at the end."""
        return "\n".join([*map(_line, self.problems), self.summary()])

    def summary(self) -> str:
        """One line that sums up, without a newline."""
        return f"{self.path}: {self._verdict()}"

    def plain_problems(self) -> list[dict[str, Any]]:
        """Each problem as JSON holds it, with its line as `text`."""
        return [{**to_plain(problem), "text": _line(problem)} for problem in self.problems]

    def json(self) -> str:
        """The problems and the resolved configuration as JSON, keys sorted."""
        document = {
            "path": str(self.path),
            "exit_code": self.exit_code,
            "problems": [to_plain(problem) for problem in self.problems],
            "config": to_plain(self.config),
        }
        return json.dumps(document, indent=2, sort_keys=True)

    def _verdict(self) -> str:
        found = Counter(problem.level for problem in self.problems)
        counts = [_count(found[level], level.value) for level in Level if found[level]]
        if self.config is None:
            return ", ".join(counts)
        held = (
            _count(len(self.config.watchers), "watcher"),
            _count(len(self.config.sockets), "socket"),
            _count(len(self.config.plugins), "plugin"),
        )
        verdict = "ok" if self.exit_code == 0 else "usable"
        return "; ".join([f"{verdict}, {', '.join(held)}", *([", ".join(counts)] if counts else [])])


def check(path: str | Path, **options: Any) -> CheckReport:
    """Load a file without starting anything; takes the options of `load`."""
    return CheckReport.of(path, load(path, **options))


def _line(problem: Problem) -> str:
    return str(problem) if problem.level is Level.ERROR else f"{problem} ({problem.level.value})"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def to_plain(value: Any) -> Any:
    """Turn configuration values into what JSON can hold; objects given through the API become their repr."""
    if isinstance(value, Enum) and not isinstance(value, int):
        return value.value
    if value is None or isinstance(value, (bool, float, str)):
        return value
    if isinstance(value, int):
        return int(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (Sequence, Set)):
        return [to_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else repr(value)
