"""Output of processes, as the daemon remembers it."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from heapq import heappop, heappush, merge
from math import inf
from typing import Any, Final

from circus_httpd.daemon import Daemon
from circus_httpd.problems import Problem

__all__ = ["LogFilter", "as_text", "follow_lines", "iter_lines", "read_lines"]

_AT_ONCE: Final = 2000
"""Lines up to which it is less to ask for all watchers at once."""

_WAIT: Final = 20.0
_GRACE: Final = 5.0
_GATHER: Final = 0.2
_PAUSE_AT_END: Final = 2.0
_AWAY: Final = (502, 503, 504)
_AWAY_PAGE: Final[Mapping[str, Any]] = {"lines": [], "lost": {}, "missing": {}, "ended": True}

Line = Mapping[str, Any]
Place = list[int]
"""Where the output of a watcher was read up to: generation, offset."""


class LogFilter:
    """Which lines are wanted: of a worker, or with a text in them in any case."""

    def __init__(self, *, wid: int | None = None, search: str | None = None) -> None:
        self._wid = wid
        self._search = (search or "").casefold()

    def __bool__(self) -> bool:
        return self._wid is not None or bool(self._search)

    def fits(self, line: Line) -> bool:
        return self._wid in (None, line["wid"]) and self._search in str(line["message"]).casefold()


async def read_lines(
    daemon: Daemon, *, watcher: str | None, stream: str | None, most: int, filter_: LogFilter
) -> dict[str, Any]:
    """Return a `LogPage` with the last `most` lines that fit. Raises Problem."""
    begin = await _ask_ends(daemon, watcher, stream)
    if filter_ or most > _AT_ONCE:
        pages = [_pages(daemon, name, stream, begin["cursor"]) for name in begin["cursor"]]
    else:
        # One more than wanted tells whether there are more.
        pages = [_pages(daemon, watcher, stream, begin["cursor"], lines=most + 1)]
    found: list[list[Line]] = []
    lost: Counter[str] = Counter()
    for each in pages:
        found.append([])
        async for page in each:
            found[-1] += filter(filter_.fits, page["lines"])
            lost.update(page["lost"])
    lines = list(merge(*found, key=_time))
    return {
        "lines": lines[-most:],
        "lost": dict(lost),
        "missing": begin["missing"],
        "cut": len(lines) > most,
    }


async def iter_lines(
    daemon: Daemon, *, watcher: str | None, stream: str | None
) -> AsyncIterator[Sequence[Line]]:
    """Yield all that is remembered, oldest first, some lines at a time. Raises Problem."""
    ends = (await _ask_ends(daemon, watcher, stream))["cursor"]
    sources = [_pages(daemon, name, stream, ends) for name in ends]
    waiting: list[tuple[float, int, deque[Line]]] = []

    async def refill(number: int) -> None:
        async for page in sources[number]:
            if page["lines"]:
                heappush(waiting, (_time(page["lines"][0]), number, deque(page["lines"])))
                return

    for number in range(len(sources)):
        await refill(number)
    while waiting:
        _, number, lines = heappop(waiting)
        until = waiting[0][0] if waiting else inf
        run = []
        while lines and _time(lines[0]) <= until:
            run.append(lines.popleft())
        yield run
        if lines:
            heappush(waiting, (_time(lines[0]), number, lines))
        else:
            await refill(number)


async def _ask_ends(daemon: Daemon, watcher: str | None, stream: str | None) -> Mapping[str, Any]:
    """Return an answer of `logs` without lines, whose `cursor` tells where the output ends now."""
    return await daemon.ask("logs", name=watcher, stream=stream, lines=0)


async def _pages(
    daemon: Daemon, watcher: str | None, stream: str | None, ends: Mapping[str, Place], **about: Any
) -> AsyncIterator[Mapping[str, Any]]:
    """Yield what is remembered, of one watcher or of all, answer by answer of `logs`. Raises Problem.

    circusd looks at the output of all watchers that it is asked for to find that of one answer: where there
    may be many answers, one watcher after the other is asked for. What comes behind `ends` is left out sooner
    or later: of who writes faster than we read there is no end.
    """
    asked: dict[str, Any] = {"name": watcher, "stream": stream, "unfinished": True}
    wanted = ends if watcher is None or watcher not in ends else {watcher: ends[watcher]}
    while True:
        try:
            page = await daemon.ask("logs", **asked, **about)
        except Problem as problem:
            if problem.status == 404:  # it was removed meanwhile
                return
            raise
        yield page
        if not page["more"] or all(page["cursor"].get(name, end) >= end for name, end in wanted.items()):
            return
        about = {"after": page["cursor"]}


def _time(line: Line) -> float:
    """Return when the daemon read it."""
    return float(line["time"])


async def follow_lines(
    daemon: Daemon, *, watcher: str | None, stream: str | None, lines: int
) -> AsyncIterator[Mapping[str, Any]]:
    """Yield what is there and then what comes, answer by answer of `logs`, without end.

    An answer has also `ended`: the daemon is away. It goes on when it is back. Nothing is asked for as long
    as the last answer was not taken: who is slow does not fill our memory, and is told what was lost.

    Raises:
        Problem: 404, there is no such watcher, or another refusal.
    """
    about: dict[str, Any] = {"name": watcher, "stream": stream, "lines": lines}
    while True:
        try:
            page = await daemon.ask("logs", **about)
        except Problem as problem:
            if problem.status not in _AWAY:
                raise
            yield _AWAY_PAGE
            while not await daemon.until_up(_WAIT):
                pass
            continue
        yield page
        has_ended = bool(page["ended"])
        about = {
            "name": watcher,
            "stream": stream,
            "after": page["cursor"],
            "wait": None if page["more"] or has_ended else _WAIT,
            "timeout": _WAIT + _GRACE,
        }
        await asyncio.sleep(_PAUSE_AT_END if has_ended else _GATHER)


def as_text(line: Line) -> str:
    """Return a line of a file: `TIME WATCHER.WID STREAM | MESSAGE`."""
    time = datetime.fromtimestamp(line["time"], UTC).isoformat(timespec="milliseconds")
    return f"{time} {line['watcher']}.{line['wid']} {line['stream']} | {line['message']}\n"
