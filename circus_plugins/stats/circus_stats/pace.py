"""How often to look: as often as is wanted, as long as that takes no more of a core than it may. Pure."""

from __future__ import annotations

from typing import Final

__all__ = ["Pace"]

_CALM: Final = 0.25
"""How much of the way back is gone at once when looks become cheaper."""


class Pace:
    """Knows the seconds between the beginnings of two looks.

    Attributes:
        interval: seconds; not below what is wanted.
    """

    def __init__(self, wanted: float, *, share: float) -> None:
        """Args:
        wanted: seconds.
        share: part of a core that looking may take, over 0.
        """
        self._wanted = wanted
        self._share = share
        self.interval = wanted

    def note(self, cost: float) -> float:
        """Take in what a look cost, in seconds of cpu time; returns the interval from now on."""
        needed = max(self._wanted, cost / self._share)
        if needed < self.interval:
            needed = max(self._wanted, self.interval - _CALM * (self.interval - needed))
            if needed - self._wanted < 0.01 * self._wanted:
                needed = self._wanted
        self.interval = needed
        return needed
