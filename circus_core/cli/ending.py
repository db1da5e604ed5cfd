"""What signals do to circusd while no loop runs: before it, between two of them, and after the last one."""

from __future__ import annotations

import atexit
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

__all__ = ["EndSignals"]


class EndSignals:
    """From now on no signal does harm, and a wish to end is kept until it can be followed.

    While a loop runs, it has handlers of its own, and tells of such a wish by setting `is_told`. In the main
    thread only.

    Attributes:
        is_told: the program shall end.
    """

    def __init__(self, *, ending: Iterable[int], harmless: Iterable[int]) -> None:
        self.is_told = False
        self._end: Callable[[], None] | None = None
        self._ending = tuple(ending)
        self._harmless = tuple(harmless)
        for signum in self._ending:
            signal.signal(signum, self._note)
        for signum in self._harmless:
            signal.signal(signum, _do_nothing)  # not SIG_IGN, which programs inherit: execve(2)
        # At its end the interpreter puts default actions back, except for what is ignored.
        atexit.register(self._ignore_all)

    @contextmanager
    def ending_at_once(self, cleanup: Callable[[], object]) -> Iterator[None]:
        """Within it a wish to end is followed at once, also one from before: `cleanup`, and exit with 0.

        For what can be given up and may take for ever. No exception is raised, because in the middle of
        an import or a destructor that would be printed, wrapped or lost.
        """

        def end() -> None:
            cleanup()
            os._exit(0)

        self._end = end
        try:
            if self.is_told:
                end()
            yield
        finally:
            self._end = None

    def finish(self, status: int) -> None:
        """Everything is done: if something holds up the end of the interpreter, the next wish ends it."""
        self._end = lambda: os._exit(status)

    def _note(self, *_: object) -> None:
        self.is_told = True
        if self._end is not None:
            self._end()

    def _ignore_all(self) -> None:
        for signum in (*self._ending, *self._harmless):
            signal.signal(signum, signal.SIG_IGN)


def _do_nothing(*_: object) -> None:
    pass
