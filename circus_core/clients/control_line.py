"""The connection that requests go over, for programs without a loop."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import zmq

from circus_core.clients.channel import control_socket, lost_connection, says_connected
from circus_core.errors import CallError, CallTimeoutError, UnreachableError

if TYPE_CHECKING:
    from circus_core.clients.tunnel import Tunnel

__all__ = ["ControlLine"]

_PROMPT: Final = 0.02
"""Seconds within which most answers come: only who waits longer pays for hearing of the end meanwhile."""


class ControlLine:
    """Sends requests and receives replies, and knows when there can be none any more. To be closed.

    A daemon that ends drops what it has not read. So nothing is sent before there is a connection, no answer
    is waited for once that has ended, and what has not left by then goes to no later daemon.

    Used by one thread at a time. Deadlines are of `time.monotonic`.
    """

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], endpoint: str, tunnel: Tunnel | None = None
    ) -> None:
        """Begin to connect; raises as `channel.connect`."""
        self._way = (context, endpoint, tunnel)
        self._endpoint = endpoint
        self._connection: _Connection | None = _Connection(*control_socket(*self._way))
        self.is_closed = False

    def close(self, *, linger: int = 0) -> None:
        """Give it back; what was sent may take `linger` milliseconds to leave."""
        self.is_closed = True
        self._hang_up(linger=linger)

    def send(self, body: bytes, deadline: float) -> None:
        """Send a request as soon as there is a connection.

        Raises:
            UnreachableError: there was none in time; nothing was sent.
            CallError: the connection can't be used, as in `channel.connect`.
        """
        try:
            while not self._connected().send(body):
                if not self._connected().wait(zmq.POLLOUT, deadline):
                    raise UnreachableError(f"Timed out. There is no connection to {self._endpoint}")
        except zmq.ZMQError as error:
            raise CallError(f"can't send to {self._endpoint}: {error}") from error

    def receive(self, deadline: float) -> bytes:
        """Return the next reply, which may be that to an earlier request.

        Raises:
            CallTimeoutError: none came in time.
            ConnectionLostError: none will come to what was sent.
            CallError: the connection can't be used.
        """
        flags = 0 if deadline - time.monotonic() > _PROMPT else zmq.NOBLOCK
        try:
            while self._connection is not None:
                reply = self._connection.receive(flags)
                if reply is not None:
                    return reply
                if self._connection.is_lost:
                    self._hang_up()
                elif not self._connection.wait(zmq.POLLIN, deadline):
                    raise CallTimeoutError(f"Timed out. There is no answer from {self._endpoint}")
                flags = zmq.NOBLOCK
        except zmq.ZMQError as error:
            raise CallError(f"can't receive from {self._endpoint}: {error}") from error
        raise lost_connection(self._endpoint)

    def _connected(self) -> _Connection:
        """Return the connection, or one that is about to come: after the end of one that is a new one."""
        if self._connection is not None:
            self._connection.hear()
            if self._connection.is_lost:
                self._hang_up()
        if self._connection is None:
            self._connection = _Connection(*control_socket(*self._way))
        return self._connection

    def _hang_up(self, *, linger: int = 0) -> None:
        if self._connection is not None:
            self._connection.close(linger=linger)
            self._connection = None


class _Connection:
    """A socket for requests until its first connection ends.

    Attributes:
        is_lost: the connection has ended; replies that came before can still be received.
    """

    def __init__(self, socket: zmq.Socket[bytes], changes: zmq.Socket[bytes]) -> None:
        """Args as `channel.control_socket` returns them."""
        self._socket = socket
        self._socket.setsockopt(zmq.RCVTIMEO, int(_PROMPT * 1000))
        self._changes = changes
        self._is_up = False
        self.is_lost = False

    def close(self, *, linger: int) -> None:
        self._socket.disable_monitor()
        self._changes.close(linger=0)
        self._socket.close(linger=linger)

    def hear(self) -> None:
        """Note what has become of the connection."""
        while int(self._changes.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
            was_up, self._is_up = self._is_up, says_connected(self._changes.recv_multipart()[0])
            self.is_lost = self.is_lost or (was_up and not self._is_up)

    def send(self, body: bytes) -> bool:
        """Send at once, or return False."""
        if not self._is_up:
            return False
        try:
            self._socket.send(body, zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def receive(self, flags: int) -> bytes | None:
        """Return a reply, or None; waits for `_PROMPT` seconds, not at all with ZMQ_NOBLOCK."""
        try:
            return self._socket.recv_multipart(flags)[-1]
        except zmq.Again:
            return None

    def wait(self, direction: int, deadline: float) -> bool:
        """Wait until it may be possible to send or receive, or in vain; False: not before the deadline."""
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        wanted = direction if self._is_up else 0
        ready = zmq.zmq_poll(
            [(self._socket, wanted), (self._changes, zmq.POLLIN)], timeout=int(left * 1000) + 1
        )
        self.hear()
        return bool(ready)
