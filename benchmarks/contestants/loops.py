"""The least that starting processes takes: a loop, in Python and in C, which then waits to be ended."""

from __future__ import annotations

import platform
import shutil
import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass

from benchmarks.contestants import Running, started
from benchmarks.programs import program
from benchmarks.work import Work

__all__ = ["POPEN", "VFORK", "PopenLoop", "VforkLoop"]

_LOOP = """\
import signal, subprocess, sys
running = [
    subprocess.Popen(
        sys.argv[2:],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    for _ in range(int(sys.argv[1]))
]
signal.pause()
"""


@dataclass(frozen=True, slots=True)
class PopenLoop:
    """subprocess.Popen again and again, each in a session of its own with two pipes."""

    name: str = "Popen loop"

    def missing(self) -> str | None:
        return None

    def version(self) -> str:
        return f"Python {platform.python_version()}"

    def running(self, work: Work) -> AbstractContextManager[Running]:
        return started([sys.executable, "-S", "-c", _LOOP, str(work.count), *work.command], work)


@dataclass(frozen=True, slots=True)
class VforkLoop:
    """vfork and exec in C: what the operating system takes."""

    name: str = "C vfork loop"

    def missing(self) -> str | None:
        return None if shutil.which("cc") else "a C compiler, cc"

    def version(self) -> str:
        program("vfork_loop")  # is compiled before anything is measured
        return f"Linux {platform.release()}"

    def running(self, work: Work) -> AbstractContextManager[Running]:
        return started([program("vfork_loop"), str(work.count), *work.command], work)


POPEN = PopenLoop()
VFORK = VforkLoop()
