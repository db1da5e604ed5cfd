"""A ZeroMQ socket on the asyncio loop, without a wake-up while nothing arrives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import zmq

__all__ = ["Port"]

_TURN: Final = 32  # messages read before others on the loop get their turn

# Numbers, not members of pyzmq's enums, which take a microsecond for each & and |.
_AT_ONCE: Final = int(zmq.NOBLOCK)
_MORE: Final = int(zmq.NOBLOCK | zmq.SNDMORE)
_CAN_READ: Final = int(zmq.POLLIN)


class Port:
    """Reads one socket for `on_message` and sends without blocking. Belongs to the loop's thread.

    The descriptor of a ZeroMQ socket (ZMQ_FD, zmq_getsockopt(3)) reports only that something changed, and
    any call may use up that report. So a turn reads until the socket says that nothing is left, or schedules
    the next turn, and after each send between turns the socket is asked again.
    """

    def __init__(
        self,
        socket: zmq.Socket[bytes],
        on_message: Callable[[list[zmq.Frame]], None],
        *,
        loop: asyncio.AbstractEventLoop,
        after_turn: Callable[[], None] | None = None,
    ) -> None:
        """Start reading. `after_turn` is called when something has changed and nothing is left to read."""
        self.socket = socket
        self._on_message = on_message
        self._after_turn = after_turn
        self._loop = loop
        self._descriptor = int(socket.getsockopt(zmq.FD))
        self._next_turn: asyncio.Handle | None = None
        self._is_reading = False
        self._is_in_turn = False
        self.start_reading()

    def start_reading(self) -> None:
        """Take messages, as from the beginning."""
        if not self._is_reading:
            self._is_reading = True
            self._loop.add_reader(self._descriptor, self._read)
            self.check()

    def check(self) -> None:
        """Look for messages at the next turn of the loop; needed after using `socket` directly."""
        if self._next_turn is None and self._is_reading:
            self._next_turn = self._loop.call_soon(self._read)

    def send(self, frames: Sequence[bytes]) -> bool:
        """Send a message; False if the queue to the peer is full and it was not sent."""
        *before, last = frames
        try:
            for frame in before:
                self.socket.send(frame, _MORE)
            self.socket.send(last, _AT_ONCE)
        except zmq.Again:
            return False
        finally:
            if not self._is_in_turn and self._has_more():
                self.check()
        return True

    def read_rest(self, turns: int = 100) -> None:
        """Read at once all that has arrived; `turns` bounds it, since more may arrive all the time."""
        for _ in range(turns):
            if not self._is_reading or not self._has_more():
                return
            self._read()

    def stop_reading(self) -> None:
        """Take no further messages; sending goes on."""
        if not self._is_reading:
            return
        self._is_reading = False
        self._loop.remove_reader(self._descriptor)
        if self._next_turn is not None:
            self._next_turn.cancel()
            self._next_turn = None

    def close(self, *, linger: int = 0) -> None:
        """Stop reading and close the socket; what was sent may take `linger` milliseconds to leave."""
        self.stop_reading()
        self.socket.close(linger=linger)

    def _has_more(self) -> bool:
        """Ask the socket whether there is something to read."""
        return bool(int(self.socket.getsockopt(zmq.EVENTS)) & _CAN_READ)

    def _read(self) -> None:
        if self._next_turn is not None:
            self._next_turn.cancel()  # the descriptor may have been quicker
            self._next_turn = None
        self._is_in_turn, is_empty = True, False
        try:
            is_empty = self._read_some()
        finally:
            self._is_in_turn = False
            if not is_empty:
                self.check()
        if is_empty and self._is_reading and self._after_turn is not None:
            self._after_turn()

    def _read_some(self) -> bool:
        """Take messages; True if none are left."""
        for _ in range(_TURN):
            try:
                frames = self._receive()
            except zmq.Again:
                return True
            self._on_message(frames)
            if not self._is_reading or not self._has_more():
                return True
        return False

    def _receive(self) -> list[zmq.Frame]:
        frames = [self.socket.recv(_AT_ONCE, copy=False)]
        while frames[-1].more:
            frames.append(self.socket.recv(_AT_ONCE, copy=False))
        return frames
