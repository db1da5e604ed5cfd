"""Looks at all processes at once, and remembers what the next look is compared with."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from circus_stats.figures import Before, figures_of_family, figures_of_one, machine_memory
from circus_stats.payloads import Figures, ProcessInfo
from circus_stats.proc_table import read_proc
from circus_stats.process_info import hidden_info, info_of
from circus_stats.psutil_table import read_psutil
from circus_stats.samples import Sample, Table, descendants
from circus_stats.users import Users

__all__ = ["Collector", "Look", "Seen"]

_LISTED: Final = 100
"""Descendants of a process that are listed; all are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One process that was asked for.

    Attributes:
        birth: tells it from a later process of the same pid; None: it may not be read.
        interval: seconds since the look before; None if there was none.
        age: seconds; None: it may not be read.
    """

    info: ProcessInfo
    family: Figures
    birth: float | None
    interval: float | None
    age: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was found at one moment.

    Attributes:
        processes: by pid; who is gone is missing.
        time: seconds since the epoch.
        interval: seconds since the look before; None at the first.
    """

    processes: Mapping[int, Seen]
    time: float
    interval: float | None


@dataclass(frozen=True, slots=True)
class _Known:
    """One member of a family at the look before."""

    sample: Sample
    family: Before | None


class Collector:
    """Used by one thread at a time; a look may take long, so not by that of a loop."""

    def __init__(self, *, with_pss: bool = False, has_proc: bool = True) -> None:
        """Args:
        with_pss: find out PSS and USS, for which the system walks through all pages of a process.
        has_proc: there is a /proc as Linux has it; else psutil is asked.
        """
        self._with_pss = with_pss
        self._has_proc = has_proc
        self._users = Users()
        self._memory = machine_memory()
        self._known: dict[int, _Known] = {}
        self._taken_at: float | None = None

    def look(self, pids: Collection[int], *, alone: Collection[int] = ()) -> Look:
        """Look at these processes and all below them, of those in `alone` at themselves only."""
        table = self._read(pids, alone)
        elapsed = 0.0 if self._taken_at is None else max(0.0, table.taken_at - self._taken_at)
        known: dict[int, _Known] = {}
        processes = {pid: _hidden(pid) for pid in table.hidden}
        for pid in pids:
            sample = table.samples.get(pid)
            if sample is not None and not sample.is_zombie:
                processes[pid] = self._seen(sample, table, elapsed, known)
        self._known = known
        interval, self._taken_at = None if self._taken_at is None else elapsed, table.taken_at
        return Look(processes=processes, time=table.time, interval=interval)

    def _read(self, pids: Collection[int], alone: Collection[int]) -> Table:
        if self._has_proc:
            return read_proc(pids, self._users, alone=alone, with_pss=self._with_pss)
        return read_psutil(pids, alone=alone, with_pss=self._with_pss)

    def _seen(self, sample: Sample, table: Table, elapsed: float, known: dict[int, _Known]) -> Seen:
        members = [sample, *_below(sample, table)] if sample.pid in table.children else [sample]
        own: list[Figures] = []
        for number, member in enumerate(members):
            before = self._before(member)
            if member.is_zombie:
                member = members[number] = self._completed(member, before)
            age = max(0.0, table.taken_at - member.birth)
            earlier = None if before is None else before.sample
            own.append(figures_of_one(member, earlier, elapsed=elapsed, age=age, memory=self._memory))
            known.setdefault(member.pid, _Known(member, None))
        before = self._before(sample)
        age = max(0.0, table.taken_at - sample.birth)
        family, now = figures_of_family(
            members, own, None if before is None else before.family, elapsed=elapsed, age=age
        )
        known[sample.pid] = _Known(sample, now)
        return Seen(
            info=_with_children(members, own, table),
            family=family,
            birth=sample.birth,
            interval=None if before is None else elapsed,
            age=age,
        )

    def _completed(self, ended: Sample, before: _Known | None) -> Sample:
        """Fill in what the system tells no more of who has ended, whose bytes are not yet its parent's."""
        last = ended if before is None else before.sample
        share = 0 if self._with_pss else None
        return ended._replace(
            shared=0,
            fds=0,
            pss=share,
            uss=share,
            read_chars=_first_known(ended.read_chars, last.read_chars),
            write_chars=_first_known(ended.write_chars, last.write_chars),
            read_bytes=_first_known(ended.read_bytes, last.read_bytes),
            write_bytes=_first_known(ended.write_bytes, last.write_bytes),
            voluntary=_first_known(ended.voluntary, last.voluntary),
            involuntary=_first_known(ended.involuntary, last.involuntary),
        )

    def _before(self, sample: Sample) -> _Known | None:
        known = self._known.get(sample.pid)
        return known if known is not None and known.sample.birth == sample.birth else None


def _first_known(*counts: int | None) -> int:
    return next((count for count in counts if count is not None), 0)


def _below(sample: Sample, table: Table) -> Iterator[Sample]:
    """Yield the descendants, also zombies: what they have used is not yet their parent's."""
    for pid in descendants(sample.pid, table.children):
        if pid in table.samples:
            yield table.samples[pid]


def _with_children(members: list[Sample], own: list[Figures], table: Table) -> ProcessInfo:
    """Return the entry of the first member, with those of its descendants inside."""
    if len(members) == 1:
        return info_of(members[0], own[0], age=max(0.0, table.taken_at - members[0].birth))
    infos: dict[int, ProcessInfo] = {}
    for member, figures in zip(members[: _LISTED + 1], own, strict=False):
        infos[member.pid] = info_of(member, figures, age=max(0.0, table.taken_at - member.birth))
    for pid, info in infos.items():
        info["children"] = [infos[child] for child in table.children.get(pid, ()) if child in infos]
    return infos[members[0].pid]


def _hidden(pid: int) -> Seen:
    info = hidden_info(pid)
    return Seen(info=info, family=info["figures"].copy(), birth=None, interval=None, age=None)
