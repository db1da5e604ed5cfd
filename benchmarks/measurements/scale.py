"""How what takes long grows with the number of watchers."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from benchmarks.clients import ZmqClient, connected
from benchmarks.contest import Contest, Figure, Goal, entrants
from benchmarks.contestants import Contestant, Running, circus
from benchmarks.roll_call import RollCall
from benchmarks.work import Work

__all__ = ["contests"]

_LARGEST_OF_THE_OLD = 1000  # it takes minutes to load more


def contests(*, is_quick: bool) -> Iterator[Contest]:
    """Yield one contest for each number of watchers."""
    for count in (10, 20) if is_quick else (100, 1000, 5000):
        who = (circus.OURS, circus.OLD) if count <= _LARGEST_OF_THE_OLD else (circus.OURS,)
        yield Contest(
            f"scale-{count}",
            (
                _figure(count, "start", "{} watchers are loaded and run"),
                _figure(count, "list", "list of {} watchers"),
                _figure(count, "status", "status of {} watchers"),
                _figure(
                    count, "reload", "reloadconfig of one changed watcher of {}", (Goal(at_most=1000.0),)
                ),
                _figure(count, "stop", "stop of {} watchers and the daemon"),
            ),
            entrants(who, partial(_measure, count)),
            settings=f"{count} watchers with one static C program each; one gets another max_retry",
            rounds=2,
        )


def _figure(count: int, what: str, title: str, goals: tuple[Goal, ...] = ()) -> Figure:
    return Figure(
        f"scale-{count}-{what}",
        title.format(count),
        "ms",
        goals,
        curve=f"{what}, each process with a watcher of its own",
        at=count,
    )


def _measure(count: int, contestant: Contestant) -> Mapping[str, float]:
    with tempfile.TemporaryDirectory() as folder, RollCall(Path(folder)) as roll_call:
        work = Work(command=roll_call.command, count=count, are_apart=True)
        with contestant.running(work) as running:
            roll_call.wait_for(running, count, timeout=600.0)
            figures = {"start": 1e3 * (time.perf_counter() - running.begun)}
            with connected(contestant, running) as client:
                assert isinstance(client, ZmqClient)
                figures["list"] = _milliseconds(client, "list")
                figures["status"] = _milliseconds(client, "status")
                _change_one(running)
                figures["reload"] = _milliseconds(client, "reloadconfig", waiting=True)
            begun = time.perf_counter()
            running.stop()
            running.process.wait(120.0)
            figures["stop"] = 1e3 * (time.perf_counter() - begun)
    return {f"scale-{count}-{name}": value for name, value in figures.items()}


def _milliseconds(client: ZmqClient, command: str, **properties: bool) -> float:
    begun = time.perf_counter()
    reply = json.loads(client.ask(command, **properties))
    assert reply["status"] != "error", reply
    return 1e3 * (time.perf_counter() - begun)


def _change_one(running: Running) -> None:
    """Write another option into the first watcher's section; the file is the last word of the command."""
    words = running.process.args
    assert isinstance(words, list)
    file = Path(words[-1])
    file.write_text(file.read_text().replace("\ncopy_env", "\nmax_retry = 7\ncopy_env", 1))
