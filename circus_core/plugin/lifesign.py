"""When is something that shows signs of life taken for hung? One timer each, no alarm after a standstill."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

__all__ = ["SIGNS_PER_TIMEOUT", "Vigil"]

SIGNS_PER_TIMEOUT: Final = 4
"""How often life is to be shown within the time after which its absence counts."""


START: Final = 60.0
"""Seconds that a start may take, however short a silence may be afterwards: imports and machines are slow."""


class Vigil:
    """Waits for signs of life, on the loop. The timer is set anew only when it is over, not at each sign.

    Who was silent for three quarters of the time gets the last one, counted from then: if it was we who stood
    still (SIGSTOP, a suspended machine), the signs of meanwhile are read first, and the next one is not late.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        timeout: float,
        start: float = START,
        on_silence: Callable[[float], object],
    ) -> None:
        """Begin.

        Args:
            timeout: seconds without a sign.
            start: seconds until the first one, if that is more.
            on_silence: called once with the seconds of silence, and the vigil is over.
        """
        self._loop = loop
        self._last_chance = timeout / SIGNS_PER_TIMEOUT
        self._patience = timeout - self._last_chance
        self._start = max(0.0, start - timeout)  # beyond that, until the first sign
        self._on_silence = on_silence
        self._last = loop.time() + self._start
        self._is_doubted = False
        self._timer = self._wait_until(self._last + self._patience)

    def sign(self) -> None:
        """It lives. From the thread of the loop."""
        self._last = self._loop.time()
        if self._start:
            self._start, self._is_doubted = 0.0, False
            self._timer.cancel()
            self._timer = self._wait_until(self._last + self._patience)

    def end(self) -> None:
        """Wait no more."""
        self._timer.cancel()

    def _wait_until(self, instant: float) -> asyncio.TimerHandle:
        self._due = instant
        return self._loop.call_at(instant, self._look)

    def _look(self) -> None:
        now = self._loop.time()
        if now - self._last < self._patience:
            self._is_doubted = False
            self._timer = self._wait_until(self._last + self._patience)
        elif self._is_doubted and now - self._due < self._last_chance / 2:
            silent, self._start = now - self._last + self._start, 0.0
            self._on_silence(silent)
        else:
            self._is_doubted = True
            self._timer = self._wait_until(now + self._last_chance)
