"""What the scripts wait for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import psutil

__all__ = ["children", "free_ports", "until"]

PATIENCE = 100.0  # seconds; with other work on the machine BentoML takes 50 to begin

Found = TypeVar("Found")


def until(look: Callable[[], Found | None], what: str, patience: float = PATIENCE) -> Found:
    """Return what `look` finds; AssertionError if it finds nothing for `patience` seconds."""
    deadline = time.monotonic() + patience
    while not (found := look()):
        assert time.monotonic() < deadline, f"waited {patience:g} s in vain: {what}"
        time.sleep(0.02)
    return found


def children(words: str, parent: int | None = None) -> set[int]:
    """Return the processes below `parent`, or below this one, that have `words` in their command line."""
    found = set()
    for child in psutil.Process(parent).children(recursive=True):
        try:
            if words in " ".join(child.cmdline()):
                found.add(child.pid)
        except psutil.Error:
            continue
    return found


def free_ports(count: int) -> list[int]:
    """Return free TCP ports: a script has its own network, where no client gets one of these."""
    return list(range(20_000, 20_000 + count))
