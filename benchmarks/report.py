"""Results as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from benchmarks.contest import OURS, Figure, Goal, Result

__all__ = ["is_reached", "table", "to_json"]


def table(result: Result) -> str:
    """Return the tables of a contest as text: one for each figure."""
    parts = ["\n".join(_lines(result, figure)) for figure in result.contest.figures]
    return "\n\n".join([*parts, *result.failures, *(f"not there: {each}" for each in result.missing)])


def is_reached(result: Result, figure: Figure, goal: Goal) -> bool | None:
    """Tell whether a goal is reached in the median; None if that was not measured."""
    values = (
        result.ratios(figure.name, goal.of, goal.who) if goal.of else _values(result, figure.name, goal.who)
    )
    if not values:
        return None
    reached = median(values)
    return (goal.at_most is None or reached <= goal.at_most) and (
        goal.at_least is None or reached >= goal.at_least
    )


def to_json(result: Result) -> dict[str, object]:
    """Return everything of a result in types of JSON."""
    contest = result.contest
    return {
        "name": contest.name,
        "settings": contest.settings,
        "seconds": round(result.seconds, 1),
        "versions": {each.name: each.version for each in contest.entrants if each.missing is None},
        "missing": result.missing,
        "failures": result.failures,
        "figures": [
            {
                "name": figure.name,
                "title": figure.title,
                "unit": figure.unit,
                "is_more_better": figure.is_more_better,
                "values": result.values[figure.name],
                "ratios": {
                    other: ratios
                    for other in result.values[figure.name]
                    if other != OURS and (ratios := result.ratios(figure.name, other))
                },
                "goals": [
                    {
                        "who": goal.who,
                        "of": goal.of,
                        "at_most": goal.at_most,
                        "at_least": goal.at_least,
                        "is_reached": is_reached(result, figure, goal),
                    }
                    for goal in figure.goals
                ],
            }
            for figure in contest.figures
        ],
    }


def _lines(result: Result, figure: Figure) -> Iterator[str]:
    yield f"{figure.title}, {figure.unit} ({result.contest.settings})"
    yield f"{'':20}{'min':>10}{'median':>10}{'max':>10}   {OURS} / this: min median max"
    for name in result.values[figure.name]:
        values = _values(result, figure.name, name)
        if not values:
            continue
        ratios = result.ratios(figure.name, name) if name != OURS else []
        yield f"{name:20}{_three(values, 10)}" + (f"   {_three(ratios, 8)}" if ratios else "")
    for goal in figure.goals:
        yield f"to reach: {_told(goal)}: {_VERDICTS[is_reached(result, figure, goal)]}"


_VERDICTS = {True: "reached", False: "SHORT", None: "not measured"}


def _told(goal: Goal) -> str:
    bound = f"<= {goal.at_most:g}" if goal.at_most is not None else f">= {goal.at_least:g}"
    return f"{goal.who} {bound}" + (f" of {goal.of}" if goal.of else "")


def _three(values: list[float], width: int) -> str:
    return "".join(f"{_number(each):>{width}}" for each in (min(values), median(values), max(values)))


def _number(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def _values(result: Result, figure: str, who: str) -> list[float]:
    return [each for each in result.values[figure].get(who, ()) if each is not None]
