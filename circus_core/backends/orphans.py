"""Descendants of our processes that became our children, by the rule of `descendants.py`; and their end."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol

from circus_core.backends.descendants import (
    DOUBT_SECONDS,
    Mark,
    ProcessStat,
    own_children,
    read_environ,
    read_stat,
)
from circus_core.backends.exits import Exits, signal_group
from circus_core.records import dataclass

__all__ = ["Orphan", "Orphans"]

logger = logging.getLogger(__name__)

_BLANK_SECONDS: Final = 0.1  # who is in execve(2) or exit(2) shows no environment; longer: it has none
_LOOK_SECONDS: Final = 0.01


class _Spawned(Protocol):
    @property
    def serial(self) -> int: ...


@dataclass(slots=True, eq=False)
class Orphan:
    """A descendant that became our child; `owner` is the serial of the process that we started."""

    pid: int
    handle: int
    owner: int
    is_killed: bool = False


class Orphans:
    """The orphans that are our children and not yet collected.

    Their numbers are safe to use: only we can collect them.
    """

    def __init__(self, mark: Mark, exits: Exits, *, on_adopt: Callable[[Orphan], None]) -> None:
        """`on_adopt` is told of each new one, to watch its handle; `collect` is due when it has ended."""
        self._mark = mark
        self._exits = exits
        self._on_adopt = on_adopt
        self._by_pid: dict[int, Orphan] = {}
        self._doubts: dict[int, float] = {}  # dead children that may be the program's own: first seen
        self._blanks: dict[int, float] = {}  # children without an environment: first seen

    def look(self, spawned: Mapping[int, _Spawned], ended: set[int]) -> bool:
        """Sort out the children that we did not start.

        Args:
            spawned: those we started, by pid.
            ended: serials of owners whose orphans have to die.

        Returns:
            True if one was found dead for the first time: its children may have come to us after we had
            looked for them, so look again.
        """
        unknown = own_children().difference(spawned, self._by_pid)
        self._forget_vanished(unknown)
        own_session = os.getsid(0)
        rest: list[tuple[ProcessStat, bytes]] = []
        for stat in filter(None, map(read_stat, unknown)):
            if stat.session == own_session:
                continue
            leader = spawned.get(stat.session)
            environ = read_environ(stat.pid) if leader is None and not stat.is_zombie else b""
            owner = self._mark.serial_in(environ) if leader is None else leader.serial
            if owner is None:
                rest.append((stat, environ))
            else:
                self._adopt(stat, owner, ended)
        look_again = False
        for stat, environ in rest:
            look_again |= self._sort_out(stat, environ, ended)
        return look_again

    def kill_of(self, ended: set[int]) -> None:
        """Kill all orphans of these owners, each once."""
        for orphan in self._by_pid.values():
            if orphan.owner in ended and not orphan.is_killed:
                orphan.is_killed = True
                self._kill(orphan)

    def collect(self, orphan: Orphan) -> None:
        """It has ended."""
        self._exits.collect(orphan.handle)
        del self._by_pid[orphan.pid]

    def collect_dead(self) -> None:
        """Collect all that have ended; for use without a loop."""
        for orphan in list(self._by_pid.values()):
            if self._exits.peek(orphan.handle) is not None:
                self.collect(orphan)

    def owners(self) -> set[int]:
        """Serials of those who have left something behind."""
        return {orphan.owner for orphan in self._by_pid.values()}

    def pids_of(self, owner: int) -> list[int]:
        return [orphan.pid for orphan in self._by_pid.values() if orphan.owner == owner]

    def handles(self) -> list[int]:
        return [orphan.handle for orphan in self._by_pid.values()]

    def are_unsettled(self) -> bool:
        """Whether there is a child whose owner may show in a moment."""
        now = time.monotonic()
        return any(now - first_seen < _BLANK_SECONDS for first_seen in self._blanks.values())

    def next_looks(self, *, is_awaited: bool) -> list[float]:
        """When to look again though nothing happens (monotonic). `is_awaited`: an exit report waits."""
        looks = [first_seen + DOUBT_SECONDS for first_seen in self._doubts.values()]
        if is_awaited and self.are_unsettled():
            looks.append(time.monotonic() + _LOOK_SECONDS)
        return looks

    def _sort_out(self, stat: ProcessStat, environ: bytes, ended: set[int]) -> bool:
        owner = self._owner_of_session(stat.session)
        if owner is not None:
            self._adopt(stat, owner, ended)
        elif stat.is_zombie:
            return self._bury(stat)
        elif not environ:
            self._blanks.setdefault(stat.pid, time.monotonic())
        return False

    def _owner_of_session(self, session: int) -> int | None:
        """By the orphans that are in it now: a session is all of one owner's descendants."""
        for orphan in self._by_pid.values():
            stat = read_stat(orphan.pid)
            if stat is not None and stat.session == session:
                return orphan.owner
        return None

    def _adopt(self, stat: ProcessStat, owner: int, ended: Iterable[int]) -> None:
        try:
            handle = self._exits.open(stat.pid)
        except OSError:  # no descriptor left
            if owner in ended:
                signal_group(stat.group, signal.SIGKILL)
            self._blanks.setdefault(stat.pid, time.monotonic())
            return
        orphan = self._by_pid[stat.pid] = Orphan(stat.pid, handle, owner)
        self._on_adopt(orphan)

    def _bury(self, stat: ProcessStat) -> bool:
        """True the first time."""
        now = time.monotonic()
        is_new = stat.pid not in self._doubts
        first_seen = self._doubts.setdefault(stat.pid, now)
        if not stat.leads_session or now - first_seen >= DOUBT_SECONDS:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(stat.pid, os.WNOHANG)
        return is_new

    def _kill(self, orphan: Orphan) -> None:
        """Its whole group, which no fork escapes; then itself, should it have left the group meanwhile."""
        stat = read_stat(orphan.pid)
        if stat is not None and stat.group != os.getpgrp():
            signal_group(stat.group, signal.SIGKILL)
        try:
            self._exits.send(orphan.handle, signal.SIGKILL)
        except PermissionError:
            logger.warning("process %d was left behind and can't be killed: it is another user's", orphan.pid)

    def _forget_vanished(self, unknown: set[int]) -> None:
        for seen in (self._doubts, self._blanks):
            for pid in seen.keys() - unknown:
                del seen[pid]
