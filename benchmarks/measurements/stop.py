"""How long an orderly stop takes, until the last process has ended, and until the supervisor has."""

from __future__ import annotations

import os
import select
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks.contest import Contest, Figure, Goal, entrants
from benchmarks.contestants import Contestant, Running, circus
from benchmarks.contestants.s6 import S6
from benchmarks.contestants.supervisor import SUPERVISOR
from benchmarks.roll_call import RollCall
from benchmarks.work import Work

__all__ = ["contests"]

_PATIENCE = 60.0  # seconds


def contests(*, is_quick: bool) -> Iterator[Contest]:
    """Yield one contest."""
    count = 20 if is_quick else 1000
    goals = (Goal(at_most=1.0, of=circus.OLD.name),)
    yield Contest(
        "stop",
        (
            Figure("stop-children", f"until {count} processes have ended", "ms", goals),
            Figure("stop-daemon", "until the supervisor has ended", "ms", goals),
        ),
        entrants((circus.OURS, circus.OLD, SUPERVISOR, S6), partial(_measure, count)),
        settings=f"one watcher with {count} static C programs, which end by SIGTERM at once",
        rounds=3,
    )


def _measure(count: int, contestant: Contestant) -> Mapping[str, float]:
    with tempfile.TemporaryDirectory() as folder, RollCall(Path(folder)) as roll_call:
        work = Work(command=roll_call.command, count=count)
        with contestant.running(work) as running:
            pids = roll_call.wait_for(running, count)
            time.sleep(2.0)  # it comes to rest
            return _stop(running, pids)


def _stop(running: Running, pids: Iterable[int]) -> Mapping[str, float]:
    with ExitStack() as held:
        poll = select.epoll()
        held.callback(poll.close)
        for pid in pids:
            fd = os.pidfd_open(pid)
            held.callback(os.close, fd)
            poll.register(fd, select.EPOLLIN)
        begun = time.perf_counter()
        running.stop()
        _wait_for_all(poll, len(list(pids)))
        gone = time.perf_counter() - begun
    running.process.wait(_PATIENCE)
    return {"stop-children": 1e3 * gone, "stop-daemon": 1e3 * (time.perf_counter() - begun)}


def _wait_for_all(poll: select.epoll, count: int) -> None:
    deadline = time.monotonic() + _PATIENCE
    while count:
        ended = poll.poll(max(0.0, deadline - time.monotonic()))
        if not ended:
            raise AssertionError(f"{count} processes have not ended in {_PATIENCE:g} s")
        for fd, _ in ended:
            poll.unregister(fd)
        count -= len(ended)
