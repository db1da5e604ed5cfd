"""How long it takes to learn the state of a thousand processes, and what each of them costs."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.clients import ZmqClient, connected
from benchmarks.contest import Contest, Figure, Goal, entrants
from benchmarks.contestants import Contestant, circus
from benchmarks.contestants.supervisor import SUPERVISOR
from benchmarks.roll_call import RollCall
from benchmarks.work import Work

__all__ = ["contests"]

_TIMES = 5


def contests(*, is_quick: bool) -> Iterator[Contest]:
    """Yield one contest."""
    count = 20 if is_quick else 1000
    yield Contest(
        "everything",
        (
            Figure("status-all", f"status of {count}", "ms", (Goal(at_most=0.5, of=circus.OLD.name),)),
            Figure("stats-all", f"stats of {count}", "ms", (Goal(at_most=150.0),)),
        ),
        entrants((circus.OURS, circus.OLD, SUPERVISOR), partial(_measure, count)),
        settings=f"{count} watchers with one static C program each; half of {_TIMES} answers; stats: one",
        rounds=2,
    )


def _measure(count: int, contestant: Contestant) -> Mapping[str, float]:
    with tempfile.TemporaryDirectory() as folder, RollCall(Path(folder)) as roll_call:
        work = Work(command=roll_call.command, count=count, are_apart=True)
        with contestant.running(work) as running:
            roll_call.wait_for(running, count)
            with connected(contestant, running) as client:
                figures = {"status-all": median(_milliseconds(client.ask_for_all) for _ in range(_TIMES))}
                if isinstance(client, ZmqClient):
                    figures["stats-all"] = _milliseconds(lambda: client.ask("stats"))
                return figures


def _milliseconds(ask: Callable[[], object]) -> float:
    """Time an answer; Circus 0.19 refuses to answer while it does something else, and is asked again."""
    for _ in range(100):
        begun = time.perf_counter()
        reply = ask()
        lasted = 1e3 * (time.perf_counter() - begun)
        if not (isinstance(reply, bytes) and b'"status": "error"' in reply):
            return lasted
        time.sleep(0.02)
    raise AssertionError(f"refused again and again: {reply!r}")
