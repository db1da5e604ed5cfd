"""How long it takes from the death of a process until its replacement runs its first instruction."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import quantiles

from benchmarks.contest import Contest, Figure, Goal, entrants
from benchmarks.contestants import Contestant, Running, circus
from benchmarks.contestants.daemontools import DAEMONTOOLS
from benchmarks.contestants.pm2 import PM2
from benchmarks.contestants.runit import RUNIT
from benchmarks.contestants.s6 import S6
from benchmarks.contestants.supervisor import SUPERVISOR
from benchmarks.roll_call import RollCall
from benchmarks.work import Work

__all__ = ["contests"]

_LIVED = 1.5  # seconds: who dies sooner is started again later, by all of them
_PATIENCE = 8.0  # seconds for one contestant: some take seconds for each
_PAUSE = 0.02
_KEEPERS = (circus.OURS, circus.OLD, SUPERVISOR, S6, RUNIT, DAEMONTOOLS, PM2)


def contests(*, is_quick: bool) -> Iterator[Contest]:
    """Yield the death of one of many, and of many at once."""
    count, times, at_once = (10, 2, 10) if is_quick else (100, 200, 500)
    ahead = Goal(at_most=1.0, of=DAEMONTOOLS.name)
    yield Contest(
        "respawn",
        (
            Figure("respawn-p50", f"one of {count} is back, p50", "ms", (Goal(at_most=3.0), ahead)),
            Figure("respawn-p99", f"one of {count} is back, p99", "ms", (Goal(at_most=10.0),)),
        ),
        entrants(_KEEPERS, partial(_one, count, times)),
        settings=f"kill -9 of the oldest of {count} static C programs, {times} times or for {_PATIENCE:g} s",
        rounds=3,
    )
    yield Contest(
        "respawn-many",
        (
            Figure("many-start", f"start of {at_once}", "ms"),
            Figure("many-back", f"all of {at_once} are back", "ms"),
            Figure("many-ratio", "back / start", "x", (Goal(at_most=1.5),)),
        ),
        entrants((circus.OURS, DAEMONTOOLS, RUNIT), partial(_many, at_once)),
        settings=f"kill -9 of {at_once} static C programs at once; start: from the start of the supervisor",
        rounds=3,
    )


def _one(count: int, times: int, contestant: Contestant) -> Mapping[str, float]:
    with _at_work(contestant, count) as (running, roll_call):
        oldest = deque(roll_call.wait_for(running, count))
        time.sleep(_LIVED)
        taken: list[float] = []
        end = time.monotonic() + _PATIENCE
        while len(taken) < times and time.monotonic() < end:
            victim = oldest.popleft()
            begun = time.perf_counter()
            os.kill(victim, signal.SIGKILL)
            oldest += roll_call.wait_for(running, 1)
            taken.append(1e3 * (time.perf_counter() - begun))
            time.sleep(max(_PAUSE, _LIVED / count))  # so that the oldest has lived for long enough
    cuts = quantiles(taken, n=100, method="inclusive")
    return {"respawn-p50": cuts[49], "respawn-p99": cuts[98]}


def _many(count: int, contestant: Contestant) -> Mapping[str, float]:
    with _at_work(contestant, count) as (running, roll_call):
        pids = roll_call.wait_for(running, count)
        start = time.perf_counter() - running.begun
        time.sleep(_LIVED)
        begun = time.perf_counter()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        roll_call.wait_for(running, count)
        back = time.perf_counter() - begun
    return {"many-start": 1e3 * start, "many-back": 1e3 * back, "many-ratio": back / start}


@contextmanager
def _at_work(contestant: Contestant, count: int) -> Iterator[tuple[Running, RollCall]]:
    with (
        tempfile.TemporaryDirectory() as folder,
        RollCall(Path(folder)) as roll_call,
        contestant.running(Work(command=roll_call.command, count=count)) as running,
    ):
        yield running, roll_call
