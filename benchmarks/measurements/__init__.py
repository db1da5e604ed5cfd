"""What is measured: a module for each question, each with `contests(*, is_quick)`.

A module yields its contests (benchmarks.contest.Contest) in the order of the tables; it is a chapter of the
pages, below the first line of its docstring. With `is_quick` the numbers are small: all together takes a
minute and shows that it works, not how fast anything is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from benchmarks.contest import Contest
from benchmarks.measurements import (
    capture,
    command_line,
    control,
    events,
    everything,
    idle,
    plugins,
    respawn,
    scale,
    startup,
    statistics,
    stop,
    top,
    web,
)

__all__ = ["all_contests"]

_MODULES = (
    startup,
    respawn,
    stop,
    scale,
    idle,
    control,
    everything,
    command_line,
    events,
    plugins,
    statistics,
    top,
    capture,
    web,
)


def all_contests(*, is_quick: bool) -> Iterator[Contest]:
    """Yield every contest, in the order of the tables."""
    for module in _MODULES:
        chapter = module.__name__.rpartition(".")[2]
        question = (module.__doc__ or "").partition("\n")[0]
        for contest in module.contests(is_quick=is_quick):
            yield replace(contest, chapter=chapter, question=question)
