"""How long it takes from exec of the program until N processes have run their first instruction."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from benchmarks.contest import Contest, Figure, Goal, entrants
from benchmarks.contestants import Contestant, circus, loops
from benchmarks.contestants.pm2 import PM2
from benchmarks.contestants.s6 import S6
from benchmarks.roll_call import RollCall
from benchmarks.work import Work

__all__ = ["contests"]

_GOALS = {
    10: (Goal(at_most=0.7, of=circus.OLD.name),),
    1000: (Goal(at_most=1.5, of=loops.POPEN.name), Goal(at_most=1.0, of=S6.name)),
    5000: (Goal(at_most=1.5, of=loops.POPEN.name),),
}


def contests(*, is_quick: bool) -> Iterator[Contest]:
    """Yield one contest for each number of processes."""
    for count in (10, 20) if is_quick else (10, 1000, 5000):
        figure = Figure(
            f"start-{count}",
            f"start of {count} processes",
            "ms",
            _GOALS.get(count, ()),
            curve="start, one watcher",
            at=count,
        )
        yield Contest(
            figure.name,
            (figure,),
            entrants(_who(count), partial(_measure, figure.name, count)),
            settings=f"one watcher with {count} static C programs",
            rounds=5 if count < 1000 else 3,
        )


def _who(count: int) -> tuple[Contestant, ...]:
    """Return those who can start so many; pm2 would take more than a minute for 1000."""
    pm2 = (PM2,) if count < 100 else ()
    others = (circus.OLD, S6, *pm2) if count <= 1000 else ()
    return (circus.OURS, *others, loops.POPEN, loops.VFORK)


def _measure(figure: str, count: int, contestant: Contestant) -> Mapping[str, float]:
    with tempfile.TemporaryDirectory() as folder, RollCall(Path(folder)) as roll_call:
        work = Work(command=roll_call.command, count=count)
        with contestant.running(work) as running:
            roll_call.wait_for(running, count)
            return {figure: 1000 * (time.perf_counter() - running.begun)}
