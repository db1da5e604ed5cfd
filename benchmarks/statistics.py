"""What the statistics of processes cost: CPU of the program that takes them, per look at all of them."""

from __future__ import annotations

import socket
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import zmq

from benchmarks.contestants import Contestant
from benchmarks.roll_call import RollCall

__all__ = ["cpu_of", "free_port", "statistics_cpu"]

_LOOKS = 10
_PATIENCE = 120.0  # seconds
_TICK = 100  # of /proc/PID/stat, per second


def statistics_cpu(contestant: Contestant, count: int) -> float:
    """CPU seconds of one look at `count` processes, all being subscribed to; one look a second is wanted.

    Ten looks are taken, or as many as come in two minutes.
    """
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    options = f"{contestant.options}\nstatsd = True\nstats_endpoint = {endpoint}"
    subject = replace(contestant, options=options)
    with (
        tempfile.TemporaryDirectory() as folder,
        RollCall(Path(folder)) as roll_call,
        subject.running(roll_call.command, count) as running,
        zmq.Context() as context,
        context.socket(zmq.SUB) as subscriber,
    ):
        roll_call.wait_for(count)
        subscriber.setsockopt(zmq.RCVHWM, 0)
        subscriber.setsockopt(zmq.SUBSCRIBE, b"stat.")
        subscriber.connect(endpoint)
        _wait_for_look(subscriber, time.monotonic() + _PATIENCE)
        pid = _statistics_of(running.process.pid)
        before, looks, deadline = cpu_of(pid), 0, time.monotonic() + _PATIENCE
        while looks < _LOOKS and _wait_for_look(subscriber, deadline):
            looks += 1
        return (cpu_of(pid) - before) / max(1, looks)


def _wait_for_look(subscriber: zmq.Socket[bytes], deadline: float) -> bool:
    """Wait for the message that sums up all processes; False if none comes in time."""
    while subscriber.poll(int(1000 * max(0.0, deadline - time.monotonic()))):
        topic, _ = subscriber.recv_multipart()
        if topic == b"stat.sleeper":
            return True
    return False


def _statistics_of(daemon: int) -> int:
    """Return the pid of the child that takes statistics."""
    for pid in Path(f"/proc/{daemon}/task/{daemon}/children").read_text().split():
        if b"stats" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return int(pid)
    raise AssertionError("nobody takes statistics")


def cpu_of(pid: int) -> float:
    """Return the CPU seconds that a process has taken so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def free_port() -> int:
    """Return a port of loopback that nobody has just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
