"""How long a command line takes that asks for the state of everything, from its start to its end."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.clients import connected
from benchmarks.contest import Contest, Figure, Goal, entrants
from benchmarks.contestants import Contestant, Running, circus
from benchmarks.contestants.runit import RUNIT
from benchmarks.contestants.s6 import S6
from benchmarks.contestants.supervisor import SUPERVISOR
from benchmarks.roll_call import RollCall
from benchmarks.work import Work

__all__ = ["contests"]


def contests(*, is_quick: bool) -> Iterator[Contest]:
    """Yield one contest."""
    times = 2 if is_quick else 9
    goals = [
        goal
        for who in (circus.OURS.name, circus.OURS_WITH_KEYS.name)
        for goal in (Goal(at_most=90.0, who=who), Goal(at_most=0.4, of=circus.OLD.name, who=who))
    ]
    yield Contest(
        "command-line",
        (Figure("command-line", "status on the command line", "ms", tuple(goals)),),
        entrants(
            (circus.OURS, circus.OURS_WITH_KEYS, circus.OLD, SUPERVISOR, S6, RUNIT), partial(_measure, times)
        ),
        settings=f"one process; half of {times} runs",
        rounds=3,
    )


def _measure(times: int, contestant: Contestant) -> Mapping[str, float]:
    with (
        tempfile.TemporaryDirectory() as folder,
        RollCall(Path(folder)) as roll_call,
        contestant.running(Work(command=roll_call.command)) as running,
    ):
        roll_call.wait_for(running, 1)
        if running.endpoint:
            with connected(contestant, running):
                pass
        _run(running)  # the system has read its files
        return {"command-line": median(_run(running) for _ in range(times))}


def _run(running: Running) -> float:
    begun = time.perf_counter()
    subprocess.run(
        running.status_command, env=dict(running.environment), stdout=subprocess.DEVNULL, check=True
    )
    return 1e3 * (time.perf_counter() - begun)
