"""What processes cost, in the words of Circus 0.19's `stats` command."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from circus_core.amounts import size_text, time_text
from circus_core.process_table import ProcessTable, Sample, read_processes
from circus_core.records import dataclass, field

__all__ = ["NO_PROCESS", "NO_READINGS", "Measured", "Reading", "Readings", "measure"]

NO_PROCESS: Final = 1_000_000_000
"""Numbers from here on stand in the place of a pid for what is no process, such as a plugin inside circusd.
No system gives one that large (PID_MAX_LIMIT of proc(5) is 2**22), so none is ever hit by mistake."""

_NOT_AVAILABLE: Final = "N/A"
_KEYS: Final = (
    "mem_info1",
    "mem_info2",
    "cpu",
    "mem",
    "ctime",
    "pid",
    "username",
    "nice",
    "create_time",
    "age",
    "cmdline",
)
_SHORTEST: Final = 0.1
"""Seconds between two readings of cpu time, which the kernel counts in steps of 0.01."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The cpu time of one process when it was looked at.

    Attributes:
        birth: which process of this pid it was.
        cpu: seconds of cpu time.
        at: when, on the clock of ProcessTable.
        percent: what came of it and the reading before.
    """

    birth: float
    cpu: float
    at: float
    percent: float


Readings = Mapping[int, Reading]
"""By pid: a worker and its children."""

NO_READINGS: Final[Readings] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What was found out about one process.

    Attributes:
        info: its mapping in `stats`, its direct children under `children`; None: it has ended.
        readings: to be given to the next measure().
    """

    info: dict[str, Any] | None = None
    readings: Readings = field(default_factory=dict)


def measure(wanted: Mapping[int, Readings]) -> dict[int, Measured]:
    """Look at processes and their direct children, all at once. May take long: not on the loop.

    Sizes are text (`1.40M`), cpu and mem percent, ctime `minutes:seconds.hundredths`, age seconds. What may
    not be read is `N/A`. cpu is counted since the reading before, at first since the process was started.

    Args:
        wanted: what was read the last time, by pid.
    """
    table = read_processes(wanted)
    return {pid: _measured(pid, table, before) for pid, before in wanted.items()}


def _measured(pid: int, table: ProcessTable, before: Readings) -> Measured:
    if pid in table.hidden or pid >= NO_PROCESS:
        return Measured(info=dict.fromkeys(_KEYS, _NOT_AVAILABLE) | {"pid": pid, "children": []})
    sample = table.samples.get(pid)
    if sample is None or sample.is_zombie:
        return Measured()
    family = [sample, *(table.samples[child] for child in table.children[pid] if child in table.samples)]
    readings = {each.pid: _reading(each, before.get(each.pid), table.taken_at) for each in family}
    infos = [_info(each, readings[each.pid]) for each in family]
    return Measured(info={**infos[0], "children": infos[1:]}, readings=readings)


def _reading(sample: Sample, before: Reading | None, now: float) -> Reading:
    if before is None or before.birth != sample.birth:
        before = Reading(birth=sample.birth, cpu=0.0, at=now - sample.age, percent=0.0)
    elapsed = now - before.at
    if elapsed < _SHORTEST:
        return before
    percent = max(0.0, round(100 * (sample.cpu - before.cpu) / elapsed, 1))
    return Reading(birth=sample.birth, cpu=sample.cpu, at=now, percent=percent)


def _info(sample: Sample, reading: Reading) -> dict[str, Any]:
    return {
        "mem_info1": size_text(sample.rss),
        "mem_info2": size_text(sample.vms),
        "cpu": reading.percent,
        "mem": round(100 * sample.rss / _memory(), 3),
        "ctime": time_text(sample.cpu),
        "pid": sample.pid,
        "username": sample.user,
        "nice": "Zombie" if sample.is_zombie else sample.nice,
        "create_time": round(time.time() - sample.age, 2),
        "age": sample.age,
        "cmdline": sample.command,
        "children": [],
    }


def _memory() -> int:
    """Return the bytes of memory that the machine has."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
