"""From the end of a process to the report of its exit: its group and its descendants are gone by then."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Final

from circus_core.backends import ExitCallback
from circus_core.backends.descendants import Mark, read_stat, walk_marked
from circus_core.backends.exits import STATUS_LOST, Exits, signal_group
from circus_core.backends.orphans import Orphan, Orphans

__all__ = ["PosixChild", "Reaper"]

logger = logging.getLogger(__name__)

_UNKNOWN_CODE: Final = 255  # reported when somebody else has collected the status; asyncio does so too
_SWEEP_SECONDS: Final = 5.0  # how long an exit report waits for descendants that do not die
_AGAIN_SECONDS: Final = 0.1  # until we watch again what could not be watched, or a debugger has not let go of


class PosixChild:
    """One process that we started; see `Child`. Small, for there may be thousands."""

    __slots__ = (
        "_reaper",
        "handle",
        "kill_descendants",
        "label",
        "on_exit",
        "pid",
        "returncode",
        "serial",
        "status",
    )

    def __init__(
        self, reaper: Reaper, *, pid: int, handle: int, serial: int, label: str, kill_descendants: bool
    ) -> None:
        self._reaper = reaper
        self.pid = pid
        self.handle = handle
        self.serial = serial
        self.label = label
        self.kill_descendants = kill_descendants
        self.on_exit: ExitCallback | None = None
        self.status: int | None = None  # how it ended, known before it is collected
        self.returncode: int | None = None

    def send_signal(self, signum: int) -> bool:
        """Send to this process and no other, whatever became of its pid; False: it is gone or refuses us."""
        return self._reaper.send_signal(self, signum)

    def send_signal_group(self, signum: int) -> bool:
        """Send to the process group it leads; False if there is none, or it refuses us."""
        return self._reaper.send_signal_group(self, signum)

    def poll(self) -> int | None:
        """Collect the exit if it happened; for use without an exit callback."""
        return self._reaper.poll(self)

    def wait(self, timeout: float | None = None) -> int | None:
        """Block up to `timeout` seconds for the exit; for use without a callback. None: still running."""
        return self._reaper.wait(self, timeout)


class Reaper:
    """All processes of one backend, from their start to the report of their exit.

    Everything happens on the loop (or, without one, in the caller of `poll` and `wait`). What one
    turn of the loop brings - exits, SIGCHLD - is followed by one look at our children.
    """

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop | None,
        mark: Mark,
        adopts: bool,
        make_exits: Callable[[asyncio.AbstractEventLoop | None, Callable[[list[int]], None]], Exits],
    ) -> None:
        """`adopts`: orphans of our descendants become our children (subreaper)."""
        self._loop = loop
        self._mark = mark
        self._exits = make_exits(loop, self._on_ended)
        self._children: dict[int, PosixChild] = {}  # by pid
        self._by_handle: dict[int, PosixChild | Orphan] = {}
        self._finishing: dict[PosixChild, float] = {}  # ended; deadline for what it left behind
        self._orphans = Orphans(mark, self._exits, on_adopt=self._watch_orphan) if adopts else None
        self._is_sweep_due = False
        self._is_closed = False
        self._timer: asyncio.TimerHandle | None = None

    def add(self, pid: int, *, serial: int, label: str, kill_descendants: bool) -> PosixChild:
        """Take over a process that was just started. Raises OSError: it can't be watched."""
        handle = self._exits.open(pid)
        child = PosixChild(
            self, pid=pid, handle=handle, serial=serial, label=label, kill_descendants=kill_descendants
        )
        self._children[pid] = child
        return child

    def report_exit(self, child: PosixChild, on_exit: ExitCallback) -> None:
        """Call `on_exit` on the loop, once, in a later turn. Raises OSError: the loop can't watch it."""
        child.on_exit = on_exit
        self._watch(child)

    def discard(self, child: PosixChild) -> None:
        """Kill a process that nobody shall hear of."""
        child.on_exit = None
        self.send_signal(child, signal.SIGKILL)
        if self._loop is None:
            self.wait(child, _SWEEP_SECONDS)
        else:
            self._watch_at_last(child)

    def send_signal(self, child: PosixChild, signum: int) -> bool:
        if child.status is not None:
            return False
        try:
            return self._exits.send(child.handle, signum)
        except PermissionError:
            logger.warning(
                "%s: process %d runs as another user and refuses our signals", child.label, child.pid
            )
            return False

    def send_signal_group(self, child: PosixChild, signum: int) -> bool:
        if child.returncode is not None or child.status == STATUS_LOST:
            return False  # its number may be another group's by now
        return signal_group(child.pid, signum)

    def poll(self, child: PosixChild) -> int | None:
        if child.returncode is None and self._note_end(child):
            if self._orphans is not None and self._loop is None:
                self._orphans.collect_dead()
            while self._sweep() and child.returncode is None:
                pass
        return child.returncode

    def wait(self, child: PosixChild, timeout: float | None) -> int | None:
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.poll(child) is None:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return None
            if child.status is None:
                self._exits.wait([child.handle], left)
            else:
                self._wait_for_orphans(left)
        return child.returncode

    def reap_orphans(self) -> None:
        """Look for dead orphans soon; call it on SIGCHLD. Does nothing when we don't adopt."""
        if self._orphans is not None:
            self._sweep_soon()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._is_closed = True
        orphans = self._orphans.handles() if self._orphans is not None else []
        self._exits.close([*(child.handle for child in self._children.values()), *orphans])
        self._orphans = None
        for known in (self._children, self._by_handle, self._finishing):
            known.clear()

    # Ends

    def _watch(self, item: PosixChild | Orphan) -> None:
        self._by_handle[item.handle] = item
        self._exits.watch(item.handle)

    def _watch_at_last(self, item: PosixChild | Orphan) -> None:
        """Watch it as soon as the system lets us: epoll(7), max_user_watches."""
        try:
            self._watch(item)
        except OSError:
            self._watch_later(item)

    def _watch_later(self, item: PosixChild | Orphan) -> None:
        """Also if its pidfd says that it has ended, and waitid(2) not: its status goes to its tracer first.

        Nothing tells us when that has let go of it, unless we have SIGCHLD: ptrace(2), "Death under ptrace".
        """
        if self._loop is not None:
            self._loop.call_later(_AGAIN_SECONDS, self._watch_again, item)

    def _watch_again(self, item: PosixChild | Orphan) -> None:
        if not self._is_closed:
            self._watch_at_last(item)

    def _watch_orphan(self, orphan: Orphan) -> None:
        if self._loop is not None:
            self._watch_at_last(orphan)

    def _on_ended(self, handles: list[int]) -> None:
        for handle in handles:
            item = self._by_handle.pop(handle, None)
            if isinstance(item, PosixChild):
                if not self._note_end(item):
                    self._watch_later(item)
            elif item is not None and self._orphans is not None:
                self._orphans.collect(item)
        if self._finishing:
            self._sweep_soon()

    def _note_end(self, child: PosixChild) -> bool:
        """Whether it has ended; the first time, kill its group and start to look for what else it left."""
        if child.status is not None:
            return True
        child.status = self._exits.peek(child.handle)
        if child.status is None:
            return False
        if child.kill_descendants:
            self.send_signal_group(child, signal.SIGKILL)
        self._finishing[child] = time.monotonic() + _SWEEP_SECONDS
        return True

    def _report(self, child: PosixChild) -> None:
        del self._finishing[child]
        del self._children[child.pid]
        self._by_handle.pop(child.handle, None)
        self._exits.collect(child.handle)
        if child.status == STATUS_LOST:
            logger.warning(
                "%s: the exit status of process %d is lost: other code of this program has collected it, or"
                " SIGCHLD is ignored; %d is reported",
                child.label, child.pid, _UNKNOWN_CODE,
            )  # fmt: skip
            child.status = _UNKNOWN_CODE
        child.returncode = child.status
        if self._orphans is None and child.kill_descendants:
            self._kill_marked(child)
        if child.on_exit is not None and self._loop is not None and child.returncode is not None:
            self._loop.call_soon(child.on_exit, child.returncode)

    def _kill_marked(self, child: PosixChild) -> None:
        """Without adoption: if members of the group outlived it, there may be more outside of the group."""
        if sys.platform != "linux" or not signal_group(child.pid, 0):
            return
        for pid in walk_marked(self._mark, child.serial):
            stat = read_stat(pid)
            if stat is not None and stat.group != os.getpgrp():
                signal_group(stat.group, signal.SIGKILL)

    # What was left behind

    def _sweep_soon(self) -> None:
        if not self._is_sweep_due and self._loop is not None:
            self._is_sweep_due = True
            self._loop.call_soon(self._scheduled_sweep)

    def _scheduled_sweep(self) -> None:
        self._is_sweep_due = False
        if self._is_closed:
            return
        if self._sweep():
            self._sweep_soon()
        self._set_timer()

    def _sweep(self) -> bool:
        """Look at our children once; kill, reap and report. True: look again at once."""
        if self._orphans is None:
            self._report_finished(is_settled=True)
            return False
        ended = {child.serial for child in self._finishing if child.kill_descendants}
        again = self._orphans.look(self._children, ended)
        self._orphans.kill_of(ended)
        self._report_finished(is_settled=not again and not self._orphans.are_unsettled())
        return again

    def _report_finished(self, *, is_settled: bool) -> None:
        """Report the ended ones of which nothing is left. `is_settled`: nothing may have escaped our look."""
        owners = self._orphans.owners() if self._orphans is not None else set()
        now = time.monotonic()
        for child, deadline in list(self._finishing.items()):
            if child.kill_descendants and (not is_settled or child.serial in owners):
                if now < deadline:
                    continue
                self._warn_of_survivors(child)
            self._report(child)

    def _warn_of_survivors(self, child: PosixChild) -> None:
        pids = self._orphans.pids_of(child.serial) if self._orphans is not None else []
        logger.warning(
            "%s: process %d has ended, but %s that it left behind did not die within %g s of SIGKILL",
            child.label, child.pid, ", ".join(map(str, pids)) or "something", _SWEEP_SECONDS,
        )  # fmt: skip

    def _wait_for_orphans(self, timeout: float | None) -> None:
        """For use without a loop: until one has died, or it is time to look again."""
        wake = min([*self._finishing.values(), *self._next_looks()])
        longest = max(0.0, wake - time.monotonic())
        handles = self._orphans.handles() if self._orphans is not None else []
        self._exits.wait(handles, longest if timeout is None else min(timeout, longest))

    def _set_timer(self) -> None:
        """Wake up when a deadline passes; everything else comes as an event."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        times = [*self._finishing.values(), *self._next_looks()]
        if times and self._loop is not None:
            self._timer = self._loop.call_later(max(0.0, min(times) - time.monotonic()), self._sweep_soon)

    def _next_looks(self) -> list[float]:
        if self._orphans is None:
            return []
        return self._orphans.next_looks(is_awaited=bool(self._finishing))
