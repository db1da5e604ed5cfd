"""Output of one fast process: how fast it is captured, what that costs, and who else notices."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import zmq

from benchmarks.contestants import Contestant
from tests.writer import LINE, writer

__all__ = ["answer_under_flood", "capture", "capture_cpu", "cat"]

_INI = """\
[circus]
endpoint = ipc://{folder}/control
pubsub_endpoint = ipc://{folder}/events
{more}

[watcher:flood]
cmd = /bin/sh -c "read go < {folder}/go; exec {command}"
copy_env = True
respawn = False
stdout_stream.class = FileStream
stdout_stream.filename = {folder}/log
{stream}
"""

_BOUNDED = "stdout_stream.max_bytes = 268435456\nstdout_stream.backup_count = 1"


def cat(lines: int, size: int) -> float:
    """MB per second of `writer | cat > file`: what a shell does."""
    with tempfile.TemporaryDirectory() as name:
        command = writer(Path(name))
        begun = time.perf_counter()
        subprocess.run(f"{command} {lines} {size} 0 | cat > {name}/log", shell=True, check=True)
        return lines * LINE / 1e6 / (time.perf_counter() - begun)


def capture(contestant: Contestant, lines: int, size: int, stream: str = "") -> float:
    """MB per second that get into the file of a FileStream, in writes of `size` bytes."""
    return _capture(contestant, lines, size, stream)[0]


def capture_cpu(contestant: Contestant, lines: int, size: int, stream: str = "") -> float:
    """CPU seconds of the daemon for each GB."""
    return _capture(contestant, lines, size, stream)[1]


def answer_under_flood(contestant: Contestant, *, is_flooding: bool, asked: int = 300) -> float:
    """Seconds in which half of the requests for `status` are answered, while a process writes what it can."""
    with _running(contestant, "yes" if is_flooding else "sleep 1000", _BOUNDED) as (process, folder):
        assert process.poll() is None
        _go(folder)
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        try:
            client = context.socket(zmq.DEALER)
            client.connect(f"ipc://{folder}/control")
            times = sorted(_answer(client) for _ in range(asked))
        finally:
            context.destroy(linger=0)
        return times[asked // 2]


def _answer(client: zmq.Socket[bytes]) -> float:
    begun = time.perf_counter()
    client.send(json.dumps({"command": "status", "properties": {"name": "flood"}, "id": "x" * 32}).encode())
    if not client.poll(30_000):
        raise AssertionError("no answer")
    client.recv()
    return time.perf_counter() - begun


def _capture(contestant: Contestant, lines: int, size: int, stream: str) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as name:
        command = f"{writer(Path(name))} {lines} {size} 0"
        with _running(contestant, command, stream) as (process, folder):
            before, begun = _cpu_seconds(process.pid), time.perf_counter()
            _go(folder)
            while _written(folder) < lines * LINE:
                time.sleep(0.002)
            lasted = time.perf_counter() - begun
            used = _cpu_seconds(process.pid) - before
            return lines * LINE / 1e6 / lasted, used / (lines * LINE / 1e9)


@contextmanager
def _running(
    contestant: Contestant, command: str, stream: str = ""
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.mkfifo(folder / "go")
        ini = folder / "circus.ini"
        ini.write_text(_INI.format(folder=folder, command=command, more=contestant.options, stream=stream))
        process = subprocess.Popen(
            [*contestant.program, str(ini)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            yield process, folder
        finally:
            process.terminate()
            process.wait(60)


def _go(folder: Path) -> None:
    """Let the process begin: it waits for this."""
    with (folder / "go").open("w") as go:
        time.sleep(0.3)  # the daemon has come to rest
        go.write("go\n")


def _written(folder: Path) -> int:
    size = 0
    for each in folder.glob("log*"):
        try:
            size += each.stat().st_size
        except FileNotFoundError:  # it was rotated just now
            continue
    return size


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
