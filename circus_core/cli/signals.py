"""Signals of the operating system become calls on the loop, and none is lost however many come at once."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

__all__ = ["SignalWatcher", "signal_label"]

SignalCallback = Callable[[], None]


class SignalWatcher:
    """Calls back on the loop, once for each signal or for several of the same number that came together.

    `loop.add_signal_handler` carries the number of a signal through a pipe, which overflows in a storm of
    SIGCHLD and then loses whatever comes. Here the pipe only wakes the loop, and a full one has done that;
    what came is remembered by the Python-level handlers.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, callbacks: Mapping[int, SignalCallback]) -> None:
        """Watch from now on; in the main thread only, where the loop must run too: signal(3).

        Raises:
            ValueError: not the main thread.
        """
        self._loop = loop
        self._callbacks = dict(callbacks)
        self._came: dict[int, None] = {}  # in the order of the first of each
        self._is_delivery_due = False
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        try:
            self._wakeup_before = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        except ValueError:
            self._reader.close()
            self._writer.close()
            raise
        loop.add_reader(self._reader.fileno(), self._drain)
        self._handlers_before: dict[int, Any] = {}
        for signum in self._callbacks:
            self._handlers_before[signum] = signal.signal(signum, self._note)
            signal.siginterrupt(signum, False)  # no EINTR in code that is not ours

    def close(self) -> frozenset[int]:
        """Put the former handlers and wake-up descriptor back; return what came and was not told yet."""
        if self._reader.fileno() == -1:
            return frozenset()
        for signum, handler in self._handlers_before.items():
            # None: it was not installed by Python, and can't be put back
            signal.signal(signum, signal.SIG_DFL if handler is None else handler)
        signal.set_wakeup_fd(self._wakeup_before)
        if not self._loop.is_closed():
            self._loop.remove_reader(self._reader.fileno())
        self._reader.close()
        self._writer.close()
        untold, self._came = self._came, {}
        return frozenset(untold)

    def _note(self, signum: int, frame: FrameType | None) -> None:
        """Runs between any two steps of the main thread: no more than this may happen here."""
        self._came[signum] = None
        if not self._is_delivery_due:
            self._is_delivery_due = True
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        self._is_delivery_due = False
        came, self._came = self._came, {}
        for signum in came:
            self._loop.call_soon(self._callbacks[signum])

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._reader.recv(65536):
                pass


def signal_label(signum: int) -> str:
    """The name by which Circus logs a signal: SIG_TERM for SIGTERM; the number of one without a name."""
    try:
        return f"SIG_{signal.Signals(signum).name.removeprefix('SIG')}"
    except ValueError:
        return f"SIG_{signum}"
