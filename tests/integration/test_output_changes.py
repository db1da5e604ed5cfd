"""Streams and standard descriptors that are changed while a watcher runs, with real processes."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from circus_core.config.model import SocketConfig, WatcherConfig
from circus_core.library import get_arbiter
from circus_core.sockets import Sockets
from circus_core.spawning import lent_sockets

DEADLINE = 90.0
TICKS = ["-c", "while :; do echo tick; sleep 0.05; done"]


class Kept:
    """A stream that keeps what it gets."""

    def __init__(self) -> None:
        self.taken = b""
        self.calls: list[str] = []

    def __call__(self, chunk: Mapping[str, Any]) -> None:
        self.taken += chunk["data"]

    def open(self) -> None:
        self.calls.append("open")

    def reopen(self) -> None:
        self.calls.append("reopen")

    def close(self) -> None:
        self.calls.append("close")


async def _until(claim: Callable[[], object]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not claim():
            await asyncio.sleep(0.01)


def _ticking(stream: Kept, **options: Any) -> dict[str, Any]:
    return {"name": "w", "cmd": "sh", "args": TICKS, "stdout_stream": {"stream": stream}, **options}


def test_an_output_that_was_closed_goes_to_its_stream_when_that_is_taken_back() -> None:
    stream = Kept()

    async def main() -> None:
        section = _ticking(stream, close_child_stdout=True, stderr_stream={"stream": Kept()})
        async with get_arbiter([section], with_endpoints=False) as arbiter:
            watcher = arbiter.get_watcher("w")
            await watcher.start()
            assert stream.taken == b""
            await asyncio.wait_for(watcher.set_options({"close_child_stdout": False}), DEADLINE)
            await _until(lambda: stream.taken)

    asyncio.run(main())


class Gated:
    """A stream that keeps what it gets in a list that others share, once its gate is open."""

    def __init__(self, kept: list[bytes], gate: threading.Event) -> None:
        self.is_called = threading.Event()
        self._kept = kept
        self._gate = gate

    def __call__(self, chunk: Mapping[str, Any]) -> None:
        self.is_called.set()
        self._gate.wait(DEADLINE)
        self._kept.append(chunk["data"])


def test_a_stream_that_takes_the_place_of_a_slow_one_comes_after_it(tmp_path: Path) -> None:
    count = f"n=0; while :; do n=$((n+1)); echo $n; echo $n > {tmp_path}/n; sleep 0.02; done"
    kept: list[bytes] = []
    is_open, gate = threading.Event(), threading.Event()
    is_open.set()
    (tmp_path / "n").touch()
    slow, quick = Gated(kept, gate), Gated(kept, is_open)

    async def main() -> None:
        section = {"name": "w", "cmd": "sh", "args": ["-c", count], "stdout_stream": {"stream": slow}}
        async with get_arbiter([section], with_endpoints=False) as arbiter:
            watcher = arbiter.get_watcher("w")
            await watcher.start()
            await _until(slow.is_called.is_set)
            before = int((tmp_path / "n").read_text() or 0)
            await asyncio.wait_for(watcher.set_options({"stdout_stream": {"stream": quick}}), DEADLINE)
            await _until(lambda: int((tmp_path / "n").read_text() or 0) > before + 10)
            gate.set()
            await _until(lambda: b"".join(kept).count(b"\n") > before + 10)
            await asyncio.wait_for(watcher.stop(), DEADLINE)

    asyncio.run(main())
    numbers = [int(line) for line in b"".join(kept).splitlines()]
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_stream_that_was_taken_away_is_closed_when_the_watcher_stops() -> None:
    stream = Kept()

    async def main() -> None:
        async with get_arbiter([_ticking(stream)], with_endpoints=False) as arbiter:
            watcher = arbiter.get_watcher("w")
            await watcher.start()
            await _until(lambda: stream.taken)
            await asyncio.wait_for(watcher.set_options({"close_child_stdout": True}), DEADLINE)
            assert stream.calls == ["open"]
            await asyncio.wait_for(watcher.stop(), DEADLINE)
            await _until(lambda: stream.calls == ["open", "close"])

    asyncio.run(main())


def test_a_watcher_that_is_stopped_opens_no_file_anew() -> None:
    stream = Kept()

    async def main() -> None:
        async with get_arbiter([_ticking(stream)], with_endpoints=False) as arbiter:
            watcher = arbiter.get_watcher("w")
            await watcher.start()
            watcher.reopen_output()
            await asyncio.wait_for(watcher.stop(), DEADLINE)
            watcher.reopen_output()

    asyncio.run(main())
    assert stream.calls == ["open", "reopen", "close"]


def test_a_command_that_names_no_socket_gets_so_reuseport_ones_of_its_own() -> None:
    config = WatcherConfig(name="w", cmd="server", use_sockets=True)
    sockets = Sockets([SocketConfig(name="web", host="127.0.0.1", port=0, so_reuseport=True)])
    try:
        with lent_sockets(config, sockets) as numbers:
            lent = socket.socket(fileno=numbers["web"])
            try:
                assert lent.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
            finally:
                lent.detach()
    finally:
        sockets.close_all()


class Unopened:
    """A stream that opens its file when it is made, as those of the field do."""

    def __init__(self, filename: str) -> None:
        self._file = open(filename, "ab", buffering=0)  # noqa: SIM115  close() does it

    def __call__(self, chunk: Mapping[str, Any]) -> None:
        self._file.write(chunk["data"])

    def close(self) -> None:
        self._file.close()


def test_a_stream_that_can_only_be_closed_is_made_anew_for_the_next_start(tmp_path: Path) -> None:
    file = tmp_path / "output"
    stream = {"class": f"{__name__}.Unopened", "filename": str(file)}
    section = {"name": "w", "cmd": "sh -c 'echo life; exec sleep 1000'", "stdout_stream": stream}

    async def main() -> None:
        async with get_arbiter([section], with_endpoints=False) as arbiter:
            watcher = arbiter.get_watcher("w")
            await watcher.start()
            await _until(lambda: file.read_bytes() == b"life\n")
            await asyncio.wait_for(watcher.restart(), DEADLINE)
            await _until(lambda: file.read_bytes() == b"life\n" * 2)
            assert watcher.dropped_bytes == 0

    asyncio.run(main())
