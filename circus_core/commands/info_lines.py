"""The lines that `stats` and `dstats` print of processes; programs read them, so they are those of 0.19."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

__all__ = ["ENDED", "child_lines", "info_line"]

ENDED: Final = "No such process (stopped?)"
"""Stands in the place of the mapping of a process that has ended."""

_COLUMNS: Final = ("cmdline", "username", "nice", "mem_info1", "mem_info2", "cpu", "mem", "ctime")


def info_line(info: Mapping[str, Any] | str) -> str:
    """Return pid, command, user, nice, resident and virtual size, cpu, memory and cpu time."""
    if isinstance(info, str):
        return info
    return f"{info['pid']}  " + " ".join(str(info[key]) for key in _COLUMNS)


def child_lines(info: Mapping[str, Any] | str, indent: str) -> Iterator[str]:
    """Yield a line for each child that is told of."""
    children = () if isinstance(info, str) else info.get("children") or ()
    return (indent + info_line(child) for child in children)
