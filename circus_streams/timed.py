"""TimedRotatingFileStream: output into a file that is rotated by the clock."""

from __future__ import annotations

import logging
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final

from circus_streams.file import BaseFileStream
from circus_streams.options import checkable, flag, whole
from circus_streams.packing import SUFFIXES, Compression, compression
from circus_streams.rotation import UNLIMITED, FileState, Rotation, exists, move

__all__ = ["Periods", "TimedRotatingFileStream", "TimedRotation", "periods"]

log = logging.getLogger("circus.streams")

UNITS: Final = {
    "S": (1, "%Y%m%d%H%M%S"),
    "M": (60, "%Y%m%d%H%M"),
    "H": (3600, "%Y%m%d%H"),
    "D": (86400, "%Y%m%d"),
}
DAY_FORMAT: Final = "%Y%m%d"
PACKED: Final = "|".join(re.escape(suffix) for suffix in SUFFIXES)


class Periods(ABC):
    """When the period of a file ends, and how the file is called then. Times are seconds since the epoch."""

    digits: int  # of the name

    @abstractmethod
    def end(self, since: float) -> float:
        """Return when a file that began at `since` is to be rotated; later than that."""

    @abstractmethod
    def name(self, since: float) -> str:
        """Return what is appended to the name of that file."""


class Intervals(Periods):
    """So many seconds from the beginning of each file."""

    def __init__(self, seconds: int, time_format: str, zone: tzinfo | None) -> None:
        self._seconds = seconds
        self._format = time_format
        self._zone = zone
        self.digits = len(datetime(2000, 1, 1).strftime(time_format))

    def end(self, since: float) -> float:
        return since + self._seconds

    def name(self, since: float) -> str:
        return datetime.fromtimestamp(since, self._zone).strftime(self._format)


class Days(Periods):
    """To a midnight: of every day, or the one that ends a weekday; a day may have 23 hours."""

    digits = 8

    def __init__(self, weekday: int | None, days: int, zone: tzinfo | None) -> None:
        """Args:
        weekday: 0 is Monday; None for each day.
        days: the name of a file is that many days before its end.
        """
        self._weekday = weekday
        self._days = days
        self._zone = zone

    def end(self, since: float) -> float:
        day = self._end_day(since)
        return datetime(day.year, day.month, day.day, tzinfo=self._zone).timestamp()

    def name(self, since: float) -> str:
        return (self._end_day(since) - timedelta(days=self._days)).strftime(DAY_FORMAT)

    def _end_day(self, since: float) -> date:
        day = datetime.fromtimestamp(since, self._zone).date()
        ahead = 0 if self._weekday is None else (self._weekday - day.weekday()) % 7
        return day + timedelta(days=ahead + 1)


def periods(rotate_when: str, rotate_interval: int, *, utc: bool) -> Periods:
    """Return the periods that two options ask for, in any case.

    Raises:
        ValueError: there are no such ones.
    """
    zone = UTC if utc else None
    when = str(rotate_when).strip().upper()
    if when in UNITS:
        seconds, time_format = UNITS[when]
        return Intervals(seconds * rotate_interval, time_format, zone)
    if when == "MIDNIGHT":
        return Days(None, rotate_interval, zone)
    if re.fullmatch("W[0-6]", when):
        return Days(int(when[1]), 7 * rotate_interval, zone)
    raise ValueError(
        "rotate_when must be S, M, H, D, MIDNIGHT, or W0 (Monday) to W6 (Sunday), "
        f"got {rotate_when!r}; write MIDNIGHT"
    )


class TimedRotation(Rotation):
    """Rotates a file F to F.TIME when its period is over and something is to be written."""

    def __init__(self, schedule: Periods, backup_count: int, compression: Compression | None = None) -> None:
        """Args:
        backup_count: old files to keep; 0 for all.
        """
        self._schedule = schedule
        self._backup_count = backup_count
        self.compression = compression
        self._known = (0.0, 0.0)  # the beginning of a period and its end

    def room(self, state: FileState) -> int:
        return UNLIMITED if self._is_within(state) else 0

    def fitting(self, state: FileState, data: bytes) -> int:
        if self._is_within(state):
            return len(data)
        if state.open_line:
            return data.find(b"\n") + 1 or len(data)
        return 0

    def rotate(self, path: str, state: FileState) -> bool:
        move(path, _free_name(f"{path}.{self._schedule.name(state.since)}"))
        if self._backup_count:
            self._remove_oldest(path)
        return True

    def rotated(self, path: str) -> Iterator[str]:
        return (each for each in self._backups(path) if not each.endswith(SUFFIXES))

    def _is_within(self, state: FileState) -> bool:
        """Tell whether the period of the file lasts."""
        if state.now < state.since or not state.size:
            state.since = state.now  # the clock was put back, or there is nothing to put away
        return state.now < self._end(state.since)

    def _end(self, since: float) -> float:
        if self._known[0] != since:
            self._known = since, self._schedule.end(since)
        return self._known[1]

    def _remove_oldest(self, path: str) -> None:
        backups = self._backups(path)
        for each in backups[: -self._backup_count]:
            try:
                os.unlink(each)
            except OSError as error:  # no reason to write nothing more
                log.warning("%s: can't remove this old file: %s", each, error.strerror)

    def _backups(self, path: str) -> list[str]:
        """Return the old files, the oldest first."""
        folder, base = os.path.split(path)
        pattern = re.compile(rf"{re.escape(base)}\.(\d{{{self._schedule.digits}}})(?:\.(\d+))?({PACKED})?")
        found = [match for name in os.listdir(folder or ".") if (match := pattern.fullmatch(name))]
        found.sort(key=lambda match: (match[1], int(match[2] or 0), match[3] or ""))
        return [os.path.join(folder, match[0]) for match in found]


def _free_name(path: str) -> str:
    """Return a name that no file has: an hour comes twice when clocks are put back."""
    name, number = path, 0
    while exists(name):
        number += 1
        name = f"{path}.{number}"
    return name


@checkable
class TimedRotatingFileStream(BaseFileStream):
    """Appends output to a file, and begins a new one when a period is over, for instance at midnight."""

    def __init__(
        self,
        filename: str | os.PathLike[str] | None = None,
        time_format: str | None = None,
        rotate_when: str = "MIDNIGHT",
        rotate_interval: int | str = 1,
        backup_count: int | str = 0,
        utc: bool | str = False,
        compress: str | None = None,
        **_ignored: object,
    ) -> None:
        """Open nothing yet.

        Args:
            filename, time_format, compress: as for FileStream.
            rotate_when: S, M, H or D: so long after the file began; MIDNIGHT; W0 (Monday) to W6: the
                midnight that ends this day of the week. In any case.
            rotate_interval: multiplies S, M, H and D. With the others it puts back the date in the name of
                the old file, and the end of a period is the same.
            backup_count: old files to keep, 0 for all. They are called FILENAME.TIME after their beginning.
            utc: let the day and the names be those of UTC.

        Raises:
            ValueError: there is no filename, or a value is none of these.
        """
        schedule = periods(
            rotate_when, whole("rotate_interval", rotate_interval, least=1), utc=flag("utc", utc)
        )
        rotation = TimedRotation(schedule, whole("backup_count", backup_count), compression(compress))
        super().__init__(filename, time_format, rotation)
