"""What is measured: a module for each question, each with `contests(*, is_quick)`.

A module yields its contests (benchmarks.contest.Contest) in the order of the tables. With `is_quick` the
numbers are small: everything together takes a minute and shows that it works, not how fast anything is.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.contest import Contest
from benchmarks.measurements import idle, startup, statistics, top

__all__ = ["all_contests"]

_MODULES = (startup, idle, statistics, top)


def all_contests(*, is_quick: bool) -> Iterator[Contest]:
    """Yield every contest, in the order of the tables."""
    for module in _MODULES:
        yield from module.contests(is_quick=is_quick)
