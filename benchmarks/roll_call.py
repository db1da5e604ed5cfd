"""A pipe with a name into which every process writes its pid as the first thing it does."""

from __future__ import annotations

import os
import select
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.contestants import Running
from benchmarks.programs import program

__all__ = ["RollCall"]


class RollCall:
    """Counts processes that have run their first instruction. A context manager."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "roll-call"
        os.mkfifo(self.path)
        self._fd = os.open(self.path, os.O_RDWR | os.O_NONBLOCK)  # also a writer: never at its end
        self._rest = b""

    @property
    def command(self) -> tuple[str, ...]:
        """A program (C, static) that answers the roll call and then does nothing."""
        return (program("child"), str(self.path))

    def wait_for(self, running: Running, count: int, timeout: float = 120.0) -> list[int]:
        """Return the pids of the next `count` processes.

        Raises:
            AssertionError: they did not come in `timeout` seconds, or who should start them has ended.
        """
        pids: list[int] = []
        deadline = time.monotonic() + timeout
        end = os.pidfd_open(running.process.pid)
        try:
            while len(pids) < count:
                ready, _, _ = select.select([self._fd, end], [], [], max(0.0, deadline - time.monotonic()))
                if self._fd not in ready:
                    raise AssertionError(f"{len(pids)} of {count} processes came up; {running.account()}")
                *lines, self._rest = (self._rest + os.read(self._fd, 65536)).split(b"\n")
                pids += map(int, lines)
            return pids
        finally:
            os.close(end)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        os.close(self._fd)
        self.path.unlink(missing_ok=True)
