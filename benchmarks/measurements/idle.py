"""What a supervisor costs that has nothing to do."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from benchmarks import proc
from benchmarks.contest import Contest, Figure, Goal, entrants
from benchmarks.contestants import Contestant, circus
from benchmarks.roll_call import RollCall
from benchmarks.work import Work

__all__ = ["contests"]


def contests(*, is_quick: bool) -> Iterator[Contest]:
    """Yield one contest."""
    count, seconds = (10, 1.0) if is_quick else (1000, 20.0)
    yield Contest(
        "idle",
        (
            Figure("idle-cpu", f"CPU in {seconds:g} idle seconds with {count}", "ms", (Goal(at_most=0.0),)),
            Figure("idle-memory", f"memory (PSS) with {count}", "MiB", (Goal(at_most=20.0),)),
        ),
        entrants((circus.OURS, circus.OLD), partial(_measure, count, seconds)),
        settings=f"one watcher with {count} static C programs; all processes of the supervisor's own side",
        rounds=3,
    )


def _measure(count: int, seconds: float, contestant: Contestant) -> Mapping[str, float]:
    with (
        tempfile.TemporaryDirectory() as folder,
        RollCall(Path(folder)) as roll_call,
        contestant.running(Work(command=roll_call.command, count=count)) as running,
    ):
        roll_call.wait_for(count)
        time.sleep(1.0)  # it comes to rest
        pids = running.own_processes()
        before = proc.cpu_seconds(pids)
        time.sleep(seconds)
        return {
            "idle-cpu": 1000 * (proc.cpu_seconds(pids) - before),
            "idle-memory": proc.pss(pids) / 2**20,
        }
