"""Numbers of processes as they are published: differences between two looks, and sums. Pure."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from circus_stats.payloads import Figures
from circus_stats.samples import Sample

__all__ = ["NOTHING", "Before", "figures_of_family", "figures_of_one", "machine_memory", "sum_figures"]

_Number = TypeVar("_Number", int, float)

_SHORTEST: Final = 0.05
"""Seconds; the system counts cpu time in steps of a hundredth."""

NOTHING: Final[Figures] = {
    "processes": 0,
    "cpu": 0.0,
    "cpu_time": 0.0,
    "mem": 0.0,
    "rss": 0,
    "vms": 0,
    "shared": 0,
    "pss": None,
    "uss": None,
    "threads": 0,
    "fds": 0,
    "read_bytes": 0,
    "write_bytes": 0,
    "read_chars": 0,
    "write_chars": 0,
    "read_rate": 0.0,
    "write_rate": 0.0,
    "voluntary_switches": 0,
    "involuntary_switches": 0,
}
"""The figures of no process."""


def machine_memory() -> int:
    """Return the bytes of memory that this machine has."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Before:
    """Sums of a family at the look before; None: something of it could not be read.

    Attributes:
        is_kept: they are those of the look before that, because less was found then.
    """

    size: int
    cpu: float
    read_bytes: int | None
    write_bytes: int | None
    is_kept: bool = False


def figures_of_one(
    sample: Sample, before: Sample | None, *, elapsed: float, age: float, memory: int
) -> Figures:
    """Return the figures of a process alone.

    Args:
        before: the same process at the look before.
        elapsed: seconds since the look before, also if this process was not there then.
        age: seconds since its start.
        memory: bytes that the machine has.
    """
    span = _span(before, elapsed, age)
    return {
        "processes": 1,
        "cpu": _percent(sample.cpu - (before.cpu if before else 0.0), span),
        "cpu_time": round(sample.cpu, 2),
        "mem": round(100 * sample.rss / memory, 3),
        "rss": sample.rss,
        "vms": sample.vms,
        "shared": sample.shared,
        "pss": sample.pss,
        "uss": sample.uss,
        "threads": sample.threads,
        "fds": sample.fds,
        "read_bytes": sample.read_bytes,
        "write_bytes": sample.write_bytes,
        "read_chars": sample.read_chars,
        "write_chars": sample.write_chars,
        "read_rate": _rate(sample.read_bytes, before.read_bytes if before else 0, span),
        "write_rate": _rate(sample.write_bytes, before.write_bytes if before else 0, span),
        "voluntary_switches": sample.voluntary,
        "involuntary_switches": sample.involuntary,
    }


def figures_of_family(
    members: Sequence[Sample], own: Sequence[Figures], before: Before | None, *, elapsed: float, age: float
) -> tuple[Figures, Before]:
    """Return the figures of a process and its descendants, and what the next look needs of them.

    What ends between two looks is not lost: its cpu time and bytes come to the parent that waits for it. What
    nobody waits for takes its own away; the sums of those that live are the least that was used then.

    Args:
        members: the process itself first.
        own: the figures of each member.
        elapsed: seconds since the look before.
        age: seconds since the start of the process itself.
    """
    if len(members) == 1 and not members[0].waited_cpu and (before is None or before.size == 1):
        only = members[0]
        return own[0], Before(1, only.cpu, only.read_bytes, only.write_bytes)
    now = Before(
        size=len(members),
        cpu=sum(member.cpu + member.waited_cpu for member in members),
        read_bytes=_total(member.read_bytes for member in members),
        write_bytes=_total(member.write_bytes for member in members),
    )
    span = _span(before, elapsed, age)
    found = sum_figures(own)
    found["cpu_time"] = round(now.cpu, 2)
    found["cpu"] = _larger(_percent(now.cpu - (before.cpu if before else 0.0), span), found["cpu"])
    # Bytes of what has ended are its parent's at once, so only the sum of all tells what was new.
    found["read_rate"] = _rate(now.read_bytes, before.read_bytes if before else 0, span)
    found["write_rate"] = _rate(now.write_bytes, before.write_bytes if before else 0, span)
    return found, _to_compare_with(now, before)


def _to_compare_with(now: Before, before: Before | None) -> Before:
    """Keep larger sums once. Who ends during a look may be in none of its files, and at the next look all of
    its past would seem to be new at its parent; who has left for good is missing then too."""
    if before is None or before.is_kept or now.cpu >= before.cpu:
        return now
    return replace(before, is_kept=True)


def _span(before: object | None, elapsed: float, age: float) -> float:
    """Return the seconds that differences are about.

    Who was started between two looks is measured by the same time as all others: else what lives for a short
    time would seem to use more than the machine has.
    """
    return max(age, elapsed) if before is None else elapsed


def sum_figures(all_figures: Iterable[Figures]) -> Figures:
    """Return sums; null where one of the summands is."""
    each = list(all_figures)
    if not each:
        return NOTHING.copy()
    if len(each) == 1:
        return each[0].copy()
    total = {name: _total(figures[name] for figures in each) for name in NOTHING}  # type: ignore[literal-required]
    return _rounded(total)


def _rounded(total: Mapping[str, float | None]) -> Figures:
    """Take back what adding of rounded numbers leaves behind."""
    return {  # type: ignore[return-value]
        name: round(value, 3) if isinstance(value, float) else value for name, value in total.items()
    }


def _total(values: Iterable[_Number | None]) -> _Number | None:
    total: _Number | int = 0
    for value in values:
        if value is None:
            return None
        total += value
    return total


def _larger(left: float | None, right: float | None) -> float | None:
    return None if left is None or right is None else max(left, right)


def _percent(seconds: float, span: float) -> float:
    return round(100 * _per_second(seconds, span), 1)


def _rate(now: int | None, before: int | None, span: float) -> float | None:
    return None if now is None or before is None else round(_per_second(now - before, span), 1)


def _per_second(amount: float, span: float) -> float:
    return max(0.0, amount) / max(span, _SHORTEST)
