"""How long an answer takes for a client that stays connected, at rest and while everything dies."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from benchmarks import proc
from benchmarks.clients import Client, connected
from benchmarks.contest import Contest, Figure, Goal, entrants
from benchmarks.contestants import Contestant, Running, circus
from benchmarks.contestants.echo import ECHO, ECHO_ON_ASYNCIO
from benchmarks.contestants.supervisor import SUPERVISOR
from benchmarks.roll_call import RollCall
from benchmarks.work import Work

__all__ = ["contests"]

_DAEMONS = (circus.OURS, circus.OURS_ON_IPC, circus.OURS_WITH_KEYS, circus.OLD)
_ONE = "worker"


def contests(*, is_quick: bool) -> Iterator[Contest]:
    """Yield the contest at rest, and the one in a storm of exits."""
    requests, dying = (200, 20) if is_quick else (3000, 500)
    yield Contest(
        "control",
        (
            Figure(
                "control-p50",
                "status of one, half of the answers within",
                "us",
                (
                    Goal(at_most=0.6, of=circus.OLD.name),
                    Goal(at_most=1.0, of=circus.OLD.name, who=circus.OURS_WITH_KEYS.name),
                ),
            ),
            Figure("control-p99", "status of one, 99 % of the answers within", "us"),
            Figure("control-cpu", "CPU of the daemon for each answer", "us"),
        ),
        entrants((*_DAEMONS, SUPERVISOR, ECHO, ECHO_ON_ASYNCIO), partial(_at_rest, requests)),
        settings=f"{requests} requests one after the other, one process; an echo only sends back",
        rounds=5,
    )
    yield Contest(
        "control-storm",
        (
            Figure(
                "control-storm-p99",
                f"status of one while {dying} processes die and are replaced, 99 % of the answers within",
                "ms",
                (Goal(at_most=20.0),),
            ),
        ),
        entrants((*_DAEMONS, SUPERVISOR), partial(_in_a_storm, dying)),
        settings=f"one watcher with {dying} static C programs, killed at once",
        rounds=2,
    )


def _at_rest(requests: int, contestant: Contestant) -> Mapping[str, float]:
    with tempfile.TemporaryDirectory() as folder, RollCall(Path(folder)) as roll_call:
        work = Work(command=roll_call.command)
        with contestant.running(work) as running, connected(contestant, running) as client:
            for _ in range(requests // 10):
                client.ask_for_one(_ONE)
            before = proc.cpu_seconds([running.process.pid])
            times = sorted(_answer(client) for _ in range(requests))
            used = proc.cpu_seconds([running.process.pid]) - before
    return {
        "control-cpu": 1e6 * used / requests,
        "control-p50": 1e6 * times[requests // 2],
        "control-p99": 1e6 * times[requests * 99 // 100],
    }


def _in_a_storm(count: int, contestant: Contestant) -> Mapping[str, float]:
    with tempfile.TemporaryDirectory() as folder, RollCall(Path(folder)) as roll_call:
        work = Work(command=roll_call.command, count=count)
        with contestant.running(work) as running, connected(contestant, running) as client:
            pids = roll_call.wait_for(running, count)
            time.sleep(1.5)  # who waits before it starts again what lived for less than a second does not
            times = sorted(_answers_meanwhile(client, running, pids, roll_call))
    return {"control-storm-p99": 1e3 * times[len(times) * 99 // 100]}


def _answers_meanwhile(
    client: Client, running: Running, pids: list[int], roll_call: RollCall
) -> Iterator[float]:
    """Kill processes and yield how long each answer takes until all of them are replaced."""
    replaced = threading.Thread(target=roll_call.wait_for, args=(running, len(pids)))
    replaced.start()
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    while replaced.is_alive():
        yield _answer(client)
    replaced.join()


def _answer(client: Client) -> float:
    begun = time.perf_counter()
    client.ask_for_one(_ONE)
    return time.perf_counter() - begun
