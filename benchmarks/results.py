"""What came out of contests, as plain values: what is shown is made from these, now or from a file later."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

__all__ = ["OURS", "Figure", "Goal", "Report", "Result", "load", "merged", "save"]

OURS = "circus-core"
"""Name of the entrant that ratios are formed for: its figure divided by that of the other one."""


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound of the median of a figure, or of the median of its ratios to another entrant's.

    Attributes:
        at_most, at_least: the bound; one of them is given.
        of: name of the other entrant; "" bounds the figure itself, in its unit.
        who: the entrant of ours that the goal is set for.
    """

    at_most: float | None = None
    at_least: float | None = None
    of: str = ""
    who: str = OURS


@dataclass(frozen=True, slots=True)
class Figure:
    """One number that comes out of a contest for each entrant.

    Attributes:
        title: says what it is without its unit; unique, because the pages link to it.
        curve: title of the curve of which it is a point, without its unit; "": none.
        at: where on that curve: how many processes.
    """

    name: str
    title: str
    unit: str
    goals: tuple[Goal, ...] = ()
    is_more_better: bool = False
    curve: str = ""
    at: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came out of one contest.

    Attributes:
        name, chapter, question, settings: of the contest.
        date: when it began, UTC, as ISO 8601.
        load: average of the minute before: what others did on this machine.
        seconds: of wall time that it took.
        rounds: how many.
        versions: of those who took part.
        missing: sentences: who could not take part, and what would help.
        failures: sentences.
        values: by figure, by entrant: one number per round, None where it failed.
    """

    name: str
    chapter: str
    question: str
    settings: str
    date: str
    load: float
    seconds: float
    rounds: int
    figures: tuple[Figure, ...]
    versions: Mapping[str, str]
    missing: Sequence[str] = ()
    failures: Sequence[str] = ()
    values: Mapping[str, Mapping[str, Sequence[float | None]]] = field(default_factory=dict)

    def who(self, figure: Figure) -> list[str]:
        """Return the names of those for whom there is a number."""
        return [name for name in self.values[figure.name] if self.measured(figure, name)]

    def measured(self, figure: Figure, who: str) -> list[float]:
        """Return the values of an entrant, without the rounds in which it failed."""
        return [each for each in self.values[figure.name].get(who, ()) if each is not None]

    def beside(self, figure: Figure, other: str) -> str:
        """Return the entrant of ours that runs as another one does: `circus-core, X` beside `other, X`."""
        same = f"{OURS}, {other.partition(', ')[2]}"
        return same if same != other and same in self.values[figure.name] else OURS

    def ratios(self, figure: Figure, other: str, who: str = "") -> list[float]:
        """Return our figure divided by that of another entrant, for each round in which there are both.

        Args:
            who: the entrant of ours; "": the one `beside` it.
        """
        rows = self.values[figure.name]
        mine = rows.get(who or self.beside(figure, other), ())
        both = zip(mine, rows.get(other, ()), strict=False)
        return [mine / theirs for mine, theirs in both if mine is not None and theirs]

    def judged(self, figure: Figure, goal: Goal) -> list[float]:
        """Return what a goal is about: values, or ratios."""
        return self.ratios(figure, goal.of, goal.who) if goal.of else self.measured(figure, goal.who)

    def is_reached(self, figure: Figure, goal: Goal) -> bool | None:
        """Tell whether a goal is reached in the median; None if that was not measured."""
        values = self.judged(figure, goal)
        if not values:
            return None
        reached = median(values)
        return (goal.at_most is None or reached <= goal.at_most) and (
            goal.at_least is None or reached >= goal.at_least
        )


@dataclass(frozen=True, slots=True)
class Report:
    """Results of one machine.

    Attributes:
        machine: what it is, by the name of what is told.
        is_quick: the numbers were small: it shows that all works, and nothing else.
    """

    machine: Mapping[str, str]
    is_quick: bool
    results: tuple[Result, ...]


def save(report: Report, path: Path) -> None:
    """Write a report as JSON, and for those who read it elsewhere the ratios and what is reached."""
    told = {
        "machine": dict(report.machine),
        "is_quick": report.is_quick,
        "results": [asdict(each) | _derived(each) for each in report.results],
    }
    path.write_text(_LIST.sub(_in_one_line, json.dumps(told, indent=1)) + "\n")


def load(path: Path) -> Report:
    """Read what `save` wrote."""
    told = json.loads(path.read_text())
    return Report(told["machine"], told["is_quick"], tuple(map(_result, told["results"])))


def merged(old: Report, new: Report, order: Sequence[str]) -> Report:
    """Put new results in the place of old ones of the same contests, in the order of their names.

    Raises:
        ValueError: they are of different machines, or of different sizes.
    """
    if (old.machine, old.is_quick) != (new.machine, new.is_quick):
        raise ValueError("its results are of another machine or Python, or of other numbers")
    by_name = {each.name: each for each in (*old.results, *new.results)}
    return Report(new.machine, new.is_quick, tuple(by_name[name] for name in order if name in by_name))


_LIST = re.compile(r"\[\s+([^\[\]{}]*?)\s+\]")


def _in_one_line(found: re.Match[str]) -> str:
    return "[" + re.sub(r"\s*\n\s*", " ", found[1]) + "]"


def _derived(result: Result) -> dict[str, Any]:
    return {
        "ratios": {
            figure.name: {
                other: [float(f"{each:.4g}") for each in ratios]
                for other in result.values[figure.name]
                if other != OURS and (ratios := result.ratios(figure, other))
            }
            for figure in result.figures
        },
        "reached": {
            figure.name: [result.is_reached(figure, goal) for goal in figure.goals]
            for figure in result.figures
        },
    }


def _result(told: dict[str, Any]) -> Result:
    figures = tuple(
        Figure(**each | {"goals": tuple(Goal(**goal) for goal in each["goals"])}) for each in told["figures"]
    )
    plain = {name: value for name, value in told.items() if name not in ("ratios", "reached")}
    return Result(**plain | {"figures": figures})
