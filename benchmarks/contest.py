"""Contests: who takes part, which figures come out, and rounds in which all take turns.

Machines are noisy, so only the ratio of figures taken side by side says something: within a round each
contestant is measured once, and ratios are formed per round.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from benchmarks.contestants import Contestant

__all__ = ["OURS", "Contest", "Entrant", "Figure", "Goal", "Result", "entrants", "hold"]

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
    """One number that comes out of a contest for each entrant."""

    name: str
    title: str
    unit: str
    goals: tuple[Goal, ...] = ()
    is_more_better: bool = False


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
    """

    name: str
    figures: tuple[Figure, ...]
    entrants: tuple[Entrant, ...]
    settings: str
    rounds: int = 5


@dataclass(slots=True)
class Result:
    """What came out.

    Attributes:
        values: by figure, by entrant: one number per round, None where it failed.
        failures: sentences.
        missing: sentences: who could not take part, and what would help.
        seconds: of wall time that it took.
    """

    contest: Contest
    values: dict[str, dict[str, list[float | None]]]
    failures: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def ratios(self, figure: str, other: str, who: str = OURS) -> list[float]:
        """Return our figure divided by that of another entrant, for each round in which there are both."""
        rows = self.values[figure]
        both = zip(rows.get(who, ()), rows.get(other, ()), strict=False)
        return [mine / theirs for mine, theirs in both if mine is not None and theirs]


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
    result = Result(contest, values)
    result.missing = [f"{each.name}: {each.missing}" for each in contest.entrants if each.missing is not None]
    begun = time.monotonic()
    for number in range(1, rounds + 1):
        for each in able:
            tell(f"{contest.name}: round {number} of {rounds}, {each.name}")
            _take_turn(result, each, number)
    result.seconds = time.monotonic() - begun
    return result


def _take_turn(result: Result, entrant: Entrant, number: int) -> None:
    figures: Mapping[str, float] = {}
    try:
        figures = entrant.measure()
    except (AssertionError, OSError, RuntimeError, ValueError, subprocess.SubprocessError) as error:
        result.failures.append(f"{entrant.name}, round {number}: {type(error).__name__}: {error}")
    for name, rows in result.values.items():
        rows[entrant.name].append(figures.get(name))


def _entrant(contestant: Contestant, measure: Callable[[Contestant], Mapping[str, float]]) -> Entrant:
    missing = contestant.missing()
    version = contestant.version() if missing is None else ""
    return Entrant(contestant.name, lambda: measure(contestant), missing, version)
