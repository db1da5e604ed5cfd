"""What a process leaves behind: how it is recognised, and who it belongs to. Linux only.

Every process that we start carries a *mark* in its environment, and all that it starts inherits it:

    CIRCUS_MARK=<token>:<label>:<serial>

`token` is random for each backend, `label` names the watcher and worker, `serial` counts spawns. A daemon
that was itself started with a mark adds that one behind its own, after a space: the outer daemon still knows
its descendants.

With PR_SET_CHILD_SUBREAPER (prctl(2)), or as PID 1, all that loses its parent becomes our child. What such a
child is, is told by the first of these that holds:

1. It is in our own session: started by this program itself (`subprocess` in a hook); never touched.
2. It is in the session of a process that we started, its environment has our mark, or it is in the session
   of an orphan known by that: it belongs to the process that we started, and is killed when that has ended.
3. It is in a foreign session that it does not lead. Only a descendant of somebody's child can be that: an
   orphan without owner. It is never killed, but reaped once it is dead.
4. It leads its session. `subprocess` with start_new_session makes such children too, and a dead one has no
   environment any more: doubtful. Never killed; reaped if it is dead and nobody has asked for it for
   DOUBT_SECONDS.

Limits: who wipes its environment (env -i, sudo, a title that overwrites it) *and* opens a session of its own
can't be recognised. Who is not readable for us (other user, not dumpable) is recognised by sessions only. An
orphan of a child that the program itself started (1) stays a zombie until the program ends. The program must
have opened its own session, if it does, before it starts anything.
"""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Iterator

from circus_core.records import dataclass

__all__ = [
    "DOUBT_SECONDS",
    "MARK_VARIABLE",
    "Mark",
    "ProcessStat",
    "become_subreaper",
    "own_children",
    "read_environ",
    "read_stat",
    "walk_marked",
]

MARK_VARIABLE = "CIRCUS_MARK"
DOUBT_SECONDS = 30.0
_PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]")


class Mark:
    """The marks of one backend."""

    def __init__(self, *, outer: str | None) -> None:
        """`outer` is the mark that this program itself was started with."""
        self._token = os.urandom(8).hex()
        self._outer = f" {outer}" if outer else ""
        self._pattern = re.compile(rb"\b%s:[^:\0]*:([0-9]+)" % self._token.encode())

    def value(self, label: str, serial: int) -> str:
        """What MARK_VARIABLE has for this process."""
        return f"{self._token}:{_UNSAFE.sub('_', label)}:{serial}{self._outer}"

    def serial_in(self, environ: bytes) -> int | None:
        """The serial of the owner, None if this is not our mark."""
        found = self._pattern.search(environ)
        return int(found[1]) if found else None


@dataclass(frozen=True, slots=True)
class ProcessStat:
    """Some of /proc/PID/stat: proc_pid_stat(5)."""

    pid: int
    is_zombie: bool
    parent: int
    group: int
    session: int

    @property
    def leads_session(self) -> bool:
        return self.session == self.pid


def become_subreaper() -> None:
    """Adopt what our descendants orphan, from now on: prctl(2). Not inherited by children, kept by execve.

    Raises:
        OSError: the kernel refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def own_children() -> set[int]:
    """Pids of the children of our first thread, zombies too: that thread gets the orphans (kernel/exit.c)."""
    me = os.getpid()
    try:
        with open(f"/proc/self/task/{me}/children", "rb") as children:
            return set(map(int, children.read().split()))
    except FileNotFoundError:  # a kernel without CONFIG_PROC_CHILDREN
        stats = map(read_stat, _all_pids())
        return {stat.pid for stat in stats if stat is not None and stat.parent == me}


def read_stat(pid: int) -> ProcessStat | None:
    """None if there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            fields = stat.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return ProcessStat(pid, fields[0] in b"ZX", int(fields[1]), int(fields[2]), int(fields[3]))


def read_environ(pid: int) -> bytes:
    """Empty if it is gone, dead, between two programs, or not readable for us."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as environ:
            return environ.read()
    except OSError:
        return b""


def walk_marked(mark: Mark, serial: int) -> Iterator[int]:
    """Pids of all on this machine that carries the mark; reads all of /proc, some 20 us for each process."""
    for pid in _all_pids():
        if mark.serial_in(read_environ(pid)) == serial:
            yield pid


def _all_pids() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())
