"""circus-top without a screen: tables or lines of JSON, one for each round of figures."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import asdict, replace
from typing import Any, Final, TextIO

from circus_stats.top.columns import Looks, cells, heading, plain_layout
from circus_stats.top.graphs import ASCII, BLOCKS, Glyphs
from circus_stats.top.known import Exit, Process, Watcher
from circus_stats.top.model import STATS_WATCHER, Model
from circus_stats.top.rows import View, rows_of
from circus_stats.top.session import Session
from circus_stats.top.status import Feed, State
from circus_stats.top.title import how_it_stands, totals

__all__ = ["Rounds", "document", "glyphs_for", "table"]

_SETTLED: Final = 0.2
"""Seconds of silence after which a round is complete: its messages come all at once."""

_STREAM_MAY_COME: Final = 4.0
"""Seconds that the stream is waited for before the daemon's own answer has to do."""


def glyphs_for(out: TextIO) -> Glyphs:
    """Return the characters that can be written there, without those that only mean something on a screen."""
    is_utf8 = (out.encoding or "").lower().replace("-", "") == "utf8"
    marks = {"expanded": "", "collapsed": "", "leaf": "", "indent": "  ", "down": "", "up": ""}
    return replace(BLOCKS if is_utf8 else ASCII, **marks)


def table(session: Session, looks: Looks) -> str:
    """Return all there is as text."""
    model = session.model
    rows = rows_of(model, View())
    columns = plain_layout(rows)
    said, _ = how_it_stands(session.status, model, time.monotonic())
    lines = [
        f"circus-top  {totals(model)}  ({said})",
        " ".join(title for title, _ in heading(columns, View(sort="name"), looks.glyphs)),
        *(" ".join(cell.text for cell in cells(row, columns, looks)) for row in rows),
    ]
    return "\n".join(line.rstrip() for line in lines)


def document(session: Session) -> dict[str, Any]:
    """Return all there is as values for JSON; what is unknown is null."""
    model, status = session.model, session.status
    return {
        "time": round(time.time(), 3),
        "daemon": status.state.value,
        "source": status.feed.value,
        "interval": model.interval,
        "watchers": {watcher.name: _watcher(watcher) for watcher in _by_name(model)},
        "circus": _own(model.own),
        "sockets": [
            {
                "fd": socket.fd,
                "name": socket.name or None,
                "address": socket.address,
                "reads": socket.reads,
                "connections": socket.connections,
                "waiting": socket.waiting,
            }
            for socket in sorted(model.sockets.values(), key=lambda socket: socket.fd)
        ],
    }


def _by_name(model: Model) -> list[Watcher]:
    return [watcher for _, watcher in sorted(model.watchers.items())]


def _watcher(watcher: Watcher) -> dict[str, Any]:
    return {
        "state": watcher.state or None,
        "reason": watcher.reason or None,
        "numprocesses": watcher.wanted,
        "restarts": watcher.restarts,
        "last_exit": _exit(watcher.last_exit),
        **_own(watcher),
    }


def _own(watcher: Watcher) -> dict[str, Any]:
    processes = [_process(process) for _, process in sorted(watcher.processes.items())]
    return {**asdict(watcher.figures()), "processes": processes}


def _process(process: Process) -> dict[str, Any]:
    return {
        "pid": process.pid,
        "wid": process.wid,
        "name": process.label or None,
        "command": process.command,
        "user": process.user,
        "state": process.state or None,
        "restarts": process.restarts,
        **asdict(process.figures),
    }


def _exit(end: Exit | None) -> dict[str, Any] | None:
    return None if end is None else {"exit_code": end.code, "time": end.at or None, "pid": end.pid}


class Rounds:
    """Prints each round of figures. Belongs to the loop of its session."""

    def __init__(self, session: Session, out: TextIO, *, is_json: bool) -> None:
        self._session = session
        self._out = out
        self._is_json = is_json
        self._changed = asyncio.Event()
        self._printed: tuple[Feed, int] = (Feed.NOTHING, 0)
        self._has_printed = False
        self._state = State.CONNECTING

    def note_change(self) -> None:
        """Be told that something is new: the `on_change` of the session."""
        self._changed.set()

    async def print_one(self, timeout: float) -> bool:
        """Print the first complete round; False if there was none within so many seconds."""
        start = time.monotonic()
        while not self._is_complete(time.monotonic() - start):
            left = start + timeout - time.monotonic()
            if left <= 0:
                return False
            await self._wait(left)
        self._print()
        return True

    async def print_all(self) -> None:
        """Print round after round, until there is a login no more."""
        while not self._session.status.is_login_over:
            await self._wait(None)
            self._tell_state()
            session = self._session
            feed = session.status.feed
            number = session.asked if feed is Feed.ASKED else session.model.rounds
            if feed is not Feed.NOTHING and (feed, number) != self._printed:
                self._printed = (feed, number)
                self._print()

    async def _wait(self, timeout: float | None) -> None:
        """Wait until something has changed and no more does for a moment, or so many seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._changed.wait()
        except TimeoutError:
            return
        self._changed.clear()
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            await asyncio.sleep(_SETTLED)
            if not self._changed.is_set():
                return
            self._changed.clear()

    def _is_complete(self, waited: float) -> bool:
        session = self._session
        if session.status.feed is Feed.STREAM:
            return session.model.rounds > 0 or self._are_all_measured()
        if session.status.feed is not Feed.ASKED:
            return False
        stats = session.model.watchers.get(STATS_WATCHER)
        may_come = stats is not None and stats.state == "active" and not session.status.stranger
        if may_come and waited < _STREAM_MAY_COME:
            return False
        return session.asked > 1  # percent of cpu is counted since the question before

    def _are_all_measured(self) -> bool:
        """Whether there are figures of all processes that the daemon should have."""
        if self._session.status.state is not State.UP:
            return False
        own = {process.label for process in self._session.model.own.processes.values()}
        return bool(own) and all(
            watcher.title in own or _is_measured(watcher)
            for watcher in self._session.model.watchers.values()
            if watcher.state == "active"
        )

    def _print(self) -> None:
        if self._is_json:
            self._out.write(json.dumps(document(self._session)) + "\n")
        else:
            looks = Looks(glyphs=glyphs_for(self._out), now=time.time())
            blank = "\n" if self._has_printed else ""
            self._out.write(blank + _writable(table(self._session, looks), self._out) + "\n")
        self._has_printed = True
        self._out.flush()

    def _tell_state(self) -> None:
        """Say on standard error when the daemon goes away and when it is back."""
        status = self._session.status
        if status.state is self._state:
            return
        if status.state is State.LOST:
            sys.stderr.write(f"circus-top: {status.trouble}, trying again\n")
        elif self._state is State.LOST:
            sys.stderr.write("circus-top: the daemon is back\n")
        self._state = status.state


def _is_measured(watcher: Watcher) -> bool:
    if not watcher.processes:
        return watcher.wanted == 0
    return all(process.cpu_past for process in watcher.processes.values())


def _writable(text: str, out: TextIO) -> str:
    """Return text that this stream can encode."""
    encoding = out.encoding or "utf-8"
    return text.encode(encoding, errors="backslashreplace").decode(encoding)
