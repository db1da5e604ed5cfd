"""The daemon from the other end, for programs with a loop: many requests at once, and events."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self, TypeVar

import zmq

from circus_core import wire
from circus_core.clients.asking import (
    BARRIER,
    BARRIERS,
    ReceivedEvent,
    check_message,
    encode_call,
    is_conflict,
    message_of,
    pauses,
    read_event,
    read_result,
    refuse_errors,
    told_events_endpoint,
)
from circus_core.clients.channel import (
    DEFAULT_ENDPOINT,
    control_socket,
    events_socket,
    lost_connection,
    says_connected,
)
from circus_core.errors import CallError, CallTimeoutError, CircusError, UnreachableError
from circus_core.port import Port

if TYPE_CHECKING:
    from circus_core.clients.tunnel import Tunnel
    from circus_core.commands.command import Command, Result

__all__ = ["AsyncCircusClient", "AsyncSubscription"]

ResultT = TypeVar("ResultT", bound="Result")


class AsyncCircusClient:
    """Talks to one daemon from an asyncio loop, which that of tornado is too. To be closed; `async with`.

    Requests don't wait for each other: each has its reply by its id. It belongs to the loop in which it is
    first used. A call that is cancelled or gives up is forgotten here; what was sent is carried out
    nevertheless. Retrying and reachability are as in `CircusClient`.

    Attributes:
        endpoint: the control endpoint of the daemon.
        timeout: seconds until a call gives up, if it does not bring its own.
    """

    def __init__(
        self,
        endpoint: str = DEFAULT_ENDPOINT,
        *,
        timeout: float = 5.0,
        ssh_server: str | None = None,
        ssh_keyfile: str | None = None,
        tunnel: Tunnel | None = None,
    ) -> None:
        """Keep what is given; the first call connects.

        Args:
            endpoint: the control endpoint of the daemon.
            timeout: seconds until a call gives up.
            ssh_server: `[user@]host[:port]` from which the endpoint can be reached. The login counts towards
                the timeout of the calls that wait for it, and goes on for those that come later.
            ssh_keyfile: the private key for that, if ssh does not find it by itself.
            tunnel: one that was made before, instead of a login of its own; it is not closed here.
        """
        self.endpoint = endpoint
        self._login = _login(ssh_server, ssh_keyfile, tunnel)
        self._connecting = asyncio.Lock()
        self.timeout = timeout
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._port: Port | None = None
        self._connections: Port | None = None  # hears when a connection begins and ends
        self._is_connected = False
        self._unsent: OrderedDict[asyncio.Future[bool], _Request] = OrderedDict()
        self._calls: dict[str, _Reply] = {}
        self._subscriptions: set[AsyncSubscription] = set()
        self._is_closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back; calls that wait get a CallError, and events end."""
        self._is_closed = True
        waiting: list[asyncio.Future[Any]] = [*self._unsent, *self._calls.values()]
        for future in waiting:
            if not future.done():
                future.set_exception(CallError("the client is closed"))
        for subscription in list(self._subscriptions):
            subscription.close()
        self._close_connection()
        self._context.destroy(linger=0)
        if self._login is not None:
            self._login.close()

    # -- to ask ------------------------------------------------------------------------------------------

    async def run(
        self, command: type[Command[Any, ResultT]], /, *, timeout: float | None = None, **properties: Any
    ) -> ResultT:
        """Have a command carried out and return its typed result; see `CircusClient.run`."""
        return read_result(command, await self.call(message_of(command.name, properties), timeout=timeout))

    async def send(
        self, command: str, /, *, timeout: float | None = None, **properties: Any
    ) -> dict[str, Any]:
        """Have a command carried out and return its reply; see `CircusClient.send`."""
        return refuse_errors(await self.call(message_of(command, properties), timeout=timeout))

    async def cast(self, command: str, /, *, timeout: float | None = None, **properties: Any) -> None:
        """Have a command carried out without learning what comes of it; see `CircusClient.cast`."""
        body = wire.encode_message({**message_of(command, properties), "msg_type": "cast"})
        deadline = self._deadline(timeout)
        await self._send(_Request(body), deadline)
        await self._ask(message_of(BARRIER, {}), deadline)

    async def call(
        self, message: MutableMapping[str, Any], *, timeout: float | None = None
    ) -> dict[str, Any]:
        """Send a message and return its reply, also one that reports an error; see `CircusClient.call`."""
        check_message(message)
        deadline = self._deadline(timeout)
        for pause in pauses():
            reply = await self._ask(message, deadline)
            if not is_conflict(reply) or time.monotonic() + pause >= deadline:
                break
            await asyncio.sleep(pause)
        return reply

    # -- to listen ---------------------------------------------------------------------------------------

    def events(
        self, *topics: str, endpoint: str | None = None, timeout: float | None = None
    ) -> AsyncSubscription:
        """Return the events that begin with one of `topics`, or all: for `async with` and `async for`.

        Args:
            topics: beginnings of topics, such as `watcher.web.`.
            endpoint: the event endpoint; the daemon is asked for it if it is not given.
            timeout: seconds until it gives up connecting, instead of the client's.
        """
        limit = self.timeout if timeout is None else timeout
        subscription = AsyncSubscription(
            self,
            self._open_events,
            topics,
            endpoint=endpoint,
            timeout=limit,
            on_close=self._subscriptions.discard,
        )
        self._subscriptions.add(subscription)
        return subscription

    async def events_endpoint(self, *, timeout: float | None = None) -> str:
        """Ask the daemon for its event endpoint, and return it as it can be reached from here."""
        reply = await self.send("globaloptions", option="pubsub_endpoint", timeout=timeout)
        return told_events_endpoint(reply, self.endpoint)

    # -- how ---------------------------------------------------------------------------------------------

    def _deadline(self, timeout: float | None) -> float:
        return time.monotonic() + (self.timeout if timeout is None else timeout)

    async def _ask(self, message: MutableMapping[str, Any], deadline: float) -> dict[str, Any]:
        body = encode_call(message)
        call_id = message["id"]
        reply = self._calls[call_id] = asyncio.get_running_loop().create_future()
        try:
            await self._send(_Request(body, reply), deadline)
            late = CallTimeoutError(f"Timed out. There is no answer from {self.endpoint}")
            return await _in_time(reply, deadline, late)
        finally:
            del self._calls[call_id]
            _drop(reply)

    async def _send(self, request: _Request, deadline: float) -> None:
        """Send when there is a connection; UnreachableError and not sent if there is none in time."""
        while True:
            await self._connect(deadline)
            if await self._is_sent(request, deadline):
                return

    async def _is_sent(self, request: _Request, deadline: float) -> bool:
        """Wait until it is sent; False: the connection that it waited for has ended."""
        sent: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._unsent[sent] = request
        self._send_unsent()
        try:
            missed = UnreachableError(f"Timed out. There is no connection to {self.endpoint}")
            return await _in_time(sent, deadline, missed)
        finally:
            self._unsent.pop(sent, None)
            _drop(sent)

    async def _connect(self, deadline: float) -> None:
        self._check_that_it_is_open()
        if self._port is not None:
            return
        if self._login is None:
            self._use(control_socket(self._context, self.endpoint))
            return
        late = UnreachableError(f"Timed out. There is no login at {self._login.server}")
        await _in_time(asyncio.ensure_future(self._connect_through(self._login)), deadline, late)

    async def _connect_through(self, login: _Way) -> None:
        async with self._connecting:
            if self._port is None:
                tunnel = await login.tunnel_to(self.endpoint)
                self._check_that_it_is_open()
                self._use(control_socket(self._context, self.endpoint, tunnel))

    def _use(self, sockets: tuple[zmq.Socket[bytes], zmq.Socket[bytes]]) -> None:
        loop = asyncio.get_running_loop()
        socket, connections = sockets
        self._port = Port(socket, self._on_reply, loop=loop, after_turn=self._send_unsent)
        self._connections = Port(connections, self._on_connection, loop=loop, after_turn=self._send_unsent)

    def _check_that_it_is_open(self) -> None:
        if self._is_closed:
            raise CallError("the client is closed")

    async def _open_events(
        self, endpoint: str, topics: Sequence[str]
    ) -> tuple[zmq.Socket[bytes], zmq.Socket[bytes]]:
        """Return what `events_socket` does."""
        tunnel = None if self._login is None else await self._login.tunnel_to(endpoint)
        self._check_that_it_is_open()
        return events_socket(self._context, endpoint, topics, tunnel)

    def _send_unsent(self) -> None:
        """Send what waits, as far as the connection takes it; called again when something has changed.

        Sending and looking may use up the report of the descriptor, so this ends only after a look that
        found neither room to send nor something to read.
        """
        if self._port is None or self._connections is None or not self._unsent:
            return
        self._connections.read_rest()
        while self._unsent and self._is_connected:
            sent, request = next(iter(self._unsent.items()))
            if self._port.send([request.body]):
                del self._unsent[sent]
                if not sent.done():
                    sent.set_result(True)
                continue
            changes = int(self._port.socket.getsockopt(zmq.EVENTS))
            if changes & zmq.POLLIN:
                self._port.check()
            if not changes & zmq.POLLOUT:
                return

    def _on_connection(self, frames: list[zmq.Frame]) -> None:
        was_connected, self._is_connected = self._is_connected, says_connected(frames[0].bytes)
        if was_connected and not self._is_connected and self._port is not None:
            self._port.read_rest()
            self._hang_up()

    def _hang_up(self) -> None:
        """Give up a connection that has ended: what was sent is not answered any more, the rest is sent anew.

        What has not left by now must go to no later daemon.
        """
        unsent = {request.reply for request in self._unsent.values()}
        for reply in self._calls.values():
            if reply not in unsent and not reply.done():
                reply.set_exception(lost_connection(self.endpoint))
        for sent in self._unsent:
            if not sent.done():
                sent.set_result(False)
        self._close_connection()

    def _close_connection(self) -> None:
        if self._port is not None and self._connections is not None:
            self._port.socket.disable_monitor()
            self._connections.close()
            self._port.close()
        self._port = self._connections = None
        self._is_connected = False

    def _on_reply(self, frames: list[zmq.Frame]) -> None:
        try:
            reply = wire.decode_reply(frames[-1].bytes)
        except CallError:
            return  # whose it is can't be told
        call = self._calls.get(str(reply.get("id")))
        if call is not None and not call.done():
            call.set_result(reply)


