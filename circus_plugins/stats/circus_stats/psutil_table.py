"""Reads processes with psutil, where there is no /proc of Linux."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Any, TypeVar

import psutil

from circus_stats.samples import Sample, Table, descendants

__all__ = ["read_psutil"]

_T = TypeVar("_T")


def read_psutil(pids: Collection[int], *, alone: Collection[int] = (), with_pss: bool = False) -> Table:
    """Look at these processes and all below them. May take long: not on the loop.

    Args:
        alone: of these, nobody below is looked at.
        with_pss: find out PSS and USS.
    """
    now = time.time()
    processes: dict[int, psutil.Process] = {}
    children: dict[int, list[int]] = {}
    for process in psutil.process_iter(["ppid"]):  # it keeps the handles from one look to the next
        processes[process.pid] = process
        children.setdefault(process.info["ppid"], []).append(process.pid)
    for pid in alone:
        children.pop(pid, None)
    wanted = set(pids)
    for pid in pids:
        wanted.update(descendants(pid, children))
    samples: dict[int, Sample] = {}
    hidden: list[int] = []
    for pid in wanted & processes.keys():
        try:
            samples[pid] = _sample(processes[pid], with_pss=with_pss)
        except psutil.AccessDenied:
            hidden.append(pid)
        except psutil.NoSuchProcess:
            continue
    # Nothing better is told than by the clock on the wall: an age is wrong for as long as that was set.
    return Table(samples=samples, children=children, hidden=hidden, taken_at=now, time=now)


def _sample(process: psutil.Process, *, with_pss: bool) -> Sample:
    with process.oneshot():
        created = process.create_time()
        is_zombie = process.status() == psutil.STATUS_ZOMBIE
        times, memory = process.cpu_times(), process.memory_info()
        full = _told(process.memory_full_info) if with_pss and not is_zombie else None
        switches, io = _told(process.num_ctx_switches), _told(_io_counters(process))
        words = _told(process.cmdline) or []
        return Sample(
            pid=process.pid,
            birth=created,
            created=created,
            is_zombie=is_zombie,
            command=_name(words[0] if words else "") or process.name(),
            user=_told(process.username) or "N/A",
            nice=int(process.nice()),
            cpu=times.user + times.system,
            waited_cpu=times.children_user + times.children_system,
            rss=memory.rss,
            vms=memory.vms,
            shared=getattr(memory, "shared", None),
            pss=getattr(full, "pss", None),
            uss=getattr(full, "uss", None),
            threads=process.num_threads(),
            fds=_told(process.num_fds),
            read_chars=getattr(io, "read_chars", None),
            write_chars=getattr(io, "write_chars", None),
            read_bytes=getattr(io, "read_bytes", None),
            write_bytes=getattr(io, "write_bytes", None),
            voluntary=getattr(switches, "voluntary", None),
            involuntary=getattr(switches, "involuntary", None),
        )


def _io_counters(process: psutil.Process) -> Callable[[], Any]:
    """Return the method, which some systems do not have."""
    method: Callable[[], Any] = getattr(process, "io_counters", lambda: None)
    return method


def _told(method: Callable[[], _T]) -> _T | None:
    """Return what a method does; None if this user may not know it."""
    try:
        return method()
    except (psutil.AccessDenied, psutil.ZombieProcess, NotImplementedError):
        return None


def _name(word: str) -> str:
    words = word.split(None, 1)
    return words[0].rpartition("/")[2] if words else ""
