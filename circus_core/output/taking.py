"""One turn of a sink that takes output from a pipe by itself, on a worker thread."""

from __future__ import annotations

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from circus_core.output.flood import FLOOD

__all__ = ["TURN_SIZE", "TakingSink", "Turn"]

KIB: Final = 1024
TURN_SIZE: Final = 256 * KIB  # most bytes of one pipe before others get their turn
LONG_TURN: Final = 0.02  # seconds instead, if nobody else waits for this sink
PATIENCE: Final = 10  # milliseconds in which more of a flood is waited for on this thread
SIP: Final = 4 * KIB  # a page of a pipe
PAUSE: Final = 50e-6  # seconds to let more gather after a sip, as every turn of the loop below costs the same


class TakingSink(Protocol):
    """A sink that moves output itself, from the descriptor of a pipe, on a worker thread."""

    def take(self, fd: int, labels: Mapping[str, Any], /) -> bytes | int:
        """Move what the pipe holds, or some of it.

        Args:
            fd: read end of a pipe, not blocking.
            labels: `pid`, `name`, `watcher` and `wid` of whose output it is.

        Returns:
            The bytes if they have been read, their number if they have not; nothing of either at the end.

        Raises:
            BlockingIOError: the pipe is empty.
            OSError: not taken now, and not lost: asked again, it goes on where it was.
        """

    def recall(self, labels: Mapping[str, Any], size: int, /) -> bytes:
        """Return the last `size` bytes, or fewer, of what take() moved without reading them."""


class Turn:
    """Lets a sink take from one pipe until that is empty, or others wait and it has had its share.

    Attributes:
        count: bytes that were moved.
        last: the last of them.
        is_empty: there was nothing left.
        is_over: the end of the file was reached.
        has_failed: the sink raised what it may not; set by whoever called.
    """

    def __init__(
        self,
        sink: TakingSink,
        fd: int,
        labels: Mapping[str, Any],
        *,
        keep: int,
        is_flooded: bool = False,
        is_alone: Callable[[], bool],
    ) -> None:
        """Args:
        keep: how many of the last bytes are wanted.
        is_flooded: when the pipe is empty more is waited for, as if much had come already.
        is_alone: tells whether nobody else waits for this sink.
        """
        self.count = 0
        self.last = b""
        self.is_empty = self.is_over = self.has_failed = False
        self._sink = sink
        self._fd = fd
        self._labels = labels
        self._keep = keep
        self._is_flooded = is_flooded
        self._is_alone = is_alone
        self._parts: deque[bytes] = deque()
        self._kept = 0
        self._unseen = 0
        self._lock = threading.Lock()
        self._is_running = self._is_revoked = self._closes = False

    def __call__(self) -> None:
        """Move; raises what the sink raises, and can be called again then."""
        with self._lock:
            if self._is_revoked:
                return
            self._is_running = True
        try:
            self._move()
            self._see()
            self.last = b"".join(self._parts)[-self._keep :] if self._keep else b""
        finally:
            with self._lock:
                self._is_running = False
                if self._closes:
                    os.close(self._fd)

    def revoke(self) -> bool:
        """Have it do nothing any more; False if it is at it just now."""
        with self._lock:
            self._is_revoked = True
            return not self._is_running

    def close(self, *, at_once: bool = True) -> None:
        """Revoke it and close its descriptor.

        While a thread is at it the number is kept, until the sink lets go of it, for something empty.

        Args:
            at_once: False: a thread that is at it may take what is there.
        """
        with self._lock:
            self._is_revoked = True
            if not self._is_running:
                os.close(self._fd)
                return
            self._closes = True
            if not at_once:
                return
            nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
            os.dup2(nothing, self._fd, inheritable=False)
            os.close(nothing)

    def _move(self) -> None:
        end = time.monotonic() + LONG_TURN
        while self.count < TURN_SIZE or (self._is_alone() and time.monotonic() < end):
            size = self._take()
            if size is None or not size:
                return
            if size < SIP <= self.count:
                time.sleep(PAUSE)

    def _take(self) -> int | None:
        """Take once; None if there is nothing now, 0 at the end."""
        try:
            taken = self._sink.take(self._fd, self._labels)
        except BlockingIOError:
            if self._is_worth_waiting() and self._more_comes():
                return self._take_again()
            self.is_empty = True
            return None
        return self._note(taken)

    def _take_again(self) -> int | None:
        try:
            return self._note(self._sink.take(self._fd, self._labels))
        except BlockingIOError:
            self.is_empty = True
            return None

    def _is_worth_waiting(self) -> bool:
        return (self._is_flooded or self.count >= FLOOD) and self._is_alone()

    def _more_comes(self) -> bool:
        waiting = select.poll()
        waiting.register(self._fd, select.POLLIN)
        return bool(waiting.poll(PATIENCE))

    def _note(self, taken: bytes | int) -> int:
        size = taken if isinstance(taken, int) else len(taken)
        self.is_over = not size
        self.count += size
        if isinstance(taken, int):
            self._parts.clear()
            self._kept = 0
            self._unseen += size
        elif self._keep:
            self._see()
            self._add(taken)
        return size

    def _see(self) -> None:
        """Read again what is wanted of what was moved unseen."""
        if self._unseen and self._keep:
            self._add(self._sink.recall(self._labels, min(self._unseen, self._keep)))
        self._unseen = 0

    def _add(self, data: bytes) -> None:
        self._parts.append(data)
        self._kept += len(data)
        while self._kept - len(self._parts[0]) >= self._keep:
            self._kept -= len(self._parts.popleft())
