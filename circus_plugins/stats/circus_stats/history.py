"""The last hour of each watcher in memory that does not grow: rings of numbers. Pure.

A watcher takes 15 KiB: 120 slots of a second and 360 of ten seconds, 8 series, 4 bytes each.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Collection, Mapping, Sequence
from typing import Final, TypedDict

__all__ = ["ACTIVITY", "FIGURES", "HOUR", "MOST_VALUES", "History", "Past", "Ring", "Rings", "TooMuchError"]

FIGURES: Final = ("cpu", "mem", "rss", "processes", "threads", "fds", "read_rate", "write_rate")
"""What is remembered of a watcher: sums over its processes and all their descendants."""

ACTIVITY: Final = ("reads", "connections", "waiting")
"""What is remembered of the sockets, in all: arrivals per second, connections, those not accepted yet."""

HOUR: Final = 3600

MOST_VALUES: Final = 250_000
"""In one answer: about 2 MB, which the daemon reads and writes within some hundredths of a second."""

_FINE: Final = (1, 120)
_COARSE: Final = (10, 360)
"""Seconds of a slot, and slots."""

_MOST_GONE: Final = 200
"""Watchers that are remembered though they have no processes; those that ended first make room."""

_NOTHING: Final = math.nan


class TooMuchError(ValueError):
    """More values than one answer may have; the argument is how many."""


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

    def put(self, now: float, values: Mapping[str, float | None]) -> None:
        """Take in a look; `now` is seconds on a clock that no one sets."""
        slot = int(now // self.step)
        if self._newest is None or slot > self._newest:
            self._open(slot)
        self._looks += 1
        index = slot % self._slots
        for name, ring in self._values.items():
            value = values.get(name)
            before = ring[index]
            if value is not None:
                ring[index] = value if math.isnan(before) else before + (value - before) / self._looks

    def size(self, seconds: float, series: Collection[str]) -> int:
        """Return how many values `past` has."""
        return self._count(seconds) * len(self._values.keys() & set(series))

    def past(self, now: float, seconds: float, series: Collection[str]) -> dict[str, list[float | None]]:
        """Return the values of the slots that ended within the last `seconds`, oldest first."""
        last = int(now // self.step)
        count = self._count(seconds)
        return {
            name: [self._value(ring, slot) for slot in range(last - count + 1, last + 1)]
            for name, ring in self._values.items()
            if name in series
        }

    def is_over(self, now: float) -> bool:
        """Tell whether all that is in it is too old to be shown."""
        return self._newest is None or int(now // self.step) - self._newest >= self._slots

    def _count(self, seconds: float) -> int:
        return min(self._slots, max(1, math.ceil(seconds / self.step)))

    def _open(self, slot: int) -> None:
        """Begin a slot; those that were left out hold nothing."""
        newest = slot - 1 if self._newest is None else max(self._newest, slot - self._slots)
        for skipped in range(newest + 1, slot + 1):
            for ring in self._values.values():
                ring[skipped % self._slots] = _NOTHING
        self._newest, self._looks = slot, 0

    def _value(self, ring: array[float], slot: int) -> float | None:
        if self._newest is None or not self._newest - self._slots < slot <= self._newest:
            return None
        value = ring[slot % self._slots]
        return None if math.isnan(value) else float(f"{value:.6g}")  # as many digits as four bytes hold


class Rings:
    """The past of one name: two minutes in detail, an hour coarsely."""

    def __init__(self, series: Sequence[str]) -> None:
        self._fine = Ring(*_FINE, series)
        self._coarse = Ring(*_COARSE, series)

    def put(self, now: float, values: Mapping[str, float | None]) -> None:
        self._fine.put(now, values)
        self._coarse.put(now, values)

    def past(self, now: float, wall: float, seconds: float, series: Collection[str]) -> Past:
        """Return the last `seconds` as finely as they are known; `wall` is `now` since the epoch."""
        ring = self._ring(seconds)
        return {"step": ring.step, "end": round(wall, 3), "series": ring.past(now, seconds, series)}

    def size(self, seconds: float, series: Collection[str]) -> int:
        """Return how many values `past` has."""
        return self._ring(seconds).size(seconds, series)

    def is_over(self, now: float) -> bool:
        return self._coarse.is_over(now)

    def _ring(self, seconds: float) -> Ring:
        return self._fine if seconds <= _FINE[0] * _FINE[1] else self._coarse


class History:
    """The past of all names. Whoever has no processes any more is forgotten after the hour."""

    def __init__(self) -> None:
        self._rings: dict[str, Rings] = {}  # in the order of their last looks

    def put(self, name: str, now: float, values: Mapping[str, float | None]) -> None:
        """Take in a look at one name.

        Args:
            now: seconds on a clock that no one sets.
            values: of all or some series.
        """
        rings = self._rings.pop(name, None) or Rings(tuple(values))
        self._rings[name] = rings
        rings.put(now, values)

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
        """Return the past of a name, or of all, by name.

        Raises:
            TooMuchError: that would be more than MOST_VALUES.
        """
        chosen = [(each, rings) for each, rings in sorted(self._rings.items()) if name in (None, each)]
        size = sum(rings.size(seconds, series) for _, rings in chosen)
        if size > MOST_VALUES:
            raise TooMuchError(size)
        return {each: rings.past(now, wall, seconds, series) for each, rings in chosen}
