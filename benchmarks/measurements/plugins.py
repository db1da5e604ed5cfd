"""What plugins cost: hook plugins for each process that is started, Flapping in memory."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks import proc
from benchmarks.contest import OURS, Contest, Entrant, Figure, Goal
from benchmarks.contestants import circus
from benchmarks.roll_call import RollCall
from benchmarks.work import Work

__all__ = ["contests"]

_KIB = 2**10
_MANY = 10
_HOST = Path(__file__).parents[1] / "programs" / "hooks.py"

_IN_DAEMON = "[plugin:flapping{number}]\nuse = flapping\nrun_in = daemon\n"
_IN_PROCESS = "[plugin:flapping{number}]\nuse = flapping\n"
_OLD = "[plugin:flapping{number}]\nuse = circus.plugins.flapping.Flapping\n"


def contests(*, is_quick: bool) -> Iterator[Contest]:
    """Yield what hooks take from a start, then how much memory Flapping has, inside and outside."""
    spawns, plugins = (1000, 2) if is_quick else (20_000, _MANY)
    yield Contest(
        "hooks",
        (
            *(Figure(f"hooks-{count}", f"hooks of one start with {count}", "us") for count in (0, 1, _MANY)),
            Figure("hooks-each", "for each hook plugin", "us", (Goal(at_most=50.0),)),
        ),
        (Entrant(OURS, partial(_measure_hooks, spawns)),),
        settings="before_spawn, after_spawn, process_ready and event, implemented by plain functions; "
        f"mean of {spawns} calls of all four",
    )
    further = (Goal(at_most=100.0),)
    yield Contest(
        "flapping-memory",
        (
            Figure("flapping-first", "memory of the first Flapping", "KiB", further),
            Figure("flapping-further", "memory of each further one", "KiB", further),
        ),
        (
            Entrant(OURS, partial(_measure_flapping, circus.OURS, _IN_DAEMON, plugins)),
            Entrant(f"{OURS}, in a process", partial(_measure_flapping, circus.OURS, _IN_PROCESS, plugins)),
            Entrant(
                circus.OLD.name,
                partial(_measure_flapping, circus.OLD, _OLD, plugins),
                missing=circus.OLD.missing(),
            ),
        ),
        settings=f"10 static C programs, 0, 1 and {plugins} plugins; "
        "memory of all processes of the daemon's side that is shared with no other and has been written to",
        rounds=3,
    )


def _measure_hooks(spawns: int) -> Mapping[str, float]:
    found = {count: _hooks(count, spawns) for count in (0, 1, _MANY)}
    each = (found[_MANY] - found[0]) / _MANY
    return {**{f"hooks-{count}": value for count, value in found.items()}, "hooks-each": each}


def _hooks(count: int, spawns: int) -> float:
    words = [sys.executable, str(_HOST), str(count), str(spawns)]
    return float(subprocess.run(words, capture_output=True, text=True, check=True).stdout)


def _measure_flapping(contestant: circus.Circus, section: str, plugins: int) -> Mapping[str, float]:
    none, one, many = (_memory(contestant, section, count) for count in (0, 1, plugins))
    return {
        "flapping-first": (one - none) / _KIB,
        "flapping-further": (many - one) / (plugins - 1) / _KIB,
    }


def _memory(contestant: circus.Circus, section: str, count: int) -> int:
    subject = replace(contestant, sections="\n".join(section.format(number=n) for n in range(count)))
    with (
        tempfile.TemporaryDirectory() as folder,
        RollCall(Path(folder)) as roll_call,
        subject.running(Work(command=roll_call.command, count=10)) as running,
    ):
        roll_call.wait_for(running, 10)
        time.sleep(2.0 + 0.5 * count)  # plugins have nothing to say when they are up
        return proc.private(running.own_processes())
