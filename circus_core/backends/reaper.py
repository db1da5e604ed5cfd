"""From the end of a process to the report of its exit: its group and its descendants are gone by then."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from circus_core.backends import ExitCallback
from circus_core.backends.descendants import (
    DOUBT_SECONDS,
    Mark,
    ProcessStat,
    Verdict,
    judge,
    own_children,
    read_environ,
    read_stat,
    walk_marked,
)
from circus_core.backends.exits import STATUS_LOST, Exits

__all__ = ["PosixChild", "Reaper"]

logger = logging.getLogger(__name__)

_UNKNOWN_CODE: Final = 255  # reported when somebody else has collected the status; asyncio does so too
_SWEEP_SECONDS: Final = 5.0  # how long an exit report waits for descendants that do not die
_BLANK_SECONDS: Final = 0.01  # who is in execve(2) or exit(2) has no environment for some microseconds
_BLANK_LOOKS: Final = 3


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


@dataclass(slots=True, eq=False)
class _Orphan:
    """A descendant that became our child."""

    pid: int
    handle: int
    owner: int  # serial
    is_killed: bool = False


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
        self._adopts = adopts
        self._exits = make_exits(loop, self._on_ended)
        self._children: dict[int, PosixChild] = {}  # by pid
        self._by_handle: dict[int, PosixChild | _Orphan] = {}
        self._finishing: dict[PosixChild, float] = {}  # ended; deadline for what it left behind
        self._orphans: dict[int, _Orphan] = {}  # by pid
        self._doubts: dict[int, float] = {}  # dead children that may be the program's own: first seen
        self._blanks: dict[int, int] = {}  # children without environment: how often seen
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
        """Call `on_exit` on the loop, once, in a later turn."""
        child.on_exit = on_exit
        self._watch(child)

    def discard(self, child: PosixChild) -> None:
        """Kill a process that nobody shall hear of."""
        self.send_signal(child, signal.SIGKILL)
        if self._loop is None:
            self.wait(child, _SWEEP_SECONDS)
        else:
            self._watch(child)

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
        return _signal_group(child.pid, signum)

    def poll(self, child: PosixChild) -> int | None:
        if child.returncode is None and self._note_end(child):
            self._collect_orphans()
            self._sweep()
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
        if self._adopts:
            self._sweep_soon()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._is_closed = True
        items: list[PosixChild | _Orphan] = [*self._children.values(), *self._orphans.values()]
        self._exits.close([item.handle for item in items])
        for known in (self._children, self._by_handle, self._finishing, self._orphans):
            known.clear()

    # Ends

    def _watch(self, item: PosixChild | _Orphan) -> None:
        self._by_handle[item.handle] = item
        self._exits.watch(item.handle)

    def _on_ended(self, handles: list[int]) -> None:
        for handle in handles:
            item = self._by_handle.pop(handle, None)
            if isinstance(item, _Orphan):
                self._forget(item)
            elif item is not None:
                self._note_end(item)
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
        if not self._adopts and child.kill_descendants:
            self._kill_marked(child)
        if child.on_exit is not None and self._loop is not None and child.returncode is not None:
            self._loop.call_soon(child.on_exit, child.returncode)

    def _kill_marked(self, child: PosixChild) -> None:
        """Without adoption: if members of the group outlived it, there may be more outside of the group."""
        if sys.platform != "linux" or not _signal_group(child.pid, 0):
            return
        for pid in walk_marked(self._mark, child.serial):
            stat = read_stat(pid)
            if stat is not None and stat.group != os.getpgrp():
                _signal_group(stat.group, signal.SIGKILL)

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
        again = self._adopt() if self._adopts else False
        self._kill_left_behind()
        self._report_finished(is_quiet=not again and not self._has_fresh_blanks())
        return again

    def _adopt(self) -> bool:
        """Sort out children that we did not start. True: one has died, its children may have come to us."""
        unknown = own_children().difference(self._children, self._orphans)
        for seen in (self._doubts, self._blanks):
            for pid in seen.keys() - unknown:
                del seen[pid]
        own_session = os.getsid(0)
        again = False
        for pid in unknown:
            stat = read_stat(pid)
            if stat is not None:
                again |= self._sort_out(stat, own_session)
        return again

    def _sort_out(self, stat: ProcessStat, own_session: int) -> bool:
        leader = self._children.get(stat.session)
        environ = read_environ(stat.pid) if leader is None and not stat.is_zombie else b""
        serial = self._mark.serial_in(environ) if leader is None else leader.serial
        verdict = judge(stat, serial, own_session=own_session, spawned=self._children)
        if verdict is Verdict.OWNED and serial is not None:
            self._add_orphan(stat, serial)
        elif verdict is not Verdict.PROGRAM and stat.is_zombie:
            return self._bury(stat.pid, verdict)
        elif verdict is not Verdict.PROGRAM and not environ:
            self._blanks[stat.pid] = self._blanks.get(stat.pid, 0) + 1
        return False

    def _bury(self, pid: int, verdict: Verdict) -> bool:
        """True the first time: its children may have come to us after we had looked for them."""
        first_seen = self._doubts.get(pid)
        if verdict is Verdict.ORPHAN or (first_seen is not None and _is_over(first_seen + DOUBT_SECONDS)):
            _reap_pid(pid)
        elif first_seen is None:
            self._doubts[pid] = time.monotonic()
        return first_seen is None

    def _has_fresh_blanks(self) -> bool:
        return any(looks < _BLANK_LOOKS for looks in self._blanks.values())

    def _add_orphan(self, stat: ProcessStat, owner: int) -> None:
        try:
            handle = self._exits.open(stat.pid)
        except OSError:  # no descriptor left: look again with the next sweep
            self._blanks[stat.pid] = 0
            return
        orphan = self._orphans[stat.pid] = _Orphan(stat.pid, handle, owner)
        if self._loop is not None:
            self._watch(orphan)

    def _kill_left_behind(self) -> None:
        if not self._orphans:
            return
        ended = {child.serial for child in self._finishing if child.kill_descendants}
        for orphan in self._orphans.values():
            if orphan.owner in ended and not orphan.is_killed:
                orphan.is_killed = True
                self._kill(orphan)

    def _kill(self, orphan: _Orphan) -> None:
        """Its whole group, which no fork escapes; then itself, should it have left the group meanwhile."""
        stat = read_stat(orphan.pid)
        if stat is not None and stat.group != os.getpgrp():
            _signal_group(stat.group, signal.SIGKILL)
        try:
            self._exits.send(orphan.handle, signal.SIGKILL)
        except PermissionError:
            logger.warning("process %d was left behind, runs as another user and can't be killed", orphan.pid)

    def _forget(self, orphan: _Orphan) -> None:
        self._exits.collect(orphan.handle)
        self._by_handle.pop(orphan.handle, None)
        del self._orphans[orphan.pid]

    def _report_finished(self, *, is_quiet: bool) -> None:
        """Report the ended ones of which nothing is left. `is_quiet`: nothing may be hidden from our look."""
        owners = {orphan.owner for orphan in self._orphans.values()}
        now = time.monotonic()
        for child, deadline in list(self._finishing.items()):
            if child.kill_descendants and (not is_quiet or child.serial in owners):
                if now < deadline:
                    continue
                self._warn_of_survivors(child)
            self._report(child)

    def _warn_of_survivors(self, child: PosixChild) -> None:
        pids = [orphan.pid for orphan in self._orphans.values() if orphan.owner == child.serial]
        logger.warning(
            "%s: process %d has ended, but %s that it left behind did not die within %g s of SIGKILL",
            child.label, child.pid, ", ".join(map(str, pids)) or "something", _SWEEP_SECONDS,
        )  # fmt: skip

    def _collect_orphans(self) -> None:
        """For use without a loop."""
        for orphan in list(self._orphans.values()):
            if self._exits.peek(orphan.handle) is not None:
                self._forget(orphan)

    def _wait_for_orphans(self, timeout: float | None) -> None:
        """For use without a loop: until one has died or it is time to look again."""
        longest = min([*self._finishing.values()]) - time.monotonic()
        if not self._orphans or self._has_fresh_blanks():
            longest = _BLANK_SECONDS
        handles = [orphan.handle for orphan in self._orphans.values()]
        self._exits.wait(handles, longest if timeout is None else min(timeout, longest))

    def _set_timer(self) -> None:
        """Wake up when a deadline passes; everything else comes as an event."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = time.monotonic()
        times = [*self._finishing.values(), *(seen + DOUBT_SECONDS for seen in self._doubts.values())]
        if self._finishing and self._has_fresh_blanks():
            times.append(now + _BLANK_SECONDS)
        if times and self._loop is not None:
            self._timer = self._loop.call_later(max(0.0, min(times) - now), self._sweep_soon)


def _is_over(deadline: float) -> bool:
    return time.monotonic() >= deadline


def _signal_group(group: int, signum: int) -> bool:
    try:
        os.killpg(group, signum)
    except ProcessLookupError:
        return False
    except PermissionError:
        logger.warning("process group %d runs as another user and refuses our signals", group)
        return False
    return True


def _reap_pid(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
