"""Keeps what repeats itself from filling the log."""

from __future__ import annotations

from collections import Counter

__all__ = ["Complaints"]


class Complaints:
    """Counts complaints of each kind, and says which of them are to be logged."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def is_due(self, kind: str) -> bool:
        """Count one more; True for the first, the tenth, the hundredth and so on."""
        self._counts[kind] += 1
        return str(self._counts[kind]).strip("0") == "1"
