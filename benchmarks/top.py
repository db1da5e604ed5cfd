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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from benchmarks.contestants import Contestant
from benchmarks.roll_call import RollCall
from benchmarks.statistics import cpu_of, free_port

__all__ = ["top_cpu"]

_SETTLE = 5.0  # seconds
_LOOK = 10.0  # seconds
_OURS = (sys.executable, "-m", "circus_stats.top.main")


def top_cpu(contestant: Contestant, count: int) -> float:
    """CPU seconds that circus-top takes in ten seconds, `count` processes being looked at each second."""
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    options = f"{contestant.options}\nstatsd = True\nstats_endpoint = {endpoint}"
    subject = replace(contestant, options=options)
    with (
        tempfile.TemporaryDirectory() as folder,
        RollCall(Path(folder)) as roll_call,
        subject.running(roll_call.command, count),
    ):
        roll_call.wait_for(count)
        with _on_terminal([*_program(contestant), "--endpoint", endpoint]) as (pid, screen):
            _let_draw(screen, _SETTLE)
            before = cpu_of(pid)
            _let_draw(screen, _LOOK)
            return cpu_of(pid) - before


def _program(contestant: Contestant) -> Sequence[str]:
    """Return the circus-top that belongs to a circusd: ours, or that of Circus 0.19 beside it."""
    old = Path(contestant.program[0]).parent / "circus-top"
    return _OURS if contestant.program[0] == sys.executable else (str(old),)


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
