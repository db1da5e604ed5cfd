"""Reads what circusd-stats publishes, also that of Circus 0.19."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Any, Final, Self

import zmq
import zmq.asyncio

from circus_core import CallError, Subscription, Tunnel, open_tunnel, secure
from circus_stats.payloads import PREFIX, Message, read_message

__all__ = ["DEFAULT_STATS_ENDPOINT", "AsyncStatsClient", "StatsClient"]

DEFAULT_STATS_ENDPOINT: Final = "tcp://127.0.0.1:5557"

_WAITING: Final = 20_000
"""Messages kept for a reader who is slow; what comes then is lost to it."""


class StatsClient:
    """Messages as they come, for programs without a loop. To be closed; a context manager.

    Iterating yields `Message`: watcher, subtopic and stat. It waits for the next one without end, also for a
    circusd-stats that has gone or has not come yet. One thread reads; `close` may come from any.
    """

    def __init__(
        self,
        endpoint: str = DEFAULT_STATS_ENDPOINT,
        ssh_server: str | None = None,
        context: zmq.Context[zmq.Socket[bytes]] | None = None,
        *,
        ssh_keyfile: str | None = None,
        tunnel: Tunnel | None = None,
        topic: str = PREFIX,
    ) -> None:
        """Connect without waiting, except for a login.

        Args:
            endpoint: of circusd-stats.
            ssh_server: `[user@]host[:port]` from which the endpoint can be reached.
            context: stays open; one of its own if there is none.
            ssh_keyfile: the private key for the login, if ssh does not find it by itself.
            tunnel: one that was made before, instead of a login of its own; it is not closed here.
            topic: beginning of the topics that are wanted, such as `stat.web.`; all if not given.

        Raises:
            CallError: this is not an endpoint, or there is no login.
            KeysError: it asks for a key, and ours can't be used.
        """
        self._own_tunnel = None if ssh_server is None else open_tunnel(ssh_server, ssh_keyfile)
        try:
            self._messages = Subscription(
                endpoint, [topic], tunnel=self._own_tunnel or tunnel, context=context
            )
        except BaseException:
            self._log_out()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Message]:
        return (read_message(message.topic, message.payload) for message in self._messages)

    def iter_messages(self) -> Iterator[Message]:
        """Do as iterating does; the name it has in Circus 0.19."""
        return iter(self)

    def next(self, timeout: float | None = None) -> Message:
        """Return the next message.

        Args:
            timeout: seconds to wait for it; None for as long as it takes.

        Raises:
            CallTimeoutError: none came in time.
            CallError: closed, or what came is no such message.
        """
        message = self._messages.next(timeout)
        return read_message(message.topic, message.payload)

    def close(self) -> None:
        """Give the connection back; iterating ends. Again does nothing."""
        self._messages.close()
        self._log_out()

    stop = close

    def _log_out(self) -> None:
        if self._own_tunnel is not None:
            self._own_tunnel.close()


class AsyncStatsClient:
    """Messages as they come, for `async for` on an asyncio loop. To be closed; `async with`.

    What is yielded, and that it waits without end, is as in `StatsClient`. It belongs to the loop in which
    it is first used; one task reads. `close` ends the iteration.
    """

    def __init__(
        self,
        endpoint: str = DEFAULT_STATS_ENDPOINT,
        *,
        ssh_server: str | None = None,
        ssh_keyfile: str | None = None,
        tunnel: Tunnel | None = None,
        topic: str = PREFIX,
    ) -> None:
        """Keep what is given, as in `StatsClient`; `async with` or the first message connects."""
        self.endpoint = endpoint
        self._ssh = (ssh_server, ssh_keyfile)
        self._tunnel = tunnel
        self._own_tunnel: Tunnel | None = None
        self._topic = topic
        self._context: zmq.asyncio.Context | None = None
        self._socket: zmq.asyncio.Socket | None = None
        self._reading: asyncio.Future[list[bytes]] | None = None
        self._is_closed = False

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __aiter__(self) -> AsyncIterator[Message]:
        return self

    async def __anext__(self) -> Message:
        socket = await self.connect()
        self._reading = reading = asyncio.ensure_future(socket.recv_multipart())
        try:
            frames: list[bytes] = await reading
        except (asyncio.CancelledError, zmq.ZMQError):
            if self._is_closed:
                raise StopAsyncIteration from None
            raise
        finally:
            self._reading = None
        return _decoded(frames)

    async def connect(self) -> zmq.asyncio.Socket:
        """Connect if that was not done yet, without waiting for circusd-stats, but for a login.

        Raises:
            StopAsyncIteration: closed.
            CallError: this is not an endpoint, or there is no login.
            KeysError: it asks for a key, and ours can't be used.
        """
        if self._is_closed:
            raise StopAsyncIteration
        if self._socket is None:
            near = await self._near()
            if self._is_closed:
                self.close()
                raise StopAsyncIteration
            self._socket = self._connected(near)
        return self._socket

    def close(self) -> None:
        """Give the connection back; iterating ends. Again does nothing."""
        self._is_closed = True
        if self._reading is not None:
            self._reading.cancel()
        if self._context is not None:
            self._context.destroy(linger=0)
        if self._own_tunnel is not None:
            self._own_tunnel.close()

    async def _near(self) -> str:
        """Return what to connect to: the endpoint, or the near end of a tunnel that leads there."""
        server, keyfile = self._ssh
        if server is not None and self._own_tunnel is None:
            self._tunnel = self._own_tunnel = await asyncio.to_thread(open_tunnel, server, keyfile)
        if self._tunnel is None:
            return self.endpoint
        return await asyncio.to_thread(self._tunnel.forward, self.endpoint)

    def _connected(self, near: str) -> zmq.asyncio.Socket:
        self._context = zmq.asyncio.Context()
        try:
            socket = self._context.socket(zmq.SUB)
            socket.setsockopt(zmq.RCVHWM, _WAITING)
            socket.setsockopt(zmq.SUBSCRIBE, self._topic.encode())
            secure(socket, self.endpoint, is_tunnelled=self._tunnel is not None)
            socket.connect(near)
        except zmq.ZMQError as error:
            self._context.destroy(linger=0)
            raise CallError(
                f"endpoint must be tcp://HOST:PORT or ipc://PATH, got '{self.endpoint}'"
            ) from error
        except BaseException:
            self._context.destroy(linger=0)
            raise
        return socket


def _decoded(frames: list[bytes]) -> Message:
    """Read a message; CallError if it is none."""
    try:
        topic, body = frames
        stat: Any = json.loads(body)
        if isinstance(stat, dict):
            return read_message(topic.decode(), stat)
    except ValueError as error:
        raise CallError(f"this is no message of circusd-stats: {frames!r}") from error
    raise CallError(f"this is no message of circusd-stats: {frames!r}")
