"""Which topics have listeners, so that what nobody listens to need not even be put into words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

__all__ = ["Audience", "Portions"]

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


_Connection = tuple[int, int]
"""Descriptor and inode."""

_PORTION: Final = 1 << 16
"""Bytes; libzmq takes a hundred times as much for them."""


class Portions:
    """What each connection has subscribed to, so that none can take all memory with it."""

    def __init__(self) -> None:
        self._taken: dict[_Connection, set[bytes]] = {}
        self._sizes: Counter[_Connection] = Counter()

    def take(self, connection: _Connection, prefix: bytes, is_open: Callable[[_Connection], bool]) -> bool:
        """Count a subscription; False if it is too much.

        Args:
            is_open: tells of other connections whether they still count.
        """
        if connection not in self._taken:
            self._forget(is_open)
            self._taken[connection] = set()
        if prefix not in self._taken[connection]:
            self._taken[connection].add(prefix)
            self._sizes[connection] += len(prefix) + 1
        return self._sizes[connection] <= _PORTION

    def give_back(self, connection: _Connection, prefix: bytes) -> None:
        """Count a subscription no more."""
        if prefix in self._taken.get(connection, ()):
            self._taken[connection].remove(prefix)
            self._sizes[connection] -= len(prefix) + 1

    def _forget(self, is_open: Callable[[_Connection], bool]) -> None:
        for connection in [each for each in self._taken if not is_open(each)]:
            del self._taken[connection], self._sizes[connection]


def _decrease(counter: Counter[bytes], prefix: bytes) -> None:
    counter[prefix] -= 1
    if not counter[prefix]:
        del counter[prefix]
