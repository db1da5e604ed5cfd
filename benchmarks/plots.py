"""Plots of results as SVG: circus-core beside each other one, and what grows with the number of processes.

The same results make the same files. A light card with text as text, readable on light and on dark pages.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from statistics import median

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

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
_WIDTH = 8.4  # inches
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
    """What one entrant gave with so many processes."""

    at: int
    values: list[float]


@dataclass(frozen=True, slots=True)
class _Curve:
    """Points by the names of entrants."""

    title: str
    unit: str
    lines: dict[str, list[_Point]]


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
    drawing = _card(_WIDTH, height + 1.0)
    axes = _panel(drawing)
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
    by_chapter = sorted(report.results, key=lambda each: each.chapter)
    for chapter, results in groupby(by_chapter, key=lambda each: each.chapter):
        curves = _curves(list(results))
        if curves:
            yield _saved(_panels(curves), folder / f"{chapter}-curves.svg")


def _curves(results: Sequence[Result]) -> list[_Curve]:
    """Return the curves of a chapter on which somebody has two points or more."""
    points = [(result, figure) for result in results for figure in result.figures if figure.curve]
    titles = dict.fromkeys(figure.curve for _, figure in points)
    curves = [_joined(title, [each for each in points if each[1].curve == title]) for title in titles]
    return [each for each in curves if each.lines]


def _joined(title: str, points: Sequence[tuple[Result, Figure]]) -> _Curve:
    lines: dict[str, list[_Point]] = {}
    for result, figure in sorted(points, key=lambda each: each[1].at):
        for name in result.who(figure):
            lines.setdefault(name, []).append(_Point(figure.at, result.measured(figure, name)))
    return _Curve(title, points[0][1].unit, {name: line for name, line in lines.items() if len(line) > 1})


def _panels(curves: Sequence[_Curve]) -> Drawing:
    """Return one panel for each curve, two beside each other, with one legend for all."""
    names = sorted({name for each in curves for name in each.lines}, key=lambda name: (name != OURS, name))
    looks = dict(zip(names, zip(_COLOURS, _MARKS, strict=True), strict=False))
    columns = min(2, len(curves))
    rows = math.ceil(len(curves) / columns)
    drawing = _card(_WIDTH, rows * 2.8 + 0.5)
    panels = [_panel(drawing, rows, columns, number) for number in range(1, len(curves) + 1)]
    for axes, curve in zip(panels, curves, strict=True):
        _draw_curve(axes, curve, looks)
    handles = {
        label: line for axes in panels for line, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    drawing.legend(
        [handles[name] for name in names],
        names,
        loc="outside lower center",
        ncols=min(6, len(names)),
        frameon=False,
    )
    return drawing


def _draw_curve(axes: Axes, curve: _Curve, looks: Mapping[str, tuple[str, str]]) -> None:
    for name, points in curve.lines.items():
        colour, mark = looks[name]
        places = [each.at for each in points]
        least, most = [min(each.values) for each in points], [max(each.values) for each in points]
        middles = [median(each.values) for each in points]
        width = 2.4 if name == OURS else 1.4
        axes.fill_between(places, least, most, color=colour, alpha=0.18, linewidth=0)
        axes.plot(places, middles, color=colour, marker=mark, markersize=5, linewidth=width, label=name)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(
        FixedLocator(sorted({each.at for line in curve.lines.values() for each in line}))
    )
    axes.xaxis.set_minor_locator(NullLocator())
    low, high = axes.get_ylim()
    axes.set_ylim(low / 1.5, high * 1.5)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 50 * low else (1,)))
    axes.yaxis.set_minor_formatter(NullFormatter())
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.set_title(curve.title, loc="left", weight="bold", fontsize=9.5)
    axes.set_xlabel("processes")
    axes.set_ylabel(curve.unit)


def _card(width: float, height: float) -> Drawing:
    return Drawing(
        figsize=(width, height), facecolor=_CARD, layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)
    )


def _panel(drawing: Drawing, rows: int = 1, columns: int = 1, number: int = 1) -> Axes:
    axes = drawing.add_subplot(rows, columns, number, facecolor=_CARD)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    axes.grid(color=_GRID)
    return axes


def _saved(drawing: Drawing, path: Path) -> Path:
    drawing.savefig(path, metadata={"Date": None})
    text = path.read_text()
    path.write_text(re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE))
    return path
