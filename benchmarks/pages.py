"""The tables of docs/benchmarks.md, between its markers; what else stands there is written by hand."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from statistics import median

from benchmarks.report import bound_text, figure_text, number_text, verdict_text
from benchmarks.results import OURS, Report, Result

__all__ = ["short_figures", "with_tables"]


def with_tables(page: str, report: Report, plots: Sequence[str]) -> str:
    """Return the page with new tables.

    Args:
        page: has `<!-- begin NAME -->` and `<!-- end NAME -->` for each of machine, goals and figures.
        plots: paths of plots from the page. CHAPTER.svg and CHAPTER-*.svg stand in that chapter.

    Raises:
        ValueError: a marker is missing.
    """
    for name, lines in (
        ("machine", _machine(report)),
        ("goals", _goals(report, _titles(page))),
        ("figures", _figures(report, plots)),
    ):
        page = _replaced(page, name, "\n".join(lines))
    return page


def short_figures(report: Report) -> list[str]:
    """Return the titles of the figures that miss a goal."""
    return [
        figure.title
        for result in report.results
        for figure in result.figures
        if any(result.is_reached(figure, goal) is False for goal in figure.goals)
    ]


def _replaced(page: str, name: str, text: str) -> str:
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    before, found, rest = page.partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        raise ValueError(f"there is no {begin} with {end} below it")
    return f"{before}{begin}\n\n{text}\n\n{end}{after}"


def _titles(page: str) -> set[str]:
    return set(re.findall(r"^#+ (.*)$", page, re.MULTILINE))


def _machine(report: Report) -> Iterator[str]:
    dates = sorted(each.date[:10] for each in report.results) or [""]
    loads = sorted(each.load for each in report.results) or [0.0]
    yield "| | |"
    yield "|---|---|"
    for name, value in report.machine.items():
        yield f"| {name} | {value} |"
    yield f"| measured | {' to '.join(dict.fromkeys((dates[0], dates[-1])))} |"
    yield f"| load average before each contest | {loads[0]:g} to {loads[-1]:g} |"
    told = [pair for each in report.results for pair in each.versions.items()]
    versions = dict(told) | {name: version for name, version in told if version}
    yield f"| took part | {', '.join(f'{name} {version}'.strip() for name, version in versions.items())} |"
    missing = dict.fromkeys(sentence for each in report.results for sentence in each.missing)
    if missing:
        yield f"| were not there | {', '.join(missing)} |"
    if report.is_quick:
        yield "| numbers | **small: they show that everything works, and nothing else** |"


def _goals(report: Report, titles: set[str]) -> Iterator[str]:
    """Yield a row for each goal; one that is missed leads to the section that says why, once there is one."""
    yield "| figure | who | to reach | got | |"
    yield "|---|---|---|--:|---|"
    for result in report.results:
        for figure in result.figures:
            for goal in figure.goals:
                values = result.judged(figure, goal)
                got = figure_text(median(values), goal) if values else ""
                verdict = verdict_text(result.is_reached(figure, goal))
                if verdict == "short":
                    reason = f"[short](#{_anchor(figure.title)})" if figure.title in titles else "short"
                    verdict = f"**{reason}**"
                bound = bound_text(figure, goal)
                yield f"| {figure.title}, {figure.unit} | {goal.who} | {bound} | {got} | {verdict} |"


def _figures(report: Report, plots: Sequence[str]) -> Iterator[str]:
    by_chapter = sorted(report.results, key=lambda each: _places(report)[each.chapter])
    for chapter, results in groupby(by_chapter, key=lambda each: each.chapter):
        several = list(results)
        yield f"### {chapter.replace('_', ' ').capitalize()}"
        yield ""
        yield several[0].question
        yield ""
        for plot in plots:
            if re.fullmatch(rf"{chapter}(-.*)?\.svg", plot.rpartition("/")[2]):
                yield f"![{chapter.replace('_', ' ')}]({plot})"
                yield ""
        for result in several:
            yield from _tables(result)


def _places(report: Report) -> dict[str, int]:
    return {
        chapter: place for place, chapter in enumerate(dict.fromkeys(each.chapter for each in report.results))
    }


def _tables(result: Result) -> Iterator[str]:
    for figure in result.figures:
        yield f"**{figure.title}**, {figure.unit}: {result.settings}; {_counted(result.rounds, 'round')}"
        yield ""
        yield f"| | min | median | max | {OURS} / this, min | median | max |"
        yield "|---|--:|--:|--:|--:|--:|--:|"
        for name in result.who(figure):
            ratios = result.ratios(figure, name) if name != OURS else []
            cells = [*_three(result.measured(figure, name)), *(_three(ratios) if ratios else ("", "", ""))]
            yield f"| {name} | {' | '.join(cells)} |"
        yield ""
    for failure in result.failures:
        yield f"- {failure}"
    if result.failures:
        yield ""


def _three(values: Sequence[float]) -> list[str]:
    return [number_text(each) for each in (min(values), median(values), max(values))]


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _anchor(title: str) -> str:
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
