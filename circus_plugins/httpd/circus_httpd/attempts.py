"""Counts failed logins, so that nobody tries many."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable

__all__ = ["Attempts"]


class Attempts:
    """Failures of the last `window` seconds by address; the oldest addresses are forgotten first."""

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        allowed: int = 10,
        window: float = 60.0,
        most_addresses: int = 1024,
    ) -> None:
        """`clock` tells seconds, `allowed` failures are free."""
        self._clock = clock
        self._allowed = allowed
        self._window = window
        self._most_addresses = most_addresses
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def pause(self, address: str) -> float:
        """Return how many seconds this address has to wait before it may try again, 0 for none."""
        times = self._recent(address)
        if len(times) < self._allowed:
            return 0.0
        return max(0.0, times[0] + self._window - self._clock())

    def failed(self, address: str) -> None:
        times = self._recent(address)
        times.append(self._clock())
        self._failures[address] = times
        self._failures.move_to_end(address)
        while len(self._failures) > self._most_addresses:
            self._failures.popitem(last=False)

    def _recent(self, address: str) -> deque[float]:
        times = self._failures.get(address)
        if times is None:
            return deque(maxlen=self._allowed)
        while times and times[0] <= self._clock() - self._window:
            times.popleft()
        return times
