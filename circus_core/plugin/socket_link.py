"""What connects a plugin with a daemon over sockets: the link of a plugin that does not run in the daemon."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import zmq

from circus_core.clients.asking import BARRIER, ReceivedEvent, read_event
from circus_core.clients.channel import events_socket
from circus_core.clients.control_line import ControlLine
from circus_core.errors import CallError
from circus_core.plugin.link import TOPICS, Arrival, Gap
from circus_core.records import dataclass
from circus_core.wire import decode_reply, encode_request

if TYPE_CHECKING:
    from circus_core.clients.tunnel import Tunnel

__all__ = ["SocketLink"]

_DROPPED: Final = "circusd.events_dropped"

_LAST_WORDS: Final = 1000
"""Milliseconds that a request sent in handle_stop has to get away (ZMQ_LINGER)."""


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
        request_id = os.urandom(16).hex()
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
