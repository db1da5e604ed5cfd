"""Programs that write numbered lines of 100 bytes when they are told to, and what has become of the lines."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import proc
from benchmarks.contestants import Running
from benchmarks.programs import program

__all__ = ["LINE", "Found", "Writers", "count_lines", "size_of", "wait_until_written"]

LINE: Final = 100  # bytes, line end included
_BLOCK: Final = 4 << 20
_POLL: Final = 0.001  # seconds
_QUIET: Final = 1.0  # seconds without a further byte: nothing more comes
_PLAIN: Final = re.compile(rb"\d{12} x{86}\Z")
_STAMPED: Final = re.compile(rb"[^x\n]{10,60}[ |]\d{12} x{86}\Z")


@dataclass(frozen=True, slots=True)
class Writers:
    """Writers below a contestant that all wait for one word.

    Attributes:
        folder: for the named pipe by which they are told.
        lines, size, rate: lines of each of them, bytes of a write, lines per second (0: any).
    """

    folder: Path
    lines: int
    size: int
    rate: int = 0

    def __post_init__(self) -> None:
        os.mkfifo(self._fifo)

    @property
    def command(self) -> tuple[str, ...]:
        return (program("writer"), str(self._fifo), str(self.lines), str(self.size), str(self.rate))

    def wait_for(self, running: Running, count: int, timeout: float = 120.0) -> list[int]:
        """Return the pids of the writers when there are `count`; AssertionError after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while len(pids := self._pids(running.process.pid)) < count:
            assert time.monotonic() < deadline, f"{len(pids)} of {count} writers came up; {running.account()}"
            time.sleep(0.01)
        return pids

    def begin(self) -> float:
        """Let them write; returns when that was, of time.perf_counter()."""
        fd = os.open(self._fifo, os.O_WRONLY | os.O_CLOEXEC)
        begun = time.perf_counter()
        os.close(fd)
        return begun

    def _pids(self, above: int) -> list[int]:
        mine = Path(self.command[0]).resolve()
        return [pid for pid in proc.descendants(above) if _runs(pid, mine)]

    @property
    def _fifo(self) -> Path:
        return self.folder / "go"


@dataclass(frozen=True, slots=True)
class Found:
    """Lines in files: as they were written, and others."""

    intact: int
    damaged: int


def wait_until_written(running: Running, lines: int, timeout: float = 120.0) -> float:
    """Wait until files hold so many lines, all of the same length; returns when, of time.perf_counter().

    What comes no more, or in other lengths, ends it a second after the last byte: it counts as lost then.
    """
    deadline = time.monotonic() + timeout
    size, seen = -1, time.perf_counter()
    while time.perf_counter() - seen < _QUIET:
        assert time.monotonic() < deadline, f"still writing after {timeout:g} s"
        if (now := size_of(running)) != size:
            size, seen = now, time.perf_counter()
        if size and size == lines * _length(running.written()):
            break
        time.sleep(_POLL)
    return seen


def size_of(running: Running) -> int:
    """Return how many bytes its files hold; one that is renamed meanwhile may count twice, or not at all."""
    total = 0
    for each in running.written():
        try:
            total += each.stat().st_size
        except FileNotFoundError:
            continue
    return total


def count_lines(files: Iterable[Path], *, has_time_stamps: bool) -> Found:
    """Look at every line: with a time in front of it or without."""
    pattern = _STAMPED if has_time_stamps else _PLAIN
    intact = damaged = 0
    for lines in _blocks(files):
        good = sum(1 for line in lines if pattern.match(line))
        intact += good
        damaged += len(lines) - good
    return Found(intact, damaged)


def _blocks(files: Iterable[Path]) -> Iterator[list[bytes]]:
    for path in files:
        rest = b""
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                *lines, rest = (rest + block).split(b"\n")
                yield lines
        if rest:
            yield [rest]


def _length(files: Iterable[Path]) -> int:
    """Return the length of the first line of the first file that has one; 0: there is none."""
    for path in files:
        try:
            with path.open("rb") as file:
                first = file.readline(4 * LINE)
        except FileNotFoundError:
            continue
        if first.endswith(b"\n"):
            return len(first)
    return 0


def _runs(pid: int, path: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/exe").readlink() == path
    except OSError:
        return False
