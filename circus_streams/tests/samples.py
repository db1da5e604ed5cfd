"""What the tests of streams share."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["chunk", "offer", "rotated", "wait_until"]

DEADLINE = 90.0  # seconds


def chunk(data: bytes | str, pid: int = 7, name: str = "stdout", **more: object) -> dict[str, Any]:
    """Return what a stream is called with."""
    return {"data": data, "pid": pid, "name": name, **more}


def offer(call: Callable[[], object], mend: Callable[[], object] = lambda: None) -> list[OSError]:
    """Call until nothing is raised, as the daemon does, with a repair in between; returns the refusals."""
    refusals: list[OSError] = []
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            call()
        except OSError as error:
            refusals.append(error)
            mend()
            if time.monotonic() > deadline:
                raise
        else:
            return refusals


def rotated(path: Path) -> list[bytes]:
    """Return the contents of the numbered files and of the file, oldest first."""
    numbers = sorted((int(each.suffix[1:]) for each in path.parent.glob(f"{path.name}.*")), reverse=True)
    return [path.with_name(f"{path.name}.{number}").read_bytes() for number in numbers] + [path.read_bytes()]


def wait_until(condition: Callable[[], object]) -> None:
    """Wait for what other threads and processes bring about."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {DEADLINE:g} s in vain")
        time.sleep(0.005)
