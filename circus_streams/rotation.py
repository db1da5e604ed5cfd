"""When a file has had enough, and where it goes then: by size, with numbers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from circus_streams.packing import SUFFIXES, Compression

__all__ = ["FileState", "NumberedRotation", "Rotation", "exists", "move"]


@dataclass(slots=True)
class FileState:
    """What a rotation judges by.

    Attributes:
        size: bytes in the file.
        open_line: bytes since the last line end.
        since: when the file began, wall time; of one that was there before, when it was last written.
        now: wall time.
    """

    size: int = 0
    open_line: int = 0
    since: float = 0.0
    now: float = 0.0


UNLIMITED: Final = 1 << 30
BORDER: Final = 64 * 1024  # bytes before the end of a file in which lines are looked at


class Rotation:
    """Never rotates.

    Attributes:
        compression: what rotated files are compressed with.
    """

    compression: Compression | None = None

    def room(self, state: FileState) -> int:
        """Return how many bytes the file takes that nobody has looked at; 0: use fitting()."""
        return UNLIMITED

    def fitting(self, state: FileState, data: bytes) -> int:
        """Return how many bytes of `data` the file still takes, 0 if it must be rotated first."""
        return len(data)

    def rotate(self, path: str, state: FileState) -> bool:
        """Move the file away; False if it is to be emptied instead. Raises OSError.

        A rotation that failed half-way is done again, and must not lose a file by that.
        """
        return False

    def rotated(self, path: str) -> Iterator[str]:
        """The rotated files that are not compressed."""
        return iter(())


class NumberedRotation(Rotation):
    """Rotates a file that would reach a size: F becomes F.1, F.1 becomes F.2, and so on."""

    def __init__(self, max_bytes: int, backup_count: int, compression: Compression | None = None) -> None:
        """Args:
        max_bytes: size that the file does not reach. Only a line as long as that is torn.
        backup_count: files to keep beside this one; 0 begins the file anew.
        """
        self._max_bytes = max_bytes
        self._backup_count = backup_count
        self.compression = compression

    def room(self, state: FileState) -> int:
        return max(0, self._max_bytes - state.size - 1 - BORDER)

    def fitting(self, state: FileState, data: bytes) -> int:
        room = self._max_bytes - state.size - 1
        if len(data) <= room:
            return len(data)
        whole_lines = data.rfind(b"\n", 0, max(0, room)) + 1
        if whole_lines:
            return whole_lines
        line = data.find(b"\n") + 1 or len(data)
        fits_alone = state.open_line + line < self._max_bytes
        if state.size == 0 or (state.open_line and fits_alone):
            return line
        return 0

    def rotate(self, path: str, state: FileState) -> bool:
        if self._backup_count < 1:
            return False
        free = 1  # files behind a gap stay where they are: so does everything if this is done twice
        while free < self._backup_count and exists(f"{path}.{free}"):
            free += 1
        for number in range(free - 1, 0, -1):
            _shift(f"{path}.{number}", f"{path}.{number + 1}")
        _remove_all(f"{path}.1")
        move(path, f"{path}.1")
        return True

    def rotated(self, path: str) -> Iterator[str]:
        for number in range(1, self._backup_count + 1):
            if os.path.lexists(f"{path}.{number}"):
                yield f"{path}.{number}"


def exists(path: str) -> bool:
    """Tell whether there is such a file, compressed or not."""
    return any(os.path.lexists(path + suffix) for suffix in ("", *SUFFIXES))


def move(old: str, new: str) -> None:
    try:
        os.replace(old, new)
    except FileNotFoundError:
        return  # someone has removed it


def _shift(old: str, new: str) -> None:
    _remove_all(new)
    for suffix in ("", *SUFFIXES):
        if os.path.lexists(old + suffix):
            move(old + suffix, new + suffix)


def _remove_all(path: str) -> None:
    for suffix in ("", *SUFFIXES):
        if os.path.lexists(path + suffix):
            os.unlink(path + suffix)
