"""The last hour of each watcher in memory that does not grow: rings of numbers. Pure.

A watcher takes 15 KiB: 120 slots of a second and 360 of ten seconds, 8 series, 4 bytes each.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, TypedDict

__all__ = ["ACTIVITY", "FIGURES", "HOUR", "MOST_VALUES", "History", "Past", "Ring", "Rings"]

FIGURES: Final = ("cpu", "mem", "rss", "processes", "threads", "fds", "read_rate", "write_rate")
"""What is remembered of a watcher: sums over its processes and all their descendants."""

ACTIVITY: Final = ("reads", "connections", "waiting")
"""What is remembered of the sockets, in all: arrivals per second, connections, those not accepted yet."""

HOUR: Final = 3600

MOST_VALUES: Final = 250_000
"""In one answer: about 2 MB, which the daemon reads and writes within some hundredths of a second. Of more,
several neighbours are told as their mean, at least one value of each series."""

_FINE: Final = (1, 120)
_COARSE: Final = (10, 360)
"""Seconds of a slot, and slots."""

_MOST_GONE: Final = 200
"""Watchers that are remembered though they have no processes; those that ended first make room."""

_NOTHING: Final = math.nan


class Past(TypedDict):
    """The past of one name.

    Attributes:
        step: seconds from one value to the next.
        end: when the last value was taken, seconds since the epoch.
        series: values by name, oldest first, all of one length; null: not known.
    """

    step: int
    end: float
    series: dict[str, list[float | None]]


class Ring:
    """So many slots of equal length; several looks within one give its mean."""

    def __init__(self, step: int, slots: int, series: Sequence[str]) -> None:
        """Args:
        step: seconds of a slot.
        """
        self.step = step
        self._slots = slots
        self._values = {name: array("f", [_NOTHING]) * slots for name in series}
        self._newest: int | None = None
        self._looks = 0

    def put(self, now: float, values: Mapping[str, float | None], covered: float = 0.0) -> None:
        """Take in a look.

        Args:
            now: seconds on a clock that no one sets.
            covered: seconds that it is about; slots within them that had no look have its values.
        """
        slot = int(now // self.step)
        if self._newest is None or slot > self._newest:
            newest = self._newest
            self._open(slot)
            if newest is not None:
                begin = max(newest, int((now - covered) // self.step), slot - self._slots) + 1
                self._fill(range(begin, slot), values)
        self._looks += 1
        index = slot % self._slots
        for name, ring in self._values.items():
            value = values.get(name)
            before = ring[index]
            if value is not None:
                ring[index] = value if math.isnan(before) else before + (value - before) / self._looks

    def past(
        self, now: float, seconds: float, series: Collection[str], merged: int = 1
    ) -> dict[str, list[float | None]]:
        """Return the values of the slots that ended within the last `seconds`, oldest first.

        Args:
            merged: so many neighbours are told as one, their mean.
        """
        last = int(now // self.step) // merged
        first = last - self.count(seconds, merged) + 1
        return {
            name: _means(self._between(ring, first * merged, (last + 1) * merged), merged)
            for name, ring in self._values.items()
            if name in series
        }

    def count(self, seconds: float, merged: int = 1) -> int:
        """Return how many values `past` has of each series."""
        return min(math.ceil(self._slots / merged), max(1, math.ceil(seconds / (self.step * merged))))

    def is_over(self, now: float) -> bool:
        """Tell whether all that is in it is too old to be shown."""
        return self._newest is None or int(now // self.step) - self._newest >= self._slots

    def _open(self, slot: int) -> None:
        """Begin a slot; those that were left out hold nothing."""
        newest = slot - 1 if self._newest is None else max(self._newest, slot - self._slots)
        for skipped in range(newest + 1, slot + 1):
            for ring in self._values.values():
                ring[skipped % self._slots] = _NOTHING
        self._newest, self._looks = slot, 0

    def _fill(self, slots: Iterable[int], values: Mapping[str, float | None]) -> None:
        for slot in slots:
            for name, ring in self._values.items():
                value = values.get(name)
                ring[slot % self._slots] = _NOTHING if value is None else value

    def _between(self, ring: array[float], first: int, end: int) -> array[float]:
        """Return what is in the slots from `first` to before `end`; nothing where none is kept."""
        if self._newest is None:
            return array("f", [_NOTHING]) * (end - first)
        begin, after = max(first, self._newest - self._slots + 1), min(end, self._newest + 1)
        if begin >= after:
            return array("f", [_NOTHING]) * (end - first)
        left, right = begin % self._slots, after % self._slots
        kept = ring[left:right] if left < right else ring[left:] + ring[:right]
        return array("f", [_NOTHING]) * (begin - first) + kept + array("f", [_NOTHING]) * (end - after)


class Rings:
    """The past of one name: two minutes in detail, an hour coarsely.

    Attributes:
        series: names of what is remembered.
    """

    def __init__(self, series: Sequence[str]) -> None:
        self.series = frozenset(series)
        self._fine = Ring(*_FINE, series)
        self._coarse = Ring(*_COARSE, series)

    def put(self, now: float, values: Mapping[str, float | None], covered: float) -> None:
        self._fine.put(now, values, covered)
        self._coarse.put(now, values, covered)

    def past(self, now: float, wall: float, seconds: float, series: Collection[str], most: int) -> Past:
        """Return the last `seconds` as finely as they are known; `wall` is `now` since the epoch.

        Args:
            most: values of each series.
        """
        ring = self._ring(seconds)
        merged = 1
        while ring.count(seconds, merged) > max(1, most):
            merged += 1
        values = ring.past(now, seconds, series, merged)
        return {"step": ring.step * merged, "end": round(wall, 3), "series": values}

    def is_over(self, now: float) -> bool:
        return self._coarse.is_over(now)

    def _ring(self, seconds: float) -> Ring:
        return self._fine if seconds <= _FINE[0] * _FINE[1] else self._coarse


class History:
    """The past of all names. Whoever has no processes any more is forgotten after the hour."""

    def __init__(self) -> None:
        self._rings: dict[str, Rings] = {}  # in the order of their last looks

    def put(self, name: str, now: float, values: Mapping[str, float | None], covered: float = 0.0) -> None:
        """Take in a look at one name.

        Args:
            now: seconds on a clock that no one sets.
            values: of all or some series.
            covered: seconds since the look before, if there was one.
        """
        rings = self._rings.pop(name, None) or Rings(tuple(values))
        self._rings[name] = rings
        rings.put(now, values, covered)

    def forget_old(self, now: float, present: Collection[str]) -> None:
        """Forget what is over, and of what has ended more than is kept."""
        gone = [name for name in self._rings if name not in present]
        for name in gone[: max(0, len(gone) - _MOST_GONE)]:
            del self._rings[name]
        for name in gone:
            if name in self._rings and self._rings[name].is_over(now):
                del self._rings[name]

    def past(
        self,
        now: float,
        wall: float,
        *,
        name: str | None = None,
        seconds: float = HOUR,
        series: Collection[str] = FIGURES + ACTIVITY,
    ) -> dict[str, Past]:
        """Return the past of a name, or of all, by name; the more it is, the coarser."""
        chosen = [(each, rings) for each, rings in sorted(self._rings.items()) if name in (None, each)]
        told = sum(len(rings.series.intersection(series)) for _, rings in chosen)
        most = MOST_VALUES // max(1, told)
        return {each: rings.past(now, wall, seconds, series, most) for each, rings in chosen}


def _means(values: array[float], merged: int) -> list[float | None]:
    return [_mean(values[at : at + merged]) for at in range(0, len(values), merged)]


def _mean(values: array[float]) -> float | None:
    """Return the mean of what is known, with as many digits as four bytes hold."""
    total, count = sum(values), len(values)
    if math.isnan(total):
        known = [value for value in values if not math.isnan(value)]
        total, count = sum(known), len(known)
    return float(f"{total / count:.6g}") if count else None
