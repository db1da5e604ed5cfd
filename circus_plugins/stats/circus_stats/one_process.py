"""The figures of one process for `stats --extended`, by itself: no family, no look before."""

from __future__ import annotations

import os
import time
from typing import Any

from circus_stats.figures import figures_of_one, machine_memory
from circus_stats.proc_table import read_one
from circus_stats.psutil_table import read_psutil
from circus_stats.users import Users

__all__ = ["read_figures"]


def read_figures(pid: int) -> dict[str, Any] | None:
    """Return `figures` of a process; None if it has gone or may not be read. May take long."""
    if os.path.exists("/proc/self/stat"):
        sample, now = read_one(pid, Users()), time.clock_gettime(time.CLOCK_BOOTTIME)
    else:
        sample, now = read_psutil([pid]).samples.get(pid), time.time()
    if sample is None or sample.is_zombie:
        return None
    age = max(0.0, now - sample.birth)
    return {**figures_of_one(sample, None, elapsed=0.0, age=age, memory=machine_memory())}
