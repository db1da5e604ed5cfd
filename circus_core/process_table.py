"""The processes of this machine at one moment: figures of some, and who is whose child.

One pass over /proc (proc(5)), or one of psutil where there is no such folder. May take long: not on the loop.
"""

from __future__ import annotations

import os
import pwd
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from typing import Final

import psutil

from circus_core.proc_files import all_stats, command, is_hidden, name_of, number, parent, read
from circus_core.records import dataclass, field

__all__ = ["ProcessTable", "Sample", "Usage", "read_children", "read_processes", "read_usage"]

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_HAS_PROC: Final = os.path.exists("/proc/self/stat")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Figures of one process.

    Attributes:
        command: last path component of the first word of its command line, without blanks.
        user: name of its real user, the number if it has none.
        rss, vms: resident and virtual size, bytes.
        cpu: seconds of user and system time so far, its threads included.
        age: seconds since it was started.
        birth: tells it from a later process of the same pid.
        is_zombie: it has ended, and its parent has not asked for its status.
    """

    pid: int
    command: str
    user: str
    nice: int
    rss: int
    vms: int
    cpu: float
    age: float
    birth: float
    is_zombie: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessTable:
    """Attributes:
    samples: by pid; what was asked for and its children. Who is gone is missing.
    children: pids of the direct children of those that were asked for.
    hidden: asked for, alive, and not to be read by this user.
    taken_at: seconds, on a clock of its own.
    """

    samples: Mapping[int, Sample]
    children: Mapping[int, Collection[int]]
    hidden: Collection[int] = ()
    taken_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What one process has in use; None: it may not be looked at, or has ended.

    Attributes:
        open_files: descriptors.
        memory: resident bytes.
        cpu_time: seconds of user and system time so far.
    """

    open_files: int | None = None
    threads: int | None = None
    memory: int | None = None
    cpu_time: float | None = None


def read_processes(pids: Collection[int]) -> ProcessTable:
    """Look at these processes and their direct children."""
    return _read_proc(pids) if _HAS_PROC else _read_psutil(pids)


def read_usage(pid: int) -> Usage:
    """Look at one process, and at no other."""
    return _read_proc_usage(pid) if _HAS_PROC else _read_psutil_usage(pid)


def read_children() -> dict[int, list[int]]:
    """Return the pids of the direct children of every process that has some."""
    children: dict[int, list[int]] = {}
    for pid, ppid in _proc_parents() if _HAS_PROC else _psutil_parents():
        children.setdefault(ppid, []).append(pid)
    return children


# Linux


def _proc_parents() -> Iterator[tuple[int, int]]:
    return ((pid, parent(stat)) for pid, stat in all_stats())


def _read_proc(pids: Collection[int]) -> ProcessTable:
    names = _Names()
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    stats: dict[int, bytes] = {}
    children: dict[int, list[int]] = {pid: [] for pid in pids}
    for pid, stat in all_stats():
        siblings = children.get(parent(stat))
        if siblings is not None:
            siblings.append(pid)
            stats[pid] = stat
        elif pid in children:
            stats[pid] = stat
    samples = {pid: _sample(pid, stat, names, now) for pid, stat in stats.items()}
    hidden = [pid for pid in children if pid not in samples and is_hidden(pid)]
    return ProcessTable(samples=samples, children=children, hidden=hidden, taken_at=now)


def _sample(pid: int, stat: bytes, names: _Names, now: float) -> Sample:
    fields = stat[stat.rindex(b")") + 2 :].split()  # fields[0] is field 3 of proc_pid_stat(5)
    started = int(fields[19]) / _TICKS
    status = read(f"/proc/{pid}/status")
    return Sample(
        pid=pid,
        command=command(pid, stat),
        user=names.of(number(status, b"\nUid:")),
        nice=int(fields[16]),
        rss=_resident(status, fields),
        vms=int(fields[20]),
        cpu=(int(fields[11]) + int(fields[12])) / _TICKS,
        age=max(0.0, now - started),
        birth=started,
        is_zombie=fields[0] in b"ZX",
    )


def _resident(status: bytes, stat: list[bytes]) -> int:
    """Return resident bytes: exact in status; stat misses what the processors have not handed in yet."""
    resident = number(status, b"\nVmRSS:")
    return int(stat[21]) * _PAGE if resident is None else 1024 * resident


def _read_proc_usage(pid: int) -> Usage:
    open_files = None
    with suppress(OSError):
        open_files = len(os.listdir(f"/proc/{pid}/fd")) - (pid == os.getpid())  # one is open to look at it
    stat = read(f"/proc/{pid}/stat")
    if not stat:
        return Usage(open_files=open_files)
    fields = stat[stat.rindex(b")") + 2 :].split()  # fields[0] is field 3 of proc_pid_stat(5)
    return Usage(
        open_files=open_files,
        threads=int(fields[17]),
        memory=_resident(read(f"/proc/{pid}/status"), fields),
        cpu_time=(int(fields[11]) + int(fields[12])) / _TICKS,
    )


# Elsewhere


def _psutil_parents() -> Iterator[tuple[int, int]]:
    return ((process.pid, process.info["ppid"]) for process in psutil.process_iter(["ppid"]))


def _read_psutil(pids: Collection[int]) -> ProcessTable:
    now = time.time()
    children: dict[int, list[int]] = {pid: [] for pid in pids}
    samples: dict[int, Sample] = {}
    hidden: list[int] = []
    for process in psutil.process_iter(["ppid"]):
        siblings = children.get(process.info["ppid"])
        if siblings is not None:
            siblings.append(process.pid)
        if siblings is None and process.pid not in children:
            continue
        try:
            samples[process.pid] = _psutil_sample(process, now)
        except psutil.AccessDenied:
            hidden.append(process.pid)
        except psutil.NoSuchProcess:
            continue
    return ProcessTable(samples=samples, children=children, hidden=hidden, taken_at=now)


def _psutil_sample(process: psutil.Process, now: float) -> Sample:
    with process.oneshot():
        created = process.create_time()
        is_zombie = process.status() == psutil.STATUS_ZOMBIE
        memory = None if is_zombie else process.memory_info()
        times = None if is_zombie else process.cpu_times()
        words = [] if is_zombie else process.cmdline()
        return Sample(
            pid=process.pid,
            command=name_of(words[0] if words else "") or process.name(),
            user=process.username(),
            nice=int(process.nice()),
            rss=memory.rss if memory else 0,
            vms=memory.vms if memory else 0,
            cpu=times.user + times.system if times else 0.0,
            age=max(0.0, now - created),
            birth=created,
            is_zombie=is_zombie,
        )


def _read_psutil_usage(pid: int) -> Usage:
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            times = process.cpu_times()
            return Usage(
                open_files=process.num_fds(),
                threads=process.num_threads(),
                memory=process.memory_info().rss,
                cpu_time=times.user + times.system,
            )
    except psutil.Error:
        return Usage()


# Both


@dataclass(slots=True)
class _Names:
    """Users by number, each looked up once: a directory service may be behind it."""

    _known: dict[int | None, str] = field(default_factory=lambda: {None: "N/A"})

    def of(self, uid: int | None) -> str:
        if uid not in self._known:
            self._known[uid] = str(uid)
            with suppress(KeyError):
                self._known[uid] = pwd.getpwuid(uid or 0).pw_name
        return self._known[uid]
