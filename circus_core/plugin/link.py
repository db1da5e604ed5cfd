"""What connects a plugin with its daemon: requests go one way, events come the other."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Protocol

import zmq

from circus_core.clients.asking import BARRIER, ReceivedEvent, read_event
from circus_core.clients.channel import events_socket
from circus_core.clients.control_line import ControlLine
from circus_core.errors import CallError
from circus_core.records import dataclass
from circus_core.wire import decode_reply, encode_request

if TYPE_CHECKING:
    from circus_core.clients.tunnel import Tunnel

__all__ = ["TOPICS", "Arrival", "Gap", "Link", "SocketLink"]

TOPICS: Final = "watcher."
"""Beginning of the topics of what plugins hear."""

_DROPPED: Final = "circusd.events_dropped"

_LAST_WORDS: Final = 1000
"""Milliseconds that a request sent in handle_stop has to get away (ZMQ_LINGER)."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Events are missing here: this plugin did not keep up, or another subscriber did not.

    `count` is how many; they may have been meant for others.
    """

    count: int


class Arrival(Protocol):
    """One event on its way to a plugin; made into what its handler takes only when that is known."""

    def frames(self) -> list[bytes]:
        """Return topic and message as they are on the wire."""

    def event(self) -> ReceivedEvent:
        """Return the same, read; CallError if it is no event."""


class Link(Protocol):
    """Used by the thread of the plugin, `call` and `cast` also by others."""

    def call(self, command: str, props: Mapping[str, Any], *, timeout: float) -> dict[str, Any]:
        """Return the reply, also one that reports an error; raises as `CircusClient.call`."""

    def cast(self, command: str, props: Mapping[str, Any], *, timeout: float) -> None:
        """Send; CallTimeoutError: it could not be sent in time."""

    def listen(self, loop: asyncio.AbstractEventLoop, heard: Callable[[], None]) -> None:
        """Have `heard` called on the loop when there may be something to receive."""

    def pause(self) -> None:
        """Call `heard` no more, until `listen` is called again."""

    def when_connected(self, then: Callable[[], None]) -> None:
        """Have `then` called, on the loop given to `listen`, when no further event can be missed."""

    def when_lost(self, then: Callable[[], None]) -> None:
        """Have `then` called, on the loop given to `listen`, when there is no way back to the daemon."""

    def receive(self) -> Arrival | Gap | None:
        """Return the next event, None if there is none yet. Does not wait."""

    def close(self) -> None:
        """Give the connection back; afterwards calls raise CallError."""


class SocketLink:
    """The endpoints of a daemon, here or elsewhere; one that is not there yet is waited for."""

    def __init__(self, endpoint: str, pubsub_endpoint: str, *, ssh_server: str | None = None) -> None:
        """Connect without waiting, except for a login by ssh.

        Raises:
            CallError: one of these is not an endpoint, or ssh can't log in.
            KeysError: the daemon asks for a key, and ours can't be used.
        """
        self._endpoint = endpoint
        self._turn = threading.Lock()
        self._tunnel = _open_tunnel(ssh_server)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        try:
            self._events, self._connections = events_socket(
                self._context, pubsub_endpoint, (TOPICS, _DROPPED), self._tunnel
            )
            self._control = ControlLine(self._context, endpoint, self._tunnel)
        except BaseException:
            self._context.destroy(linger=0)
            self._close_tunnel()
            raise
        self._loop: asyncio.AbstractEventLoop | None = None

    def call(self, command: str, props: Mapping[str, Any], *, timeout: float) -> dict[str, Any]:
        request_id = uuid.uuid4().hex
        deadline = time.monotonic() + timeout
        with self._turn:
            self._send(encode_request(command, props, request_id=request_id), deadline)
            while True:
                reply = decode_reply(self._control.receive(deadline))
                if reply.get("id") == request_id:  # another id: the late reply to a call that was given up
                    return reply

    def cast(self, command: str, props: Mapping[str, Any], *, timeout: float) -> None:
        with self._turn:
            self._send(encode_request(command, props, is_cast=True), time.monotonic() + timeout)

    def listen(self, loop: asyncio.AbstractEventLoop, heard: Callable[[], None]) -> None:
        self._loop = loop
        # Its descriptor says that something may have changed, not that there is a message (zmq_getsockopt(3),
        # ZMQ_FD): who hears it reads until nothing is left, or comes back without waiting for it.
        loop.add_reader(self._events.fileno(), heard)
        loop.call_soon(heard)

    def pause(self) -> None:
        if self._loop is not None:
            self._loop.remove_reader(self._events.fileno())

    def when_connected(self, then: Callable[[], None]) -> None:
        def look() -> None:
            if self._loop is None or not self._connections.poll(0):
                return
            self._loop.remove_reader(self._connections.fileno())
            with suppress(CallError):  # a daemon that does not answer has not been missed either
                self.call(BARRIER, {}, timeout=1.0)
            then()

        if self._loop is not None:
            self._loop.add_reader(self._connections.fileno(), look)
            self._loop.call_soon(look)

    def when_lost(self, then: Callable[[], None]) -> None:
        """A login that has ended is not repeated: whoever runs the plugin knows when to try again."""

        def lost(tunnel: Tunnel, loop: asyncio.AbstractEventLoop) -> None:
            loop.remove_reader(tunnel.fileno())
            then()

        if self._tunnel is not None and self._loop is not None:
            self._loop.add_reader(self._tunnel.fileno(), lost, self._tunnel, self._loop)

    def receive(self) -> Arrival | Gap | None:
        try:
            frames = self._events.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return None
        if frames[0] == _DROPPED.encode():
            return Gap(int(read_event(frames).payload.get("count", 0)))
        return _Frames(frames)

    def close(self) -> None:
        """Wait for the request of another thread, then refuse all further ones."""
        if self._loop is not None:
            self._loop.remove_reader(self._events.fileno())
            self._loop.remove_reader(self._connections.fileno())
            if self._tunnel is not None:
                self._loop.remove_reader(self._tunnel.fileno())
            self._loop = None
        with self._turn:
            self._control.close(linger=_LAST_WORDS)
        self._events.disable_monitor()
        self._connections.close(linger=0)
        self._events.close(linger=0)
        self._context.term()  # what was cast last leaves, or a second is over
        self._close_tunnel()

    def _close_tunnel(self) -> None:
        if self._tunnel is not None:
            self._tunnel.close()

    def _send(self, request: bytes, deadline: float) -> None:
        if self._control.is_closed:
            raise CallError("the plugin has ended")
        self._control.send(request, deadline)


@dataclass(frozen=True, slots=True)
class _Frames:
    """An event as it came over a socket."""

    received: list[bytes]

    def frames(self) -> list[bytes]:
        return self.received

    def event(self) -> ReceivedEvent:
        return read_event(self.received)


def _open_tunnel(ssh_server: str | None) -> Tunnel | None:
    if ssh_server is None:
        return None
    from circus_core.clients.tunnel import open_tunnel  # only who asks for it pays for the import

    return open_tunnel(ssh_server)
