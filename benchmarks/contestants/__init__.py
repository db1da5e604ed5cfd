"""Those who take part: each keeps processes running, in the way in which an operator would have it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from benchmarks import proc
from benchmarks.work import Work

__all__ = ["Contestant", "Running", "started"]


@dataclass(frozen=True, slots=True)
class Running:
    """A contestant at work.

    Attributes:
        process: the program that was started.
        work: what it runs.
        endpoint: where it listens, in its own words; "" if it does not.
        environment: what its clients need in theirs.
        status_command: command line that asks it for the state of everything; () if there is none.
    """

    process: subprocess.Popen[bytes]
    work: Work
    endpoint: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    status_command: tuple[str, ...] = ()

    def own_processes(self) -> list[int]:
        """Return the pids of its own side: itself and all below it without what it was asked for."""
        program = Path(self.work.command[0]).resolve()
        below = [pid for pid in proc.descendants(self.process.pid) if not _runs(pid, program)]
        return [self.process.pid, *below]

    def stop(self) -> None:
        """Ask for an orderly end, and return at once."""
        self.process.send_signal(signal.SIGTERM)


class Contestant(Protocol):
    """Something that keeps processes running."""

    @property
    def name(self) -> str:
        """As it appears in tables."""

    def missing(self) -> str | None:
        """What has to be installed before it can take part; None: nothing."""

    def version(self) -> str:
        """What it says that it is."""

    def running(self, work: Work) -> AbstractContextManager[Running]:
        """Start it with that work, and don't wait for the processes; at the end nothing of it is left."""


@contextmanager
def started(
    words: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    patience: float = 60.0,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program in the foreground; at the end it is asked to go, or killed with all below it.

    Args:
        patience: seconds until it is killed.
    """
    process = subprocess.Popen(
        words, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        below = list(proc.descendants(process.pid))
        process.terminate()
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pid in below:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _runs(pid: int, program: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/exe").readlink() == program
    except OSError:
        return True  # it has ended
