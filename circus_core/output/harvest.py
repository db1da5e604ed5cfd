"""Pipes that get a little again and again: looked at together, some milliseconds later, not at each write."""

from __future__ import annotations

import asyncio
import select
from typing import Final, Protocol

__all__ = ["Harvest", "RestingPipe"]

KIB: Final = 1024
MUCH: Final = 16 * KIB  # a quarter of a pipe, pipe(7): more in one gives all of them less time
LITTLE: Final = 4 * KIB  # in the fullest, and all get more
LONGEST: Final = 0.02  # seconds that a line waits for the next look, if all are slow
SHORTEST: Final = 0.0025  # if one is fast


class RestingPipe(Protocol):
    """A pipe that has just been emptied."""

    def fileno(self) -> int: ...

    def move(self) -> None:
        """There is something to read, or the end was reached."""

    def watch(self) -> None:
        """There is nothing: have the loop tell of it when there is."""


class Harvest:
    """Looks at all pipes that rest with one call, when the one that came first has rested for `interval`.

    So many writers of a line now and then cost no more wake-ups than one. The fullest pipe sets the pace.
    Who was silent meanwhile is watched by the loop again, so that a line after a silence waits for nothing.
    Belongs to the thread of the loop; while no pipe rests there is no timer.

    Attributes:
        interval: seconds from one look to the next.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.interval = LONGEST
        self._loop = loop
        self._resting: dict[int, RestingPipe] = {}
        self._poll = select.poll()
        self._look: asyncio.TimerHandle | None = None
        self._fullest = 0  # bytes found in one pipe since the last look

    def rest(self, pipe: RestingPipe, count: int) -> None:
        """Look at a pipe later; `count` bytes were in it now."""
        self._resting[pipe.fileno()] = pipe
        self._poll.register(pipe.fileno(), select.POLLIN)
        self._fullest = max(self._fullest, count)
        if self._look is None:
            self._look = self._loop.call_later(self.interval, self._gather)

    def leave(self, pipe: RestingPipe) -> None:
        """Do not look at it any more."""
        if self._resting.pop(pipe.fileno(), None) is not None:
            self._poll.unregister(pipe.fileno())
        if not self._resting and self._look is not None:
            self._look.cancel()
            self._look = None

    def _gather(self) -> None:
        self._look = None
        self._set_pace()
        ready = {fd for fd, _ in self._poll.poll(0)}
        for fd, pipe in tuple(self._resting.items()):
            if self._resting.get(fd) is not pipe:
                continue  # it was closed because of another one
            self.leave(pipe)
            if fd in ready:
                pipe.move()
            else:
                pipe.watch()

    def _set_pace(self) -> None:
        if self._fullest >= MUCH:
            self.interval = max(SHORTEST, self.interval / 2)
        elif self._fullest < LITTLE:
            self.interval = min(LONGEST, self.interval * 2)
        self._fullest = 0
