"""Time. Decisions use `monotonic`, what people read uses `wall`; the two are never mixed."""

from __future__ import annotations

import time
from typing import Protocol

__all__ = ["Clock", "SystemClock"]


class Clock(Protocol):
    """Where the kernel takes time from."""

    def monotonic(self) -> float:
        """Seconds on a clock that no one sets; for deadlines and ages."""

    def wall(self) -> float:
        """Seconds since the epoch; for events and display only."""


class SystemClock:
    """The clocks of the operating system."""

    def monotonic(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()
