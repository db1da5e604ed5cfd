"""What one process costs, in the words of Circus 0.19's `stats` command."""

from __future__ import annotations

import time
from typing import Any

import psutil

__all__ = ["process_info"]

NOT_AVAILABLE = "N/A"
_UNITS = "KMGTPEZY"


def process_info(process: psutil.Process) -> dict[str, Any]:
    """Return the info mapping of a process and, under `children`, of its direct children.

    Sizes are text (`1.40M`), cpu and mem percent, ctime `minutes:seconds.hundredths`, age seconds. What may
    not be read is `N/A`. cpu is measured since the previous call with the same psutil.Process.
    """
    info = _one(process)
    try:
        children = process.children()
    except psutil.Error:
        children = []
    info["children"] = [_one(child) for child in children]
    return info


def _one(process: psutil.Process) -> dict[str, Any]:
    # oneshot() reads each file of /proc once; attributes that fail become N/A (psutil documentation, as_dict)
    wanted = [
        "memory_info",
        "cpu_percent",
        "memory_percent",
        "cpu_times",
        "username",
        "nice",
        "create_time",
        "name",
    ]
    try:
        values = process.as_dict(attrs=wanted, ad_value=None)
    except psutil.NoSuchProcess:
        values = dict.fromkeys(wanted)
    memory, created = values["memory_info"], values["create_time"]
    return {
        "mem_info1": _size(memory.rss) if memory else NOT_AVAILABLE,
        "mem_info2": _size(memory.vms) if memory else NOT_AVAILABLE,
        "cpu": _known(values["cpu_percent"]),
        "mem": round(values["memory_percent"], 3) if values["memory_percent"] is not None else NOT_AVAILABLE,
        "ctime": _cpu_time(values["cpu_times"]),
        "pid": process.pid,
        "username": _known(values["username"]),
        "nice": _known(values["nice"]),
        "create_time": _known(created),
        "age": time.time() - created if created else NOT_AVAILABLE,
        "cmdline": _known(values["name"]),
    }


def _known(value: Any) -> Any:
    return NOT_AVAILABLE if value is None else value


def _size(number: int) -> str:
    """Return bytes as 0.19 prints them: `100B`, `9.77K`, `2.00G`."""
    if number < 1024:
        return f"{number}B"
    size = float(number)
    for unit in _UNITS:
        size /= 1024
        if size < 1024 or unit == _UNITS[-1]:
            break
    return f"{size:.2f}{unit}"


def _cpu_time(times: Any) -> str:
    if times is None:
        return NOT_AVAILABLE
    minutes, seconds = divmod(times.user + times.system, 60)
    return f"{int(minutes)}:{seconds:05.2f}"
