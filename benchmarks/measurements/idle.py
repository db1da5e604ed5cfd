"""What a supervisor costs that has nothing to do."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks import proc
from benchmarks.contest import Contest, Figure, Goal, entrants
from benchmarks.contestants import Contestant, circus, s6, supervisor
from benchmarks.roll_call import RollCall
from benchmarks.work import Work

__all__ = ["contests"]

_KIB = 2**10
_MIB = 2**20
_REST = 2.0  # seconds; it comes to rest


def contests(*, is_quick: bool) -> Iterator[Contest]:
    """Yield what is used in so many idle seconds, then how memory grows with the number of processes."""
    rest = 0.2 if is_quick else _REST
    yield _idle(*((10, 1.0) if is_quick else (1000, 20.0)), rest)
    yield _growth((1, 10, 20) if is_quick else (10, 100, 1000), (circus.OURS, circus.OLD), rest)
    yield _growth((30, 40) if is_quick else (2000, 5000), (circus.OURS,), rest)


def _idle(count: int, seconds: float, rest: float) -> Contest:
    who = (circus.OURS, circus.OLD, supervisor.SUPERVISOR, s6.S6)
    return Contest(
        "idle",
        (
            Figure("idle-cpu", f"CPU in {seconds:g} idle seconds with {count}", "ms", (Goal(at_most=0.0),)),
            Figure("idle-wakes", "how often one of its threads was woken", "times", (Goal(at_most=0.0),)),
            Figure(
                "idle-memory",
                f"memory (PSS) with {count}",
                "MiB",
                (Goal(at_most=20.0), Goal(at_most=1.0, of=circus.OLD.name)),
            ),
        ),
        entrants(who, partial(_measure_idle, count, seconds, rest)),
        settings=f"one watcher with {count} static C programs, or as many services; "
        "all processes of the supervisor's own side",
        rounds=2,
    )


def _growth(counts: tuple[int, ...], who: tuple[Contestant, ...], rest: float) -> Contest:
    *_, less, more = counts
    name = f"memory-{more}"
    title = f"for each process from the {less}th to the {more}th"
    return Contest(
        name,
        (
            *(
                Figure(
                    f"{name}-with-{each}",
                    f"memory with {each}",
                    "MiB",
                    curve="memory of its own",
                    at=each,
                )
                for each in counts
            ),
            Figure(f"{name}-each", title, "KiB", (Goal(at_most=1.0),)),
        ),
        entrants(who, partial(_measure_growth, name, counts, rest)),
        settings=f"one watcher with {', '.join(map(str, counts))} static C programs; "
        "memory that is shared with no other process and has been written to",
        rounds=2,
    )


def _measure_idle(count: int, seconds: float, rest: float, contestant: Contestant) -> Mapping[str, float]:
    with _at_rest(count, rest, contestant) as pids:
        before = proc.cpu_seconds(pids), proc.switches(pids)
        time.sleep(seconds)
        return {
            "idle-cpu": 1000 * (proc.cpu_seconds(pids) - before[0]),
            "idle-wakes": proc.switches(pids) - before[1],
            "idle-memory": proc.pss(pids) / _MIB,
        }


def _measure_growth(
    name: str, counts: tuple[int, ...], rest: float, contestant: Contestant
) -> Mapping[str, float]:
    used = {count: _private(count, rest, contestant) for count in counts}
    *_, less, more = counts
    return {
        **{f"{name}-with-{count}": each / _MIB for count, each in used.items()},
        f"{name}-each": (used[more] - used[less]) / (more - less) / _KIB,
    }


def _private(count: int, rest: float, contestant: Contestant) -> int:
    with _at_rest(count, rest, contestant) as pids:
        return proc.private(pids)


@contextmanager
def _at_rest(count: int, rest: float, contestant: Contestant) -> Iterator[list[int]]:
    """Yield the pids of its own side, when all processes have run for `rest` seconds."""
    with (
        tempfile.TemporaryDirectory() as folder,
        RollCall(Path(folder)) as roll_call,
        contestant.running(Work(command=roll_call.command, count=count)) as running,
    ):
        roll_call.wait_for(running, count)
        time.sleep(rest)
        yield running.own_processes()
