"""Counters: of the kernel for a process, of the interpreter for a thread, of a loop for its turns."""

from __future__ import annotations

import selectors
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, Self

__all__ = ["Calls", "TurnCounter", "times_on_cpu"]


def times_on_cpu(pid: int) -> Mapping[str, str]:
    """Return for each thread how long and how often it ran so far; who makes a system call has run.

    The first and third field of /proc/PID/task/TID/schedstat, and the switches in its status where the kernel
    was built without: proc_pid_schedstat(5), proc_pid_status(5).
    """
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has just ended
            found[task.name] = _runs(task)
    return found


def _runs(task: Path) -> str:
    try:
        ran, _, slices = (task / "schedstat").read_text().split()
    except FileNotFoundError:
        lines = (task / "status").read_text().splitlines()
        return " ".join(line for line in lines if "ctxt_switches" in line)
    return f"{ran} ns in {slices} turns"


class Calls:
    """Counts the calls of functions, those written in C too, that this thread makes in a `with` block."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> Self:
        sys.setprofile(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _note(self, _frame: FrameType, what: str, _about: Any) -> None:
        if what in ("call", "c_call"):
            self.count += 1


class TurnCounter(selectors.DefaultSelector):
    """The selector of an asyncio loop: asked once in each turn of the loop."""

    def __init__(self) -> None:
        super().__init__()
        self.turns = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.turns += 1
        return super().select(timeout)
