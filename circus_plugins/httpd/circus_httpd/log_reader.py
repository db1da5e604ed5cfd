"""Output of processes, as the daemon remembers it."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from circus_httpd.daemon import Daemon
from circus_httpd.problems import Problem

__all__ = ["LogFilter", "as_text", "follow_lines", "iter_pages", "read_lines"]

_WAIT: Final = 20.0
_GRACE: Final = 5.0
_GATHER: Final = 0.2
_PAUSE_AT_END: Final = 2.0
_AWAY: Final = (502, 503, 504)
_AWAY_PAGE: Final[Mapping[str, Any]] = {"lines": [], "lost": {}, "missing": {}, "ended": True}

Line = Mapping[str, Any]


class LogFilter:
    """Which lines are wanted: of a worker, or with a text in them in any case."""

    def __init__(self, *, wid: int | None = None, search: str | None = None) -> None:
        self._wid = wid
        self._search = (search or "").casefold()

    def __bool__(self) -> bool:
        return self._wid is not None or bool(self._search)

    def fits(self, line: Line) -> bool:
        return self._wid in (None, line["wid"]) and self._search in str(line["message"]).casefold()


async def iter_pages(
    daemon: Daemon, *, watcher: str | None, stream: str | None, lines: int | None
) -> AsyncIterator[Mapping[str, Any]]:
    """Yield what is remembered, or the last lines of it, answer by answer of `logs`. Raises Problem.

    What comes meanwhile is left out sooner or later: of who writes faster than we read there is no end.
    """
    about: dict[str, Any] = {"name": watcher, "stream": stream}
    end = (await daemon.ask("logs", **about, lines=0))["cursor"]
    page = await daemon.ask("logs", **about, lines=lines, unfinished=True)
    yield page
    while page["more"] and not _has_reached(page["cursor"], end):
        page = await daemon.ask("logs", **about, after=page["cursor"], unfinished=True)
        yield page


def _has_reached(cursor: Mapping[str, list[int]], end: Mapping[str, list[int]]) -> bool:
    """Compare places by watcher: generation, offset. One that was removed is not waited for."""
    return all(cursor.get(name, place) >= place for name, place in end.items())


async def read_lines(
    daemon: Daemon, *, watcher: str | None, stream: str | None, most: int, filter_: LogFilter
) -> dict[str, Any]:
    """Return a `LogPage` with the last `most` lines that fit. Raises Problem."""
    # One more than wanted tells whether there are more.
    asked = None if filter_ else most + 1
    lines: deque[Line] = deque(maxlen=most + 1)
    lost: Counter[str] = Counter()
    missing: dict[str, str] = {}
    async for page in iter_pages(daemon, watcher=watcher, stream=stream, lines=asked):
        lines.extend(filter(filter_.fits, page["lines"]))
        lost.update(page["lost"])
        missing.update(page["missing"])
    return {"lines": list(lines)[-most:], "lost": dict(lost), "missing": missing, "cut": len(lines) > most}


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
