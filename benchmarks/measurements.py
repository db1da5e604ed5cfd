"""What is measured; each function returns one figure of one contestant."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import zmq

from benchmarks.contestants import Contestant, Running
from benchmarks.roll_call import RollCall
from circus_core.access import keys

__all__ = ["answers", "command_line", "idle_cpu", "memory", "respawn", "start"]


def start(contestant: Contestant, count: int) -> float:
    """Seconds from exec of the program until `count` processes have run their first instruction."""
    with tempfile.TemporaryDirectory() as folder, RollCall(Path(folder)) as roll_call:
        begun = time.perf_counter()
        with contestant.running(roll_call.command, count):
            roll_call.wait_for(count)
            return time.perf_counter() - begun


def respawn(contestant: Contestant, count: int) -> float:
    """Seconds from kill -9 of one of `count` processes until its replacement runs its first instruction."""
    with (
        tempfile.TemporaryDirectory() as folder,
        RollCall(Path(folder)) as roll_call,
        contestant.running(roll_call.command, count),
    ):
        victim = roll_call.wait_for(count)[count // 2]
        time.sleep(2.0)  # a process that dies within a second waits longer for its replacement
        begun = time.perf_counter()
        os.kill(victim, signal.SIGKILL)
        roll_call.wait_for(1)
        return time.perf_counter() - begun


def idle_cpu(contestant: Contestant, count: int, seconds: float) -> float:
    """CPU seconds that the program uses in `seconds` of doing nothing for `count` processes."""
    with (
        tempfile.TemporaryDirectory() as folder,
        RollCall(Path(folder)) as roll_call,
        contestant.running(roll_call.command, count) as running,
    ):
        roll_call.wait_for(count)
        time.sleep(1.0)
        before = _cpu_seconds(running.process.pid)
        time.sleep(seconds)
        return _cpu_seconds(running.process.pid) - before


def memory(contestant: Contestant, count: int) -> float:
    """MiB of the program alone, shared pages divided among their users (PSS, proc(5))."""
    with (
        tempfile.TemporaryDirectory() as folder,
        RollCall(Path(folder)) as roll_call,
        contestant.running(roll_call.command, count) as running,
    ):
        roll_call.wait_for(count)
        lines = Path(f"/proc/{running.process.pid}/smaps_rollup").read_text().splitlines()
        (pss,) = [line for line in lines if line.startswith("Pss:")]
        return int(pss.split()[1]) / 1024


def answers(contestant: Contestant, count: int, *, asked: int = 2000) -> list[float]:
    """Seconds that each of so many requests for the status of one watcher took, over one connection."""
    with (
        tempfile.TemporaryDirectory() as folder,
        RollCall(Path(folder)) as roll_call,
        contestant.running(roll_call.command, count) as running,
    ):
        roll_call.wait_for(count)
        request = json.dumps(
            {"command": "status", "properties": {"name": "sleeper"}, "id": "x" * 32}
        ).encode()
        with _connected(running) as client:
            return [_timed(lambda: _ask(client, request)) for _ in range(asked)]


def command_line(contestant: Contestant, count: int) -> float:
    """Seconds of wall time that one `circusctl status` takes."""
    with (
        tempfile.TemporaryDirectory() as folder,
        RollCall(Path(folder)) as roll_call,
        contestant.running(roll_call.command, count) as running,
    ):
        roll_call.wait_for(count)
        words = [*contestant.control, "--endpoint", running.endpoint, "status"]
        return _timed(
            lambda: subprocess.run(words, env=running.environment, stdout=subprocess.DEVNULL, check=True)
        )


@contextmanager
def _connected(running: Running) -> Iterator[zmq.Socket[bytes]]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.DEALER)
    try:
        with _environment(running.environment):
            keys.secure(socket, running.endpoint)
        socket.connect(running.endpoint)
        yield socket
    finally:
        context.destroy(linger=0)


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _ask(client: zmq.Socket[bytes], request: bytes) -> None:
    client.send(request)
    if not client.poll(30_000):
        raise AssertionError("no answer")
    client.recv()


def _timed(action: Callable[[], object]) -> float:
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
