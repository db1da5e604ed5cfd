"""Which process a child belongs to, by /proc of Linux."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path
from typing import Final

__all__ = ["nearest_ancestor"]

_GENERATIONS: Final = 32


def nearest_ancestor(pid: int, wanted: Container[int]) -> int | None:
    """Return the process itself or the nearest of its ancestors that is wanted; None: there is none."""
    for _ in range(_GENERATIONS):
        if pid in wanted:
            return pid
        if pid <= 1:
            return None
        pid = _parent(pid)
    return None


def _parent(pid: int) -> int:
    """Return the pid of the parent, 0 if the process has gone; proc_pid_stat(5)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return 0
    return int(text.rpartition(")")[2].split()[1])