_Reply = asyncio.Future[dict[str, Any]]


class _Request(NamedTuple):
    body: bytes
    reply: _Reply | None = None  # None: there is none to a cast


_OpenEvents = Callable[[str, Sequence[str]], Awaitable[tuple[zmq.Socket[bytes], zmq.Socket[bytes]]]]


class AsyncSubscription:
    """Events as they come; see `AsyncCircusClient.events`. Belongs to the loop; one task takes them.

    Connected by `async with`, after whose begin nothing is missed, or by the first event that is asked for.
    """

    def __init__(
        self,
        client: AsyncCircusClient,
        open_socket: _OpenEvents,
        topics: Sequence[str],
        *,
        endpoint: str | None,
        timeout: float,
        on_close: Callable[[AsyncSubscription], object],
    ) -> None:
        self._client = client
        self._open_socket = open_socket
        self._topics = topics
        self._endpoint = endpoint
        self._timeout = timeout
        self._on_close = on_close
        self._socket: zmq.Socket[bytes] | None = None
        self._waiting: _Wait | None = None
        self._is_closed = False

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __aiter__(self) -> AsyncIterator[ReceivedEvent]:
        return self

    async def __anext__(self) -> ReceivedEvent:
        if self._is_closed:
            raise StopAsyncIteration
        socket = await self.connect()
        try:
            return read_event(await self._receive(socket))
        except _ClosedError:
            raise StopAsyncIteration from None

    async def connect(self) -> zmq.Socket[bytes]:
        """Wait until the daemon sends us its events, if it does not yet.

        Raises:
            UnreachableError: there was no connection in time.
            CallError: closed, or the daemon did not tell its event endpoint.
        """
        if self._is_closed:
            raise CallError("the subscription is closed")
        if self._socket is None:
            try:
                await self._connect(time.monotonic() + self._timeout)
            except BaseException:
                self.close()
                raise
        if self._socket is None:
            raise CallError("the subscription is closed")
        return self._socket

    def close(self) -> None:
        """Give the connection back; iterating ends."""
        self._is_closed = True
        if self._waiting is not None:
            self._waiting.end(_ClosedError())
        if self._socket is not None:
            self._socket.close(linger=0)
        self._on_close(self)

    async def _connect(self, deadline: float) -> None:
        endpoint = self._endpoint or await self._client.events_endpoint(timeout=self._timeout)
        self._socket, connections = await self._open_socket(endpoint, self._topics)
        try:
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                await self._receive(connections)
        except TimeoutError:
            raise UnreachableError(f"can't reach the events of the daemon at {endpoint}") from None
        except _ClosedError:
            raise CallError("the subscription is closed") from None
        finally:
            if not self._socket.closed:
                self._socket.disable_monitor()
            connections.close(linger=0)
        for _ in range(BARRIERS):
            await self._client.call(message_of(BARRIER, {}), timeout=deadline - time.monotonic())

    async def _receive(self, socket: zmq.Socket[bytes]) -> list[bytes]:
        """Receive without blocking the loop; _ClosedError as soon as it is closed.

        The descriptor of a ZeroMQ socket tells of a change until the next call that looks for it: between
        the look in vain and the wait nobody else may use the socket.
        """
        while True:
            if self._is_closed:
                raise _ClosedError
            try:
                return socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                pass
            self._waiting = _Wait(int(socket.getsockopt(zmq.FD)), asyncio.get_running_loop())
            try:
                await self._waiting.changed
            finally:
                self._waiting.end()
                self._waiting = None


