"""Bytes from a pipe to the end of a file, without reading them: splice(2)."""

from __future__ import annotations

import errno
import os
from typing import Final

__all__ = ["SplicedFile"]

MOST: Final = 1 << 20  # bytes in one call; a pipe seldom holds more
IMPOSSIBLE: Final = (errno.EINVAL, errno.ENOSYS)  # the file system of the file can't: splice(2)
FLAGS: Final = getattr(os, "SPLICE_F_NONBLOCK", 2)


class SplicedFile:
    """A second way to an open file: splice(2) refuses one that is open for appending.

    So the end is looked up each time. If another program turns out to append to the file, too, it is left to
    its O_APPEND descriptor from then on.

    Attributes:
        is_possible: append() can be tried.
    """

    def __init__(self, fd: int) -> None:
        """Args:
        fd: descriptor of the file, which stays with the caller.
        """
        self._fd = -1
        self._expected = -1  # size of the file when we last knew it
        self.is_possible = False
        if hasattr(os, "splice"):
            try:
                self._fd = os.open(f"/proc/self/fd/{fd}", os.O_RDWR | os.O_CLOEXEC)
            except OSError:
                return  # it may be written, and not be read; or there is no /proc
            self.is_possible = True

    def append(self, pipe: int, count: int, size: int) -> int | None:
        """Move at most `count` bytes; 0 at the end of the pipe, None if it is not possible after all.

        Args:
            size: of the file, now.

        Raises:
            BlockingIOError: the pipe is empty.
            OSError: the file takes nothing.
        """
        if size > self._expected >= 0:
            self.is_possible = False
            return None
        try:
            moved = os.splice(pipe, self._fd, min(count, MOST), offset_dst=size, flags=FLAGS)
        except OSError as error:
            if error.errno not in IMPOSSIBLE:
                raise
            self.is_possible = False
            return None
        if moved and size and self._was_emptied(size):
            self._close_gap(size, moved)
        else:
            self._expected = size + moved
        return moved

    def written(self) -> None:
        """Something was appended in another way."""
        self._expected = -1

    def end(self, count: int) -> bytes:
        """Return the last bytes of the file, at most `count`."""
        try:
            size = os.fstat(self._fd).st_size
            start = max(0, size - count)
            return os.pread(self._fd, size - start, start)
        except OSError:
            return b""

    def ends_line(self) -> bool:
        """Tell whether the file ends with a line end, or is empty."""
        return self.end(1) in (b"", b"\n")

    def cut_open_line(self, longest: int) -> bytes:
        """Take what follows the last line end out of the file and return it, if it is at most so long."""
        data = self.end(longest)
        line = data[data.rfind(b"\n") + 1 :]
        if not line or (len(line) == len(data) and len(data) == longest):
            return b""
        try:
            os.ftruncate(self._fd, os.fstat(self._fd).st_size - len(line))
        except OSError:
            return b""
        self._expected = -1
        return line

    def close(self) -> None:
        """Close the second descriptor."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self.is_possible = False

    def _was_emptied(self, end: int) -> bool:
        """Tell whether another program has just truncated the file: all before `end` is zero then."""
        if os.pread(self._fd, 1, end - 1) != b"\0":
            return False
        if end > MOST:
            return os.lseek(self._fd, 0, os.SEEK_DATA) > end - MOST
        return not os.pread(self._fd, end, 0).strip(b"\0")

    def _close_gap(self, start: int, count: int) -> None:
        """Put the bytes where the file would have ended."""
        data = os.pread(self._fd, count, start)
        os.pwrite(self._fd, data, 0)
        os.ftruncate(self._fd, len(data))
        self._expected = len(data)
