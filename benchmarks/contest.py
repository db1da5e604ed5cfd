"""Contests: who takes part, which figures come out, and rounds in which all take turns.

Machines are noisy, so only the ratio of figures taken side by side says something: within a round each
contestant is measured once, and ratios are formed per round.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from benchmarks.contestants import Contestant
from benchmarks.results import OURS, Figure, Goal, Result

__all__ = ["OURS", "Contest", "Entrant", "Figure", "Goal", "entrants", "hold"]


@dataclass(frozen=True, slots=True)
class Entrant:
    """Somebody in a contest.

    Attributes:
        measure: run once and return figures by their names. An AssertionError, OSError, or a subprocess that
            fails, is noted as a failure of this round, and the contest goes on.
        missing: what has to be installed before it can take part; None: nothing.
        version: what it says that it is.
    """

    name: str
    measure: Callable[[], Mapping[str, float]]
    missing: str | None = None
    version: str = ""


@dataclass(frozen=True, slots=True)
class Contest:
    """What is measured in one go.

    Attributes:
        name: for `--only`.
        settings: what a reader has to know: sizes, numbers, durations.
        rounds: how often, when nothing else is asked for.
        chapter, question: of the pages; `all_contests` takes them from the module.
    """

    name: str
    figures: tuple[Figure, ...]
    entrants: tuple[Entrant, ...]
    settings: str
    rounds: int = 5
    chapter: str = ""
    question: str = ""


def entrants(
    who: Iterable[Contestant], measure: Callable[[Contestant], Mapping[str, float]]
) -> tuple[Entrant, ...]:
    """Let contestants take part, each measured in the same way."""
    return tuple(_entrant(each, measure) for each in who)


def hold(contest: Contest, rounds: int, tell: Callable[[str], None]) -> Result:
    """Let all take turns, round after round.

    Args:
        tell: takes a line for each measurement that begins.
    """
    able = [each for each in contest.entrants if each.missing is None]
    values: dict[str, dict[str, list[float | None]]] = {
        figure.name: {each.name: [] for each in able} for figure in contest.figures
    }
    failures: list[str] = []
    date, load, begun = datetime.now(UTC), os.getloadavg()[0], time.monotonic()
    for number in range(1, rounds + 1):
        for each in able:
            tell(f"{contest.name}: round {number} of {rounds}, {each.name}")
            figures, failure = _turn(each)
            failures += [f"{each.name}, round {number}: {failure}"] if failure else []
            for name, rows in values.items():
                rows[each.name].append(figures.get(name))
    return Result(
        name=contest.name,
        chapter=contest.chapter,
        question=contest.question,
        settings=contest.settings,
        date=date.isoformat(timespec="seconds"),
        load=round(load, 2),
        seconds=round(time.monotonic() - begun, 1),
        rounds=rounds,
        figures=contest.figures,
        versions={each.name: each.version for each in able},
        missing=[f"{each.name}: {each.missing}" for each in contest.entrants if each.missing is not None],
        failures=failures,
        values=values,
    )


def _turn(entrant: Entrant) -> tuple[Mapping[str, float], str]:
    """Return the figures of one entrant rounded to what they are worth, and a sentence if it failed."""
    try:
        return {name: float(f"{value:.5g}") for name, value in entrant.measure().items()}, ""
    except (AssertionError, OSError, RuntimeError, ValueError, subprocess.SubprocessError) as error:
        return {}, f"{type(error).__name__}: {error}"


def _entrant(contestant: Contestant, measure: Callable[[Contestant], Mapping[str, float]]) -> Entrant:
    missing = contestant.missing()
    version = _version(contestant) if missing is None else ""
    return Entrant(contestant.name, lambda: measure(contestant), missing, version)


@cache
def _version(contestant: Contestant) -> str:
    return contestant.version()  # many have to be started for that
