"""Short calls of many sinks on one worker thread: it is woken once for all of them, and so is the loop."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from circus_core.errors import BusyError
from circus_core.workers import Workers

__all__ = ["Lane"]

log = logging.getLogger("circus.pipes")

PATIENCE: Final = 0.01  # seconds that a call may hold up those behind it

_Call = Callable[[], Any]
_Then = Callable[[Any], None]


class _Shift:
    """One thread's time on the lane.

    Attributes:
        done: what came of calls that have returned, and what it is for.
        is_relieved: another thread goes on; this one ends when its call returns.
    """

    def __init__(self) -> None:
        self.done: deque[tuple[_Then, Any]] = deque()
        self.is_relieved = False


class Lane:
    """Runs calls that are expected to be short, one after the other, on one thread.

    One that is not short keeps the others waiting for 10 ms: they go on on another thread then. Belongs to
    the thread of the loop; while there is nothing to call it has no thread and no timer.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, workers: Workers) -> None:
        self._loop = loop
        self._workers = workers
        self._waiting: deque[tuple[_Call, _Then]] = deque()
        self._shift: _Shift | None = None
        self._look: asyncio.TimerHandle | None = None

    def submit(self, call: _Call, then: _Then) -> None:
        """Have `call`, which raises nothing, run on a thread, and its result given to `then` on the loop.

        Raises:
            BusyError: there is no free thread.
        """
        if self._shift is None:
            self._begin()
        self._waiting.append((call, then))

    def _begin(self) -> None:
        shift = _Shift()
        self._workers.submit(self._serve, shift)
        self._shift = shift
        if self._look is None:
            self._look = self._loop.call_later(PATIENCE, self._look_at_shift)

    def _serve(self, shift: _Shift) -> None:
        """Call what waits, until nothing does; on a worker thread."""
        while not shift.is_relieved:
            try:
                call, then = self._waiting.popleft()
            except IndexError:
                break
            shift.done.append((then, call()))
        try:
            self._loop.call_soon_threadsafe(self._is_over, shift)
        except RuntimeError:
            log.debug("the loop was closed while streams were working")

    def _is_over(self, shift: _Shift) -> None:
        if shift is self._shift:
            self._shift = None
            if self._look is not None:
                self._look.cancel()
                self._look = None
        self._tell(shift)
        if self._waiting and self._shift is None:  # it came when the thread had just stopped looking
            self._go_on()

    def _tell(self, shift: _Shift) -> bool:
        """Pass on what has come out; False if nothing has."""
        has_told = bool(shift.done)
        while shift.done:
            then, result = shift.done.popleft()
            then(result)
        return has_told

    def _look_at_shift(self) -> None:
        """Tell of what is done; if nothing is, let another thread go on with the rest."""
        self._look = None
        shift = self._shift
        if shift is not None:
            if self._tell(shift):
                self._look = self._loop.call_later(PATIENCE, self._look_at_shift)
                return
            shift.is_relieved = True
            self._shift = None
        if self._waiting:
            self._go_on()

    def _go_on(self) -> None:
        try:
            self._begin()
        except BusyError:
            self._look = self._look or self._loop.call_later(PATIENCE, self._look_at_shift)
