"""One process in the words of Circus 0.19's `stats`. Pure."""

from __future__ import annotations

from typing import Final

from circus_core import size_text, time_text
from circus_stats.figures import NOTHING
from circus_stats.payloads import Figures, ProcessInfo
from circus_stats.samples import Sample

__all__ = ["NOT_AVAILABLE", "hidden_info", "info_of"]

NOT_AVAILABLE: Final = "N/A"


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
