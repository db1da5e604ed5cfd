"""What it costs to look at processes with circus-top, on a terminal of 120 x 50."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks import proc
from benchmarks.contest import Contest, Figure, Goal, entrants
from benchmarks.contestants import Contestant, circus
from benchmarks.measurements.statistics import with_statistics
from benchmarks.roll_call import RollCall
from benchmarks.work import Work

__all__ = ["contests"]

_OURS = (sys.executable, "-m", "circus_stats.top.main")


def contests(*, is_quick: bool) -> Iterator[Contest]:
    """Yield one contest."""
    count = 20 if is_quick else 1000
    title = f"CPU of circus-top with {count} processes"
    yield Contest(
        "top",
        (Figure("top", title, "ms per second", (Goal(at_most=1.0, of=circus.OLD.name),)),),
        entrants((circus.OURS, circus.OLD), partial(_measure, count, 1.0 if is_quick else 10.0)),
        settings="a look a second, a terminal of 120 x 50; Circus 0.19 draws plain text",
        rounds=2,
    )


def _measure(count: int, seconds: float, contestant: Contestant) -> Mapping[str, float]:
    subject, endpoint = with_statistics(contestant)
    with (
        tempfile.TemporaryDirectory() as folder,
        RollCall(Path(folder)) as roll_call,
        subject.running(Work(command=roll_call.command, count=count)) as running,
    ):
        roll_call.wait_for(running, count)
        with _on_terminal([*_program(subject), "--endpoint", endpoint]) as (pid, screen):
            _let_draw(screen, seconds / 2)
            before = proc.cpu_seconds([pid])
            _let_draw(screen, seconds)
            return {"top": 1000 * (proc.cpu_seconds([pid]) - before) / seconds}


def _program(subject: circus.Circus) -> Sequence[str]:
    """Return the circus-top that belongs to a circusd: ours, or that of Circus 0.19 beside it."""
    old = Path(subject.circusd[0]).parent / "circus-top"
    return _OURS if subject.circusd[0] == sys.executable else (str(old),)


@contextmanager
def _on_terminal(words: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Run a program on a terminal of its own: its pid, and a descriptor from which its screen is read."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 120, 0, 0))
    program = subprocess.Popen(
        words,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env={**os.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"},
    )
    try:
        yield program.pid, ours
    finally:
        program.send_signal(signal.SIGKILL)
        program.wait()
        os.close(theirs)
        os.close(ours)


def _let_draw(screen: int, seconds: float) -> None:
    """Take what is drawn for so long, as a terminal does."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if select.select([screen], [], [], left)[0]:
            os.read(screen, 1 << 16)
