"""What signals do to circusd while no loop runs: before it, between two of them, and after the last one."""

from __future__ import annotations

import atexit
import gc
import os
import signal
import threading
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
        self._last_status: int | None = None
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

        For what can be given up and may take for ever. A thread does it: the handlers of Python wait for a
        system call to return that was entered just when the signal came, and an exception raised by one in
        the middle of an import or a destructor would be printed, wrapped or lost.
        """
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        watcher = threading.Thread(target=self._watch, args=(reader, cleanup), daemon=True)
        watcher.start()
        wakeup_before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        try:
            if self.is_told:
                cleanup()
                os._exit(0)
            yield
        finally:
            signal.set_wakeup_fd(wakeup_before)
            os.close(writer)
            watcher.join()
            os.close(reader)

    def finish(self, status: int) -> None:
        """Everything is done: if something holds up the end of the interpreter, the next wish ends it."""
        self._last_status = status
        gc.freeze()  # the interpreter looks for cycles at its end: 20 of 27 ms, and more with many processes

    def _watch(self, reader: int, cleanup: Callable[[], object]) -> None:
        """Read the numbers of signals, which the interpreter writes as soon as they come."""
        while signums := os.read(reader, 512):
            if not set(self._ending).isdisjoint(signums):
                cleanup()
                os._exit(0)

    def _note(self, *_: object) -> None:
        self.is_told = True
        if self._last_status is not None:
            os._exit(self._last_status)

    def _ignore_all(self) -> None:
        for signum in (*self._ending, *self._harmless):
            signal.signal(signum, signal.SIG_IGN)


def _do_nothing(*_: object) -> None:
    pass
