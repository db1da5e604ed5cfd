"""Writers that write as much as is taken: how they are told, and the wider pipe that they get meanwhile."""

from __future__ import annotations

import contextlib
import fcntl
from typing import Final

__all__ = ["FLOOD", "Flood"]

KIB: Final = 1024
FLOOD: Final = 48 * KIB  # bytes found in a pipe whose writer is, or would soon be, waiting
WINDOW: Final = 0.02  # seconds
TORRENT: Final = 256 * KIB  # bytes in that time
USUAL: Final = 64 * KIB  # bytes that a pipe holds, pipe(7)
WIDE: Final = 256 * KIB  # so that writer and reader wait for each other a quarter as often
_SET_SIZE: Final = getattr(fcntl, "F_SETPIPE_SZ", None)


class Flood:
    """Tells whether one pipe is flooded, and makes it wider for as long as it is.

    Only then: the pages of all pipes of an ordinary user are limited, pipe(7).

    Attributes:
        is_on: what comes can't wait.
        sip: bytes; less than that is not worth a call while it is flooded.
    """

    def __init__(self) -> None:
        self.is_on = False
        self.sip = USUAL // 16
        self._is_wide = False
        self._begun = 0.0  # of the window, on the clock of the loop
        self._amount = 0  # in it
        self._before = 0  # in the one before it

    def note(self, fd: int, count: int, now: float) -> None:
        """Learn that `count` bytes were found in the pipe `fd`, at `now` on the clock of the loop.

        It is flooded while the writer is fast, and 20 ms longer.
        """
        if now - self._begun >= WINDOW:
            self._before = self._amount if now - self._begun < 2 * WINDOW else 0
            self._begun, self._amount = now, 0
        self._amount += count
        self.is_on = count >= FLOOD or max(self._amount, self._before) >= TORRENT
        if self.is_on is not self._is_wide:
            self._is_wide = self.is_on
            size = _resized(fd, WIDE if self._is_wide else USUAL)
            self.sip = WIDE // 4 if size == WIDE else USUAL // 16


def _resized(fd: int, size: int) -> int:
    """Return how much the pipe holds now, 0 if that is as much as before."""
    if _SET_SIZE is not None:
        with contextlib.suppress(OSError):  # this user has too many pages, or it holds more just now
            return int(fcntl.fcntl(fd, _SET_SIZE, size))
    return 0
