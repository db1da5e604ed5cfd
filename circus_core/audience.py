"""Which topics have listeners, so that what nobody listens to need not even be put into words."""

from __future__ import annotations

from collections import Counter
from typing import Final

__all__ = ["Audience"]

_LIMIT: Final = 10_000
"""Different beginnings of topics that are told apart; the memory they take is bounded by it."""


class Audience:
    """The beginnings of topics that are listened to. May know of more than there are, never of fewer.

    A publishing socket of libzmq is told of each subscription and of its end; where a connection breaks,
    not whose it was. So those that were refused are counted too, and in doubt it was one of them.
    """

    def __init__(self) -> None:
        self._wanted: Counter[bytes] = Counter()
        self._refused: Counter[bytes] = Counter()
        self._prefixes: tuple[bytes, ...] | None = ()  # None: to be made anew
        self._is_uncounted = False

    @property
    def is_empty(self) -> bool:
        """Nobody listens to anything."""
        return not (self._wanted or self._is_uncounted)

    def wants(self, topic: str) -> bool:
        """Tell whether somebody listens to this topic."""
        if self._is_uncounted:
            return True
        if self._prefixes is None:
            self._prefixes = tuple(self._wanted)
        return topic.encode().startswith(self._prefixes)

    def join(self, prefix: bytes) -> None:
        """Somebody who may listen subscribes."""
        self._count(self._wanted, prefix)

    def refuse(self, prefix: bytes) -> None:
        """Somebody who may not listen tried to subscribe."""
        self._count(self._refused, prefix)

    def leave(self, prefix: bytes, *, is_told: bool = False) -> None:
        """A subscription ends; `is_told` if somebody said so who is trusted to tell only of the own ones."""
        if self._refused[prefix] > 0 and not is_told:
            _decrease(self._refused, prefix)
        elif self._wanted[prefix] > 0:
            _decrease(self._wanted, prefix)
            self._prefixes = None

    def leave_refused(self, prefix: bytes) -> None:
        """One of those that were refused ends."""
        if self._refused[prefix] > 0:
            _decrease(self._refused, prefix)

    def _count(self, counter: Counter[bytes], prefix: bytes) -> None:
        if prefix not in counter and len(counter) >= _LIMIT:
            self._is_uncounted = True
        else:
            counter[prefix] += 1
            self._prefixes = None


def _decrease(counter: Counter[bytes], prefix: bytes) -> None:
    counter[prefix] -= 1
    if not counter[prefix]:
        del counter[prefix]
