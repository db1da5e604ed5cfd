"""One process in the words of Circus 0.19's `stats`. Pure."""

from __future__ import annotations

from typing import Final

from circus_stats.figures import NOTHING
from circus_stats.payloads import Figures, ProcessInfo
from circus_stats.samples import Sample

__all__ = ["NOT_AVAILABLE", "hidden_info", "info_of", "size_text"]

NOT_AVAILABLE: Final = "N/A"
_UNITS: Final = "KMGTPEZY"


def info_of(sample: Sample, figures: Figures, *, age: float) -> ProcessInfo:
    """Return the entry of a process, without children."""
    return {
        "mem_info1": size_text(sample.rss),
        "mem_info2": size_text(sample.vms),
        "cpu": NOT_AVAILABLE if figures["cpu"] is None else figures["cpu"],
        "mem": NOT_AVAILABLE if figures["mem"] is None else figures["mem"],
        "ctime": time_text(sample.cpu),
        "pid": sample.pid,
        "username": sample.user,
        "nice": "Zombie" if sample.is_zombie else sample.nice,
        "create_time": round(sample.created, 2),
        "age": age,
        "cmdline": sample.command,
        "children": [],
        "figures": figures,
    }


def hidden_info(pid: int) -> ProcessInfo:
    """Return the entry of a process that this user may not read."""
    unknown: Figures = {**dict.fromkeys(NOTHING), "processes": 1}  # type: ignore[typeddict-item]
    return {
        "mem_info1": NOT_AVAILABLE,
        "mem_info2": NOT_AVAILABLE,
        "cpu": NOT_AVAILABLE,
        "mem": NOT_AVAILABLE,
        "ctime": NOT_AVAILABLE,
        "pid": pid,
        "username": NOT_AVAILABLE,
        "nice": NOT_AVAILABLE,
        "create_time": NOT_AVAILABLE,
        "age": NOT_AVAILABLE,
        "cmdline": NOT_AVAILABLE,
        "children": [],
        "figures": unknown,
    }


def size_text(number: int) -> str:
    """Return bytes as 0.19 prints them: `100B`, `9.77K`, `2.00G`."""
    if number < 1024:
        return f"{number}B"
    size = float(number)
    for unit in _UNITS:
        size /= 1024
        if size < 1024 or unit == _UNITS[-1]:
            break
    return f"{size:.2f}{unit}"


def time_text(seconds: float) -> str:
    """Return minutes without bound, seconds and hundredths: `0:00.09`, `75:01.30`."""
    minutes, rest = divmod(round(seconds * 100), 6000)
    return f"{minutes}:{rest // 100:02d}.{rest % 100:02d}"
