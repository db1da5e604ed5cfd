"""Connections to a tcp endpoint whose peers have not said anything that counts yet.

Each takes a descriptor, and libzmq accepts as many as come: without a bound anybody who reaches the port
could take all. Which connections there are is told by the monitor of the socket (zmq_socket_monitor(3)).
"""

from __future__ import annotations

import asyncio
import os
import socket as sockets
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

import zmq

from circus_core.port import Port

__all__ = ["Cutter", "Doorstep", "descriptor_of", "inode_of"]

_EVENTS: Final = zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED
_EVENT: Final = struct.Struct("=HI")  # what happened, to which descriptor
_PATIENCE: Final = 0.05  # seconds; who has come to talk has been asked who it is by then
_MANY: Final = 50  # so many are not waited for
_INTERVAL: Final = 1.0  # seconds; who is still there then could not be told from others


class Doorstep:
    """Knows the connections of one socket from when they are accepted. Belongs to the loop's thread."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        socket: zmq.Socket[bytes],
        *,
        name: str,
        limit: int | None,
        cutter: Cutter,
        loop: asyncio.AbstractEventLoop,
        on_silence: Callable[[], None],
    ) -> None:
        """Look on from now on; to be closed after the socket.

        Args:
            name: of its own, in this context.
            limit: so many may stand here. Who comes then takes the place of the one that has been silent
                longest, which connects again if it is a client that had nothing to say. None: no limit, but
                `on_silence` is called soon after somebody has come, and again while somebody says nothing.
        """
        self._limit = limit
        self._cutter = cutter
        self._loop = loop
        self._on_silence = on_silence
        self._inodes: dict[int, int] = {}  # by descriptor, the oldest first
        self._timer: asyncio.TimerHandle | None = None
        address = f"inproc://{name}-arrivals"
        socket.monitor(address, _EVENTS)
        monitor = context.socket(zmq.PAIR)
        monitor.setsockopt(zmq.RCVHWM, 0)  # or libzmq's thread would wait for us
        monitor.connect(address)
        self._port = Port(monitor, self._on_event, loop=loop)

    @property
    def waiting(self) -> Mapping[int, int]:
        """Inodes of those who have said nothing, by our descriptor of the connection."""
        return self._inodes

    def leave(self, descriptor: int) -> None:
        """This one has said something, or is known not to be a stranger."""
        self._inodes.pop(descriptor, None)

    def close(self) -> None:
        """Look away."""
        if self._timer is not None:
            self._timer.cancel()
        self._port.close()

    def _on_event(self, frames: list[zmq.Frame]) -> None:
        event, descriptor = _EVENT.unpack(frames[0].bytes)
        self._inodes.pop(descriptor, None)
        inode = inode_of(descriptor)
        if event != zmq.EVENT_ACCEPTED or inode == -1:
            return
        self._inodes[descriptor] = inode
        if self._limit is None:
            self._look_in(_PATIENCE if len(self._inodes) < _MANY else 0)
        elif len(self._inodes) > self._limit:
            oldest = next(iter(self._inodes))
            self._cutter.cut(oldest, self._inodes.pop(oldest))

    def _look_in(self, delay: float) -> None:
        """Look after so many seconds, if not before."""
        due = self._loop.time() + delay
        if self._timer is not None and self._timer.when() <= due:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(due, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._inodes:
            self._on_silence()
            self._look_in(_INTERVAL)


class Cutter:
    """Ends connections, also when no descriptor is left: it has two of its own. To be closed."""

    def __init__(self) -> None:
        self._idle = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self._copy = os.dup(self._idle)

    def cut(self, descriptor: int, inode: int) -> None:
        """End a connection at once, if it is still open: libzmq drops the peer with what it was to get."""
        with suppress(OSError):
            # a copy that is ours, so that it can't become another's between look and end
            os.dup2(descriptor, self._copy, inheritable=False)
            try:
                if inode_of(self._copy) == inode:
                    _shut_down(self._copy)
            finally:
                os.dup2(self._idle, self._copy, inheritable=False)

    def close(self) -> None:
        """Give the descriptors back."""
        os.close(self._copy)
        os.close(self._idle)


def _shut_down(descriptor: int) -> None:
    connection = sockets.socket(fileno=descriptor)
    try:
        connection.shutdown(sockets.SHUT_RDWR)
    finally:
        connection.detach()


def descriptor_of(frame: zmq.Frame) -> int:
    """Return our descriptor of the connection that a message came from, -1 if libzmq itself made it."""
    try:
        return int(frame.get(zmq.SRCFD))
    except zmq.ZMQError:
        return -1


def inode_of(descriptor: int) -> int:
    """Return the inode behind a descriptor, -1 if it is closed."""
    try:
        return os.fstat(descriptor).st_ino
    except OSError:
        return -1
