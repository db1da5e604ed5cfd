"""Does a process use too much, or too little, for too long? Pure: figures come in, verdicts go out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

__all__ = ["Amount", "Excess", "Limits", "Tally", "Usage", "parse_amount", "read_usage"]

_UNITS: Final = "bkmgtpezy"
_WORDS: Final = ("byte", "kilo", "mega", "giga", "tera", "peta", "exa", "zetta", "yotta")
_AMOUNT: Final = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*([a-z%]*)")
_UNIT: Final = re.compile(
    rf"[{_UNITS}](?:i?b)?|[{_UNITS[1:]}]i|bytes?|(?:{'|'.join(_WORDS[1:])})(?:bi)?(?:bytes?)?"
)


@dataclass(frozen=True, slots=True)
class Amount:
    """Memory: bytes, or percent of what the machine has."""

    number: float
    is_bytes: bool = False


def parse_amount(value: Any) -> Amount:
    """Read `90` or `90%` (percent), `1.5G`, `100 MiB`, `2 gigabytes` (powers of 1024); raises ValueError."""
    match = _AMOUNT.fullmatch(str(value).strip().lower())
    if match is None:
        raise ValueError(value)
    number, unit = float(match[1]), match[2]
    if unit in ("", "%"):
        return Amount(number)
    if _UNIT.fullmatch(unit) is None:
        raise ValueError(value)
    return Amount(number * 1024 ** _UNITS.index(unit[0]), is_bytes=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What one process uses; None: that is not known.

    Attributes:
        cpu: percent of one processor.
        memory: percent of the machine's.
        resident: bytes.
    """

    cpu: float | None = None
    memory: float | None = None
    resident: float | None = None

    def of_memory(self, limit: Amount) -> float | None:
        """Return what is to be compared with this limit."""
        return self.resident if limit.is_bytes else self.memory


def read_usage(info: Mapping[str, Any]) -> Usage:
    """Read an entry of the command `stats`."""
    resident = info.get("mem_info1")
    try:
        size = parse_amount(resident)
    except ValueError:
        size = None
    return Usage(
        cpu=_number(info.get("cpu")),
        memory=_number(info.get("mem")),
        resident=size.number if size is not None and size.is_bytes else None,
    )


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


class Excess(Enum):
    """What can be wrong; the values are names of metrics."""

    OVER_CPU = "over_cpu"
    UNDER_CPU = "under_cpu"
    OVER_MEMORY = "over_memory"
    UNDER_MEMORY = "under_memory"
    OVER_HEALTH = "over_health"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """None: not tested.

    Attributes:
        max_cpu, min_cpu: percent of one processor.
        health: percent, of the mean of the largest cpu and the largest memory.
    """

    max_cpu: float | None = None
    min_cpu: float | None = None
    max_mem: Amount | None = None
    min_mem: Amount | None = None
    health: float | None = None

    def exceeded(self, usages: Sequence[Usage]) -> Iterator[Excess]:
        """Yield what is wrong with these processes together. Where nothing is known, nothing is wrong."""
        cpus = _known(usage.cpu for usage in usages)
        memories = _known(usage.memory for usage in usages)
        if self.max_cpu is not None and cpus and max(cpus) > self.max_cpu:
            yield Excess.OVER_CPU
        if self.min_cpu is not None and cpus and min(cpus) <= self.min_cpu:
            yield Excess.UNDER_CPU
        if self.max_mem is not None and self._most(usages, self.max_mem) > self.max_mem.number:
            yield Excess.OVER_MEMORY
        if self.min_mem is not None and self._least(usages, self.min_mem) < self.min_mem.number:
            yield Excess.UNDER_MEMORY
        if self.health is not None and cpus and memories and (max(cpus) + max(memories)) / 2 > self.health:
            yield Excess.OVER_HEALTH

    def _most(self, usages: Sequence[Usage], limit: Amount) -> float:
        return max(_known(usage.of_memory(limit) for usage in usages), default=0.0)

    def _least(self, usages: Sequence[Usage], limit: Amount) -> float:
        return min(_known(usage.of_memory(limit) for usage in usages), default=float("inf"))


def _known(numbers: Iterable[float | None]) -> list[float]:
    return [number for number in numbers if number is not None]


class Tally:
    """How often in a row each thing was wrong."""

    def __init__(self, limits: Limits, max_count: int) -> None:
        """`max_count` times in a row are tolerated."""
        self._limits = limits
        self._max_count = max_count
        self._counts: Counter[Excess] = Counter()

    def look(self, usages: Sequence[Usage]) -> list[Excess]:
        """Take the figures of one look; returns what is wrong now."""
        found = list(self._limits.exceeded(usages))
        self._counts = Counter({excess: self._counts[excess] + 1 for excess in found})
        return found

    @property
    def is_full(self) -> bool:
        """Something was wrong once too often."""
        return any(count > self._max_count for count in self._counts.values())

    def reset(self) -> None:
        self._counts.clear()
