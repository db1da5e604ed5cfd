"""Plots of results as SVG: circus-core beside each other one, and what grows with the number of processes.

The same results make the same files. A light card with text as text, readable on light and on dark pages.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from statistics import median

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from benchmarks.report import number_text
from benchmarks.results import OURS, Figure, Report, Result

__all__ = ["draw"]

_CARD = "#f7f8fa"
_BETTER = "#2f7d6d"
_WORSE = "#c4633f"
_GRID = "#dfe3e8"
# Okabe and Ito: told apart by those who see few colours too. Ours is the first.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a7a7a", "#2b333c")
_MARKS = "osD^vPX*"
_INCH = 0.24  # for each bar


@dataclass(frozen=True, slots=True)
class _Bar:
    """How many times better circus-core is than another: the least, the median and the most of all rounds."""

    figure: Figure
    other: str
    least: float
    middle: float
    most: float


@dataclass(frozen=True, slots=True)
class _Point:
    """What one entrant gave at one place of a curve."""

    at: int
    values: list[float]


def draw(report: Report, folder: Path) -> list[Path]:
    """Write all plots into a folder that has no others, and return the files; old ones are removed."""
    for old in folder.glob("*.svg"):
        old.unlink()
    with _style():
        return [*_draw_comparisons(report, folder), *_draw_curves(report, folder)]


@contextmanager
def _style() -> Iterator[None]:
    with mpl.rc_context(
        {
            "svg.hashsalt": "circus-core",  # ids are the same every time
            "svg.fonttype": "none",
            "font.family": "sans-serif",
            "font.size": 9.0,
            "axes.edgecolor": "#8a94a0",
            "axes.labelcolor": "#2b333c",
            "text.color": "#2b333c",
            "xtick.color": "#58626d",
            "ytick.color": "#2b333c",
        }
    ):
        yield


def _draw_comparisons(report: Report, folder: Path) -> Iterator[Path]:
    by_chapter = sorted(report.results, key=lambda each: each.chapter)
    for chapter, results in groupby(by_chapter, key=lambda each: each.chapter):
        bars = [bar for result in results for bar in _bars(result)]
        if bars:
            yield _saved(_comparison(bars), folder / f"{chapter}.svg")


def _bars(result: Result) -> Iterator[_Bar]:
    for figure in result.figures:
        for other in result.who(figure):
            ratios = result.ratios(figure, other) if not other.startswith(OURS) else []
            factors = sorted(each if figure.is_more_better else _inverse(each) for each in ratios)
            if factors:
                yield _Bar(figure, other, factors[0], median(factors), factors[-1])


def _inverse(ratio: float) -> float:
    return 1 / ratio if ratio else math.inf


def _comparison(bars: Sequence[_Bar]) -> Drawing:
    """Return bars from 1, to the right where circus-core is better, with a whisker for all rounds."""
    places, titles = _places(bars)
    height = _INCH * (places[-1] + 1.2)
    drawing, axes = _card(8.4, height + 1.0)
    low = min(0.8, *(each.least for each in bars))
    high = max(1.25, *(each.most for each in bars if math.isfinite(each.most)))
    low, high = low / 1.3, high * 2.2  # room for the number behind the bar
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    for place, bar in zip(places, bars, strict=True):
        _draw_bar(axes, place, bar, high)
    for place, title in titles:
        behind = {"facecolor": _CARD, "edgecolor": "none", "pad": 1.5}
        axes.text(low * 1.01, place, title, va="center", weight="bold", bbox=behind)
    axes.set_ylim(places[-1] + 0.9, -0.8)
    axes.set_yticks(places, [bar.other for bar in bars])
    axes.tick_params(axis="y", length=0)
    axes.axvline(1.0, color="#58626d", linewidth=1.0)
    _label_factors(axes, low, high)
    axes.set_xlabel(f"times better than the other one: {OURS} is better to the right, worse to the left")
    return drawing


def _places(bars: Sequence[_Bar]) -> tuple[list[float], list[tuple[float, str]]]:
    """Return where each bar is, and the title above each group with its place."""
    places: list[float] = []
    titles: list[tuple[float, str]] = []
    free = 0.0
    for name, group in groupby(bars, key=lambda each: each.figure):
        titles.append((free, name.title))
        count = len(list(group))
        places += [free + 1 + number for number in range(count)]
        free += count + 1.5
    return places, titles


def _draw_bar(axes: Axes, place: float, bar: _Bar, high: float) -> None:
    if not math.isfinite(bar.middle):
        axes.barh(place, high - 1, left=1, height=0.66, color=_BETTER)
        axes.text(high / 1.1, place, f"{OURS}: none", va="center", ha="right", color="white")
        return
    colour = _BETTER if bar.middle >= 1 else _WORSE
    axes.barh(place, bar.middle - 1, left=1, height=0.66, color=colour)
    most = bar.most if math.isfinite(bar.most) else high
    axes.hlines(place, bar.least, most, color="#2b333c", linewidth=1.1)
    axes.vlines([bar.least, most], place - 0.2, place + 0.2, color="#2b333c", linewidth=1.1)
    end = max(1.0, bar.middle, most)
    axes.text(end * 1.04, place, f"{number_text(bar.middle)} x", va="center")


def _label_factors(axes: Axes, low: float, high: float) -> None:
    steps = [base * 10.0**power for power in range(-4, 7) for base in (1, 2, 5)]
    shown = [each for each in steps if low <= each <= high]
    if len(shown) > 10:
        shown = [each for each in shown if math.log10(each).is_integer()]
    axes.xaxis.set_major_locator(FixedLocator(shown))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g} x"))
    axes.grid(visible=False, axis="y")


def _draw_curves(report: Report, folder: Path) -> Iterator[Path]:
    points = [(result, figure) for result in report.results for figure in result.figures if figure.curve]
    points.sort(key=lambda each: (each[1].curve, each[1].at))
    for curve, group in groupby(points, key=lambda each: each[1].curve):
        members = list(group)
        lines = _lines(members)
        if lines:
            name = re.sub(r"\W+", "-", curve.lower()).strip("-")
            yield _saved(_curve(curve, members[0][1], lines), folder / f"{members[0][0].chapter}-{name}.svg")


def _lines(points: Sequence[tuple[Result, Figure]]) -> dict[str, list[_Point]]:
    """Return the points of those who have at least two, ours first."""
    names = dict.fromkeys(name for result, figure in points for name in result.who(figure))
    lines = {
        name: [
            _Point(figure.at, values)
            for result, figure in points
            if (values := result.measured(figure, name))
        ]
        for name in sorted(names, key=lambda name: name != OURS)
    }
    return {name: line for name, line in lines.items() if len(line) > 1}


def _curve(title: str, figure: Figure, lines: dict[str, list[_Point]]) -> Drawing:
    drawing, axes = _card(8.4, 4.4)
    for (name, points), colour, mark in zip(lines.items(), _COLOURS, _MARKS, strict=False):
        places = [each.at for each in points]
        axes.fill_between(
            places,
            [min(each.values) for each in points],
            [max(each.values) for each in points],
            color=colour,
            alpha=0.18,
            linewidth=0,
        )
        width = 2.4 if name == OURS else 1.4
        middles = [median(each.values) for each in points]
        axes.plot(places, middles, color=colour, marker=mark, markersize=5, linewidth=width, label=name)
    everywhere = sorted({each.at for points in lines.values() for each in points})
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(FixedLocator(everywhere))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.set_title(title, loc="left", weight="bold", fontsize=9.5)
    axes.set_xlabel("processes")
    axes.set_ylabel(figure.unit)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    return drawing


def _card(width: float, height: float) -> tuple[Drawing, Axes]:
    drawing = Drawing(
        figsize=(width, height), facecolor=_CARD, layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)
    )
    axes = drawing.add_subplot(facecolor=_CARD)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    axes.grid(color=_GRID)
    return drawing, axes


def _saved(drawing: Drawing, path: Path) -> Path:
    drawing.savefig(path, metadata={"Date": None})
    text = path.read_text()
    path.write_text(re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE))
    return path
