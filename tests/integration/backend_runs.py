"""Start real processes through the backend, in this process or in one made for the test."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from circus_core.backends import SpawnRequest
from circus_core.backends.posix import PosixBackend

__all__ = [
    "DEADLINE",
    "Witness",
    "backend",
    "blocking_backend",
    "exit_of",
    "output_of",
    "request",
    "run_scenario",
    "until",
    "until_blocking",
]

DEADLINE = 90.0
SCENARIOS = Path(__file__).with_name("backend_scenarios.py")


def request(*argv: str, **options: Any) -> SpawnRequest:
    """A request with an ordinary PATH, nothing on stdin, and what `options` say."""
    defaults: dict[str, Any] = {
        "env": {"PATH": os.environ.get("PATH", os.defpath)},
        "stdin": subprocess.DEVNULL,
        "label": "test.1",
    }
    return SpawnRequest(argv=argv, **(defaults | options))


@contextmanager
def backend(*, subreaper: bool = False) -> Iterator[PosixBackend]:
    """On the running loop."""
    made = PosixBackend(loop=asyncio.get_running_loop(), subreaper=subreaper)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def blocking_backend(*, subreaper: bool = False) -> Iterator[PosixBackend]:
    """Without a loop."""
    made = PosixBackend(loop=None, subreaper=subreaper)
    try:
        yield made
    finally:
        made.close()


class Witness:
    """A pipe that a process and all its descendants hold: its end of file proves that none is left."""

    def __init__(self) -> None:
        self._read_end, self.write_end = os.pipe()
        self._text = b""
        self._is_shared = True

    def __enter__(self) -> Witness:
        return self

    def __exit__(self, *failure: object) -> None:
        os.close(self._read_end)
        if self._is_shared:
            os.close(self.write_end)

    async def line(self) -> str:
        """The next line that one of them writes; after all have been started."""
        while b"\n" not in self._text:
            piece = await self._read()
            assert piece, "all ended without a line"
            self._text += piece
        line, _, self._text = self._text.partition(b"\n")
        return line.decode()

    async def sees_the_end(self) -> bool:
        """Whether the last of them has ended, now or soon."""
        try:
            while await self._read():
                pass
        except TimeoutError:
            return False
        return True

    async def _read(self) -> bytes:
        if self._is_shared:
            os.close(self.write_end)
            self._is_shared = False
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        loop.add_reader(self._read_end, readable.set)
        try:
            await asyncio.wait_for(readable.wait(), DEADLINE)
        finally:
            loop.remove_reader(self._read_end)
        return os.read(self._read_end, 65536)


async def exit_of(made: PosixBackend, wanted: SpawnRequest) -> int:
    """Start it and return its return code."""
    ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    made.spawn(wanted, ended.set_result)
    return await asyncio.wait_for(ended, DEADLINE)


def output_of(*argv: str, **options: Any) -> tuple[int | None, str]:
    """Return code and stdout with stderr of a process; needs no loop."""
    with blocking_backend() as made, tempfile.TemporaryFile() as out:
        child = made.spawn(request(*argv, stdout=out.fileno(), stderr=out.fileno(), **options), None)
        code = child.wait(DEADLINE)
        out.seek(0)
        return code, out.read().decode()


def run_scenario(
    name: str, *words: str, uid: int | None = None, prefix: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Run a function of backend_scenarios.py in a process of its own, and return what it found out.

    `uid`: as this user. `prefix`: words before the command.
    """
    user = str(os.getuid() if uid is None else uid)
    done = subprocess.run(
        [*prefix, sys.executable, "-W", "error", str(SCENARIOS), user, name, *words],
        capture_output=True,
        text=True,
        timeout=110,  # a thousand processes take a while on a busy machine
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    result["log"] = done.stderr
    return result


async def until(claim: Callable[[], object], deadline: float = DEADLINE) -> None:
    """Wait on the loop until `claim()` is true."""
    end = time.monotonic() + deadline
    while not claim():
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.01)


def until_blocking(claim: Callable[[], object], deadline: float = DEADLINE) -> None:
    """Wait until `claim()` is true."""
    end = time.monotonic() + deadline
    while not claim():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)
