"""Writers that write as much as is taken: how they are told from others."""

from __future__ import annotations

from typing import Final

__all__ = ["FLOOD", "Flood"]

KIB: Final = 1024
FLOOD: Final = 48 * KIB  # bytes found in a pipe whose writer is, or would soon be, waiting
WINDOW: Final = 0.02  # seconds
TORRENT: Final = 256 * KIB  # bytes in that time


class Flood:
    """Tells whether one pipe is flooded.

    Attributes:
        is_on: what comes can't wait.
    """

    def __init__(self) -> None:
        self.is_on = False
        self._begun = 0.0  # of the window, on the clock of the loop
        self._amount = 0  # in it
        self._before = 0  # in the one before it

    def note(self, count: int, now: float) -> None:
        """Learn that `count` bytes were found in the pipe, at `now` on the clock of the loop.

        It is flooded while the writer is fast, and 20 ms longer.
        """
        if now - self._begun >= WINDOW:
            self._before = self._amount if now - self._begun < 2 * WINDOW else 0
            self._begun, self._amount = now, 0
        self._amount += count
        self.is_on = count >= FLOOD or max(self._amount, self._before) >= TORRENT
