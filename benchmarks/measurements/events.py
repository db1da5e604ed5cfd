"""What of the events reaches a subscriber when everything happens at once, and how fast."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import zmq

from benchmarks.clients import ZmqClient, connected
from benchmarks.contest import OURS, Contest, Entrant, Figure, Goal, entrants
from benchmarks.contestants import Contestant, circus
from benchmarks.roll_call import RollCall
from benchmarks.work import Work

__all__ = ["contests"]

_PATIENCE = 60.0  # seconds

# Both say hello until a line comes from standard input, then they publish what they can.
_BARE = """\
import json, select, sys, time, zmq
publisher = zmq.Context().socket(zmq.PUB)
publisher.setsockopt(zmq.SNDHWM, 0)
publisher.bind(sys.argv[1])
def publish(topic, number):
    payload = {"time": time.time(), "process_pid": number}
    publisher.send_multipart([topic, json.dumps(payload).encode()])
while not select.select([sys.stdin], [], [], 0.01)[0]:
    publish(b"watcher.hello.end", 0)
for number in range(int(sys.argv[2])):
    publish(b"watcher.worker.end", number)
sys.stdin.read()
"""
_OURS = """\
import asyncio, dataclasses, sys, time
from circus_core import EmbeddedArbiter, Event

@dataclasses.dataclass(frozen=True, kw_only=True)
class Ended(Event):
    action = "end"
    process_pid: int

async def main(endpoint, count):
    endpoints = {"endpoint": "tcp://127.0.0.1:*", "pubsub_endpoint": endpoint}
    async with EmbeddedArbiter.from_mappings([], arbiter=endpoints) as arbiter:
        go = asyncio.create_task(asyncio.to_thread(sys.stdin.readline))
        while not go.done():
            arbiter.publish(Ended(watcher="hello", time=time.time(), process_pid=0))
            await asyncio.sleep(0.01)
        for number in range(count):
            arbiter.publish(Ended(watcher="worker", time=time.time(), process_pid=number))
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


def contests(*, is_quick: bool) -> Iterator[Contest]:
    """Yield the contest of deaths and the one of bare speed."""
    dying, burst = (20, 500) if is_quick else (500, 8000)
    yield Contest(
        "events",
        (
            Figure(
                "events-lost", f"of the ends of {dying} processes, not told", "events", (Goal(at_most=0.0),)
            ),
            Figure("events-told", f"from the first kill until all {dying} ends are told", "ms"),
        ),
        entrants((circus.OURS, circus.OLD), partial(_deaths, dying)),
        settings=f"one watcher with {dying} static C programs, killed at once; one subscriber to everything",
        rounds=2,
    )
    yield Contest(
        "events-burst",
        (
            Figure(
                "events-rate",
                f"{burst} events at once, from the first to the last at one subscriber",
                "events/s",
                (Goal(at_least=20_000.0),),
                is_more_better=True,
            ),
        ),
        (
            Entrant(OURS, partial(_burst, _OURS, burst)),
            Entrant("zmq PUB", partial(_burst, _BARE, burst), version=f"libzmq {zmq.zmq_version()}"),
        ),
        settings="an arbiter in a Python program, and a bare PUB socket in one; each event becomes JSON",
    )


def _deaths(count: int, contestant: Contestant) -> Mapping[str, float]:
    with tempfile.TemporaryDirectory() as folder, RollCall(Path(folder)) as roll_call:
        work = Work(command=roll_call.command, count=count, is_kept_alive=False)
        with contestant.running(work) as running, connected(contestant, running) as client:
            pids = set(roll_call.wait_for(running, count))
            assert isinstance(client, ZmqClient)
            reply = json.loads(client.ask("globaloptions", option="pubsub_endpoint"))
            with _subscribed(reply["options"]["pubsub_endpoint"]) as subscriber:
                time.sleep(1.0)  # it is subscribed
                begun = time.perf_counter()
                for pid in pids:
                    os.kill(pid, signal.SIGKILL)
                lost, told = _await_ends(subscriber, pids)
    return {"events-lost": float(lost), "events-told": 1e3 * (told - begun)}


def _await_ends(subscriber: zmq.Socket[bytes], pids: set[int]) -> tuple[int, float]:
    """Return how many ends are not told within a minute, and when the last one was."""
    missing, last, deadline = set(pids), time.perf_counter(), time.perf_counter() + _PATIENCE
    while missing and subscriber.poll(max(0, int(1000 * (deadline - time.perf_counter())))):
        topic, payload = subscriber.recv_multipart()
        if topic.endswith(b".reap"):
            missing.discard(json.loads(payload)["process_pid"])
            last = time.perf_counter()
    return len(missing), last


def _burst(program: str, count: int) -> Mapping[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        endpoint = f"ipc://{folder}/events"
        words = [sys.executable, "-c", program, endpoint, str(count)]
        with (
            _subscribed(endpoint) as subscriber,
            subprocess.Popen(words, stdin=subprocess.PIPE, text=True) as publisher,
        ):
            assert publisher.stdin is not None
            try:
                assert subscriber.poll(int(1000 * _PATIENCE)), "no event"
                publisher.stdin.write("go\n")
                publisher.stdin.flush()
                return {"events-rate": _rate(subscriber, count)}
            finally:
                publisher.stdin.close()


def _rate(subscriber: zmq.Socket[bytes], count: int) -> float:
    came, begun = 0, 0.0
    while came < count:
        assert subscriber.poll(int(1000 * _PATIENCE)), f"only {came} of {count} events came"
        topic, _ = subscriber.recv_multipart()
        if topic == b"watcher.worker.end":
            begun = begun or time.perf_counter()
            came += 1
    return count / (time.perf_counter() - begun)


@contextmanager
def _subscribed(endpoint: str) -> Iterator[zmq.Socket[bytes]]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    subscriber = context.socket(zmq.SUB)
    subscriber.setsockopt(zmq.RCVHWM, 0)
    subscriber.setsockopt(zmq.SUBSCRIBE, b"")
    subscriber.connect(endpoint)
    try:
        yield subscriber
    finally:
        context.destroy(linger=0)