class _Way(Protocol):
    """What leads to the machine from which the endpoints can be reached."""

    @property
    def server(self) -> str: ...

    async def tunnel_to(self, endpoint: str) -> Tunnel: ...

    def close(self) -> None: ...


def _login(server: str | None, keyfile: str | None, tunnel: Tunnel | None) -> _Way | None:
    if tunnel is not None:
        return _Given(tunnel)
    return None if server is None else _Login(server, keyfile)


class _Given:
    """A tunnel of somebody else."""

    def __init__(self, tunnel: Tunnel) -> None:
        self.server = tunnel.server
        self._tunnel = tunnel

    async def tunnel_to(self, endpoint: str) -> Tunnel:
        """Return it, with the endpoint forwarded; CallError: it can't be."""
        await asyncio.to_thread(self._tunnel.forward, endpoint)
        return self._tunnel

    def close(self) -> None:
        """Leave it open: whoever made it closes it."""


class _Login:
    """A tunnel that is made on a thread when it is first needed."""

    def __init__(self, server: str, keyfile: str | None) -> None:
        self.server = server
        self._keyfile = keyfile
        self._making: asyncio.Future[Tunnel] | None = None
        self._made: Tunnel | None = None
        self._is_closed = False

    async def tunnel_to(self, endpoint: str) -> Tunnel:
        """Return the tunnel, in which an endpoint is forwarded so that asking for it takes no time.

        The login goes on if this is cancelled. Raises CallError: there is none, or no forwarding.
        """
        if self._making is None:
            self._making = asyncio.get_running_loop().run_in_executor(None, self._make)
            self._making.add_done_callback(_drop)
        tunnel = await asyncio.shield(self._making)
        await asyncio.to_thread(tunnel.forward, endpoint)
        return tunnel

    def close(self) -> None:
        """Log out; a login that is under way is given back as soon as it is done."""
        self._is_closed = True
        if self._made is not None:
            self._made.close()

    def _make(self) -> Tunnel:
        from circus_core.clients.tunnel import open_tunnel

        made = self._made = open_tunnel(self.server, self._keyfile)
        if self._is_closed:
            made.close()
        return made


