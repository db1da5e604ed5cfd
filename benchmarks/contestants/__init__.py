"""Those who take part: each keeps processes running, in the way in which an operator would have it.

Every contestant is a file here, a class with the members of `Contestant`. All of them are started by
`started`, which also sees to it that nothing is left of them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol

from benchmarks import proc
from benchmarks.work import Work

__all__ = ["Contestant", "Running", "started"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A contestant at work.

    Attributes:
        process: the program that was started.
        complaints: what it writes to its standard error.
        begun: when, of time.perf_counter(); files that it needs were written before.
        work: what it runs.
        endpoint: where it listens, in its own words; "" if it does not.
        environment: what its clients need in theirs.
        status_command: command line that asks it for the state of everything, or of one process if it answers
            no more than that at a time; () if there is none.
        stop_signal: asks for an orderly end.
        stop_command: has to be run after that signal; (): nothing.
    """

    process: subprocess.Popen[bytes]
    complaints: BinaryIO
    begun: float
    work: Work
    endpoint: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    status_command: tuple[str, ...] = ()
    stop_signal: int = signal.SIGTERM
    stop_command: tuple[str, ...] = ()

    def own_processes(self) -> list[int]:
        """Return the pids of its own side: itself and all below it without what it was asked for."""
        program = Path(self.work.command[0]).resolve()
        below = [pid for pid in proc.descendants(self.process.pid) if not _runs(pid, program)]
        return [self.process.pid, *below]

    def written(self) -> list[Path]:
        """Return the files that hold the output of the processes, rotated ones too, in no order."""
        if self.work.output is None:
            return []
        return [
            each for each in self.work.output.rglob("*") if each.is_file() and each.name not in _NO_OUTPUT
        ]

    def account(self) -> str:
        """Say what has become of it, to who waited in vain: whether it has ended, and its last words."""
        status = self.process.poll()
        state = "it runs" if status is None else f"it has ended with status {status}"
        size = os.fstat(self.complaints.fileno()).st_size
        words = os.pread(self.complaints.fileno(), _LAST_WORDS, max(0, size - _LAST_WORDS))
        return f"{state}; it said: {words.decode(errors='replace').strip() or 'nothing'}"

    def stop(self) -> None:
        """Ask for an orderly end, and don't wait for it."""
        self.process.send_signal(self.stop_signal)
        if self.stop_command:
            subprocess.run(self.stop_command, stderr=subprocess.DEVNULL, check=False)


class Contestant(Protocol):
    """Something that keeps processes running. It is a value, and does not change."""

    def __hash__(self) -> int: ...

    @property
    def name(self) -> str:
        """As it appears in tables."""

    def missing(self) -> str | None:
        """What has to be installed before it can take part; None: nothing."""

    def version(self) -> str:
        """What it says that it is."""

    def running(self, work: Work) -> AbstractContextManager[Running]:
        """Start it with that work, and don't wait for the processes; at the end nothing of it is left.

        Raises:
            ValueError: it can't do that, such as time stamps.
        """


@contextmanager
def started(
    words: Sequence[str],
    work: Work,
    *,
    endpoint: str = "",
    environment: Mapping[str, str] | None = None,
    status_command: tuple[str, ...] = (),
    stop_signal: int = signal.SIGTERM,
    stop_command: tuple[str, ...] = (),
) -> Iterator[Running]:
    """Run a contestant in the foreground; at the end everything that was started meanwhile is killed.

    Nobody is asked to go: some take ten seconds for that, or forget it when they have just started.

    Args:
        environment: all of it; None: that of this program.
    """
    proc.adopt_orphans()
    others = set(proc.descendants(os.getpid()))
    with tempfile.TemporaryFile() as complaints:
        begun = time.perf_counter()
        process = subprocess.Popen(
            words,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=complaints,
        )
        try:
            yield Running(
                process=process,
                complaints=complaints,
                begun=begun,
                work=work,
                endpoint=endpoint,
                environment=environment if environment is not None else os.environ,
                status_command=status_command,
                stop_signal=stop_signal,
                stop_command=stop_command,
            )
        finally:
            _kill_all_but(others)
            process.wait()


# What loggers keep beside the output.
_NO_OUTPUT = frozenset({"config", "lock", "state"})
_LAST_WORDS = 1000  # bytes


def _kill_all_but(others: set[int]) -> None:
    # Those who would start another one come before those whom they have started.
    for pid in [each for each in proc.descendants(os.getpid()) if each not in others]:
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _runs(pid: int, program: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/exe").readlink() == program
    except OSError:
        return True  # it has ended
