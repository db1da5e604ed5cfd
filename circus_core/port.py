"""A ZeroMQ socket on the asyncio loop, without a wake-up while nothing arrives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import zmq

__all__ = ["Port"]

_TURN = 32  # messages read before others on the loop get their turn


class Port:
    """Reads one socket for `on_message` and sends without blocking. Belongs to the loop's thread.

    The descriptor of a ZeroMQ socket (ZMQ_FD, zmq_getsockopt(3)) reports only that something changed, and
    any call may use up that report. So a turn reads until nothing is left or schedules the next turn, and
    after each send the socket is asked again.
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
        try:
            self.socket.send_multipart(frames, zmq.NOBLOCK, copy=True)
        except zmq.Again:
            return False
        finally:
            self._look_again()
        return True

    def read_rest(self, turns: int = 100) -> None:
        """Read at once all that has arrived; `turns` bounds it, since more may arrive all the time."""
        for _ in range(turns):
            if not self._is_reading or not int(self.socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
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

    def _look_again(self) -> None:
        if int(self.socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
            self.check()

    def _read(self) -> None:
        if self._next_turn is not None:
            self._next_turn.cancel()  # the descriptor may have been quicker
            self._next_turn = None
        for _ in range(_TURN):
            try:
                frames = self.socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                if self._after_turn is not None:
                    self._after_turn()
                return
            self._on_message(frames)
            if not self._is_reading:
                return
        self.check()