class _Wait:
    """Waits for a change that a descriptor tells of."""

    def __init__(self, descriptor: int, loop: asyncio.AbstractEventLoop) -> None:
        self.changed: asyncio.Future[None] = loop.create_future()
        self._descriptor: int | None = descriptor
        self._loop = loop
        loop.add_reader(descriptor, self._tell)

    def end(self, error: CircusError | None = None) -> None:
        """Look no more, at once: the descriptor may be closed and used again. `error` ends the wait."""
        if self._descriptor is not None:
            self._loop.remove_reader(self._descriptor)
            self._descriptor = None
        if error is not None and not self.changed.done():
            self.changed.set_exception(error)

    def _tell(self) -> None:
        if not self.changed.done():
            self.changed.set_result(None)


class _ClosedError(CircusError):
    """The subscription was closed while an event was waited for."""


FutureT = TypeVar("FutureT")


async def _in_time(future: asyncio.Future[FutureT], deadline: float, late: CircusError) -> FutureT:
    """Wait for a future; raises `late` when the deadline is over."""
    try:
        async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
            return await future
    except TimeoutError:
        raise late from None


def _drop(future: asyncio.Future[Any]) -> None:
    """Let go of a future that nobody awaits any more, whatever became of it."""
    if not future.done():
        future.cancel()
    elif not future.cancelled():
        future.exception()  # it was told, or nobody wants to know
