"""What processes cost, and where this program runs."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from circus_core import Measured, measure

__all__ = ["get_info", "get_python_version", "get_working_dir"]

_GONE = "No such process (stopped?)"


def get_info(process: Any = None, interval: float = 0, with_childs: bool = False) -> dict[str, Any] | str:
    """Measure a process: memory, cpu, age, name and so on; a text if there is none.

    Args:
        process: a pid or anything with a `pid`; None for this process.
        interval: seconds over which cpu time is counted; blocks for them. 0: since the process was started.
        with_childs: its children are measured, too, under `children`.
    """
    pid = os.getpid() if process is None else int(getattr(process, "pid", process))
    found = _measured(pid, interval)
    if found.info is None:
        return _GONE
    return {**found.info, "children": found.info["children"] if with_childs else []}


def get_python_version() -> tuple[int, int, int]:
    """Return the version of the interpreter."""
    return sys.version_info[:3]


def get_working_dir() -> str:
    """Return the current directory, by the name that the shell has for it."""
    named = os.environ.get("PWD", "")
    try:
        if os.path.samestat(os.stat(named), os.stat(".")):
            return named
    except OSError:
        pass
    return os.getcwd()


def _measured(pid: int, interval: float) -> Measured:
    found = measure({pid: {}})[pid]
    if interval <= 0:
        return found
    time.sleep(interval)
    return measure({pid: found.readings})[pid]
