"""What the statistics of processes cost: CPU of the program that takes them, per look at all of them."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import zmq

from benchmarks import proc
from benchmarks.contest import Contest, Figure, Goal, entrants
from benchmarks.contestants import Contestant, Running, circus
from benchmarks.roll_call import RollCall
from benchmarks.work import Work
from circus_core.testing import free_port

__all__ = ["contests", "with_statistics"]

_LOOKS = 10
_PATIENCE = 120.0  # seconds


def contests(*, is_quick: bool) -> Iterator[Contest]:
    """Yield one contest."""
    count = 20 if is_quick else 1000
    title = f"CPU of one look at {count} processes"
    yield Contest(
        "statistics",
        (Figure("statistics", title, "ms", (Goal(at_most=100.0), Goal(at_most=1.0, of=circus.OLD.name))),),
        entrants((circus.OURS, circus.OLD), partial(_measure, count, 3 if is_quick else _LOOKS)),
        settings="one look a second is wanted, everything is subscribed to; "
        "Circus 0.19 looks at a third of the numbers",
        rounds=3,
    )


def with_statistics(contestant: Contestant) -> tuple[circus.Circus, str]:
    """Return a circusd that takes statistics, and the endpoint at which it publishes them."""
    assert isinstance(contestant, circus.Circus)
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    return replace(
        contestant, options=f"{contestant.options}\nstatsd = True\nstats_endpoint = {endpoint}"
    ), endpoint


def _measure(count: int, looks: int, contestant: Contestant) -> Mapping[str, float]:
    subject, endpoint = with_statistics(contestant)
    with (
        tempfile.TemporaryDirectory() as folder,
        RollCall(Path(folder)) as roll_call,
        subject.running(Work(command=roll_call.command, count=count)) as running,
        zmq.Context() as context,
        context.socket(zmq.SUB) as subscriber,
    ):
        roll_call.wait_for(running, count)
        subscriber.setsockopt(zmq.RCVHWM, 0)
        subscriber.setsockopt(zmq.SUBSCRIBE, b"stat.")
        subscriber.connect(endpoint)
        _wait_for_look(subscriber, time.monotonic() + _PATIENCE)
        pid = _statistics_of(running)
        before, seen, deadline = proc.cpu_seconds([pid]), 0, time.monotonic() + _PATIENCE
        while seen < looks and _wait_for_look(subscriber, deadline):
            seen += 1
        return {"statistics": 1000 * (proc.cpu_seconds([pid]) - before) / max(1, seen)}


def _wait_for_look(subscriber: zmq.Socket[bytes], deadline: float) -> bool:
    """Wait for the message that sums up all processes; False if none comes in time."""
    while subscriber.poll(int(1000 * max(0.0, deadline - time.monotonic()))):
        topic, _ = subscriber.recv_multipart()
        if topic == b"stat.worker":
            return True
    return False


def _statistics_of(running: Running) -> int:
    """Return the pid of the child that takes statistics."""
    for pid in proc.descendants(running.process.pid):
        if b"stats" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid
    raise AssertionError("nobody takes statistics")
