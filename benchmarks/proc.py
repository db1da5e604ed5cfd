"""What the system's tables say of processes: proc(5), clock_getcpuclockid(3), prctl(2)."""

from __future__ import annotations

import ctypes
import os
import select
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

__all__ = ["adopt_orphans", "cpu_seconds", "descendants", "private", "pss", "switches", "wait_until_gone"]


_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Become the parent of processes below this one whose own parent ends, so that they can be found."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "cannot become a subreaper")


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the CPU time of processes with all threads that they ever had, in seconds, to the nanosecond."""
    return sum(time.clock_gettime((~pid << 3) | 2) for pid in pids)


def pss(pids: Iterable[int]) -> int:
    """Return the bytes of memory of processes, shared pages divided among those who share them."""
    return sum(_memory(pid, "Pss") for pid in pids)


def private(pids: Iterable[int]) -> int:
    """Return the bytes of memory that each process has for itself and has written to."""
    return sum(_memory(pid, "Private_Dirty") for pid in pids)


def switches(pids: Iterable[int]) -> int:
    """Return how often the threads of processes that live now went to sleep, or were made to wait."""
    tasks = [task for pid in pids for task in Path(f"/proc/{pid}/task").iterdir()]
    lines = [line for task in tasks for line in (task / "status").read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if "ctxt_switches" in line)


def descendants(pid: int) -> Iterator[int]:
    """Yield the processes below one, whoever started them; those that end meanwhile are left out."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(word) for task in tasks for word in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return
    for child in children:
        yield child
        yield from descendants(child)


def wait_until_gone(pids: Iterable[int], timeout: float = 120.0) -> None:
    """Wait until processes have ended (a zombie has); AssertionError after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    for pid in pids:
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            if not _is_readable(descriptor, deadline - time.monotonic()):
                raise AssertionError(f"process {pid} did not end in {timeout:g} s")
        finally:
            os.close(descriptor)


def _is_readable(descriptor: int, timeout: float) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(max(0, int(timeout * 1000))))


def _memory(pid: int, what: str) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith(f"{what}:")]
    return int(line.split()[1]) * 1024
