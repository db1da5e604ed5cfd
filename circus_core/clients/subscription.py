"""The events channel from the other end, for programs without a loop."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

import zmq

from circus_core.clients.asking import ReceivedEvent, read_event
from circus_core.clients.channel import events_socket
from circus_core.errors import CallError, CallTimeoutError, CircusError, UnreachableError

if TYPE_CHECKING:
    from circus_core.clients.tunnel import Tunnel

__all__ = ["Subscription"]


class Subscription:
    """Events as they come, in the order in which they were published. To be closed; a context manager.

    Iterating yields `ReceivedEvent` and waits for the next one without end. One thread takes the events;
    `close` may come from any. A daemon that goes away and comes back is subscribed to again; what it
    published meanwhile is lost, as is what is published while 10 000 events wait here and there.
    """

    def __init__(
        self,
        endpoint: str,
        topics: Sequence[str] = (),
        *,
        on_close: Callable[[Subscription], object] | None = None,
        tunnel: Tunnel | None = None,
        context: zmq.Context[zmq.Socket[bytes]] | None = None,
    ) -> None:
        """Connect without waiting.

        Args:
            endpoint: the event endpoint of the daemon.
            topics: beginnings of the topics that are wanted; all if there are none.
            on_close: is told when it is closed.
            tunnel: leads to the machine from which the endpoint can be reached.
            context: stays open; its one thread sends what the sockets of this context are given in the order
                in which they were given it. A context of its own if there is none.

        Raises:
            CallError: this is not an endpoint.
            KeysError: it asks for a key, and ours can't be used.
        """
        self.endpoint = endpoint
        self._on_close = on_close
        self._taking = threading.Lock()
        within = zmq.Context() if context is None else context
        self._own_context = within if context is None else None
        try:
            self._socket, self._connections = events_socket(within, endpoint, topics, tunnel)
        except CircusError:
            if self._own_context is not None:
                self._own_context.destroy(linger=0)
            raise
        self._is_closing = threading.Event()
        self._end, self._end_heard = (within.socket(zmq.PAIR) for _ in range(2))
        ending = f"inproc://{os.urandom(16).hex()}"
        self._end_heard.bind(ending)
        self._end.connect(ending)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[ReceivedEvent]:
        return self

    def __next__(self) -> ReceivedEvent:
        try:
            return self.next()
        except CallError:
            if self._is_closing.is_set():
                raise StopIteration from None
            raise

    def next(self, timeout: float | None = None) -> ReceivedEvent:
        """Return the next event.

        Args:
            timeout: seconds to wait for it; None for as long as it takes.

        Raises:
            CallTimeoutError: none came in time.
            CallError: closed, or what came is no event.
        """
        return read_event(self.receive(timeout))

    def receive(self, timeout: float | None = None) -> list[bytes]:
        """Return topic and payload of the next event as they came; raises as `next`."""
        with self._taking:
            if not self._wait(self._socket, timeout):
                raise CallTimeoutError(f"no event came within {timeout:g} s")
            return self._socket.recv_multipart()

    def wait_until_connected(self, timeout: float) -> None:
        """Wait until the daemon sends us its events; UnreachableError after `timeout` seconds."""
        with self._taking:
            if not self._wait(self._connections, timeout):
                raise UnreachableError(f"can't reach the events of the daemon at {self.endpoint}")

    def close(self) -> None:
        """Give the connection back; another thread that waits for an event has its iteration ended."""
        if self._is_closing.is_set():
            return
        self._is_closing.set()
        self._end.send(b"")
        with self._taking:
            self._socket.disable_monitor()
            for socket in (self._socket, self._connections, self._end, self._end_heard):
                socket.close(linger=0)
            if self._own_context is not None:
                self._own_context.destroy(linger=0)
        if self._on_close is not None:
            self._on_close(self)

    def _wait(self, socket: zmq.Socket[bytes], timeout: float | None) -> bool:
        """Return whether there is something to receive, in time; CallError once it is closed."""
        poller = zmq.Poller()
        poller.register(socket, zmq.POLLIN)
        poller.register(self._end_heard, zmq.POLLIN)
        if self._is_closing.is_set():
            raise CallError("the subscription is closed")
        ready = dict(poller.poll(None if timeout is None else int(timeout * 1000) + 1))
        if self._is_closing.is_set():
            raise CallError("the subscription is closed")
        return socket in ready
