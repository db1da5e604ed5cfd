"""Results as text for a terminal, and the words for numbers and goals that the pages use too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from benchmarks.results import OURS, Figure, Goal, Result

__all__ = ["bound_text", "figure_text", "number_text", "table", "verdict_text"]


def table(result: Result) -> str:
    """Return the tables of a contest: one for each figure."""
    parts = ["\n".join(_lines(result, figure)) for figure in result.figures]
    return "\n\n".join([*parts, *result.failures, *(f"not there: {each}" for each in result.missing)])


def number_text(value: float) -> str:
    """Return a number with three digits that count, and all of those before the point."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    digits = 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:.{digits}f}"


def figure_text(value: float, goal: Goal) -> str:
    """Return what a goal is about: with "x" if it is a ratio."""
    return number_text(value) + (" x" if goal.of else "")


def bound_text(figure: Figure, goal: Goal) -> str:
    """Return what is to be reached."""
    bound = f"at most {goal.at_most:,g}" if goal.at_most is not None else f"at least {goal.at_least:,g}"
    return f"{bound} x {goal.of}" if goal.of else f"{bound} {figure.unit}".strip()


def verdict_text(is_reached: bool | None) -> str:
    """Return a word for it."""
    return {True: "reached", False: "short", None: "not measured"}[is_reached]


def _lines(result: Result, figure: Figure) -> Iterator[str]:
    yield f"{figure.title}, {figure.unit} ({result.settings})"
    yield f"{'':20}{'min':>10}{'median':>10}{'max':>10}   {OURS} / this: min median max"
    for name in result.who(figure):
        ratios = result.ratios(figure, name) if name != OURS else []
        beside = f"   {_three(ratios, 8)}" if ratios else ""
        yield f"{name:20}{_three(result.measured(figure, name), 10)}{beside}"
    for goal in figure.goals:
        values = result.judged(figure, goal)
        reached = f" with {figure_text(median(values), goal)}" if values else ""
        verdict = verdict_text(result.is_reached(figure, goal))
        yield f"to reach: {goal.who} {bound_text(figure, goal)}: {verdict}{reached}"


def _three(values: Sequence[float], width: int) -> str:
    return "".join(f"{number_text(each):>{width}}" for each in (min(values), median(values), max(values)))
