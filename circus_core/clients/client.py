"""The control channel from the other end: ask the daemon and wait for its answer.

Imports neither asyncio nor tornado, so that a program that asks one thing starts quickly.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import zmq

from circus_core import wire
from circus_core.clients.asking import (
    BARRIER,
    BARRIERS,
    check_message,
    encode_call,
    is_conflict,
    message_of,
    pauses,
    read_result,
    refuse_errors,
    told_events_endpoint,
)
from circus_core.clients.channel import DEFAULT_ENDPOINT, DEFAULT_PUBSUB_ENDPOINT
from circus_core.clients.control_line import ControlLine
from circus_core.errors import CallError, UnreachableError

if TYPE_CHECKING:
    from circus_core.clients.subscription import Subscription
    from circus_core.clients.tunnel import Tunnel
    from circus_core.commands.command import Command, Result

__all__ = ["DEFAULT_ENDPOINT", "DEFAULT_PUBSUB_ENDPOINT", "CircusClient", "refuse_errors", "subscribe"]

ResultT = TypeVar("ResultT", bound="Result")


class CircusClient:
    """Talks to one daemon. To be closed at the end; a context manager.

    Any thread may use it: calls take turns, and waiting for one's turn counts towards the timeout. Threads
    that have much to ask are better off with a client each.

    A daemon that can't be reached or does not let us in looks the same: no connection comes about. Nothing
    is sent to it then, and nothing later either. A daemon of Circus 0.19 does one thing at a time and
    refuses others meanwhile: they are sent again until it takes them or the timeout is over.

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
        """Connect, without waiting for the daemon.

        Args:
            endpoint: the control endpoint of the daemon.
            timeout: seconds until a call gives up.
            ssh_server: `[user@]host[:port]` from which the endpoint can be reached; waits for the login.
            ssh_keyfile: the private key for that, if ssh does not find it by itself.
            tunnel: one that was made before, instead of a login of its own; it is not closed here.

        Raises:
            CallError: this is not an endpoint, or there is no login.
            KeysError: it asks for a key, and ours can't be used.
        """
        self.endpoint = endpoint
        self.timeout = timeout
        self._turn = threading.Lock()
        self._subscriptions: set[Subscription] = set()
        self._login = None if ssh_server is None else _log_in(ssh_server, ssh_keyfile)
        self._tunnel = tunnel or self._login
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        try:
            self._line = ControlLine(self._context, endpoint, self._tunnel)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connection back, and those of `events`; waits for the call of another thread."""
        for subscription in list(self._subscriptions):
            subscription.close()
        with self._turn:
            self._context.destroy(linger=0)
            if self._login is not None:
                self._login.close()

    # -- to ask ------------------------------------------------------------------------------------------

    def run(
        self, command: type[Command[Any, ResultT]], /, *, timeout: float | None = None, **properties: Any
    ) -> ResultT:
        """Have a command carried out and return its typed result, as in `run(Status, name="web").state`.

        Args:
            command: a class of `circus_core.commands`, or of an installed package.
            timeout: seconds until it gives up, instead of the client's.
            properties: of the command; one that is None is left out.

        Raises:
            RefusedError: the daemon answered with an error.
            CallError: as `call` does, or the answer is not one to this command.
        """
        return read_result(command, self.call(message_of(command.name, properties), timeout=timeout))

    def send(self, command: str, /, *, timeout: float | None = None, **properties: Any) -> dict[str, Any]:
        """Have a command carried out and return its reply. Arguments and errors as in `run`."""
        return refuse_errors(self.call(message_of(command, properties), timeout=timeout))

    def cast(self, command: str, /, *, timeout: float | None = None, **properties: Any) -> None:
        """Have a command carried out without learning what comes of it; returns when the daemon has it.

        Raises:
            UnreachableError: it could not be sent.
            CallTimeoutError, ConnectionLostError: it was sent, but perhaps not taken.
            CallError: it can't be written as JSON, or the connection is broken.
        """
        body = wire.encode_message({**message_of(command, properties), "msg_type": "cast"})
        deadline = self._deadline(timeout)
        with self._my_turn(deadline):
            self._line.send(body, deadline)
            self._ask(message_of(BARRIER, {}), deadline)

    def call(self, message: MutableMapping[str, Any], *, timeout: float | None = None) -> dict[str, Any]:
        """Send a message and return its reply, also one that reports an error.

        Args:
            message: `command` and `properties`; gets an `id`.
            timeout: seconds until it gives up, instead of the client's.

        Raises:
            UnreachableError: there was no connection within the timeout; nothing was sent.
            CallTimeoutError: no reply within the timeout; the command may still run to its end.
            ConnectionLostError: the daemon ended or restarted before its reply; the command may have been
                carried out.
            CallError: the message or the reply is not usable, or the connection is broken.
        """
        check_message(message)
        deadline = self._deadline(timeout)
        for pause in pauses():
            with self._my_turn(deadline):
                reply = self._ask(message, deadline)
            if not is_conflict(reply) or time.monotonic() + pause >= deadline:
                break
            time.sleep(pause)
        return reply

    def wait_on(self, message: Mapping[str, Any], *, timeout: float | None = None) -> dict[str, Any]:
        """Wait once more for the reply to a message whose `call` timed out; arguments and errors as there.

        Between the two nothing may be asked of this client: the reply would be taken for a late one.
        """
        deadline = self._deadline(timeout)
        with self._my_turn(deadline):
            return self._reply_to(message, deadline)

    # -- to listen ---------------------------------------------------------------------------------------

    def events(self, *topics: str, endpoint: str | None = None, timeout: float | None = None) -> Subscription:
        """Subscribe to events; what happens after this has returned is among them.

        Args:
            topics: beginnings of topics, such as `watcher.web.`; all events if there are none.
            endpoint: the event endpoint; the daemon is asked for it if it is not given.
            timeout: seconds until it gives up connecting, instead of the client's.

        Returns:
            an iterator over `ReceivedEvent` and a context manager; closed with this client at the latest.

        Raises:
            RefusedError, CallError: as `send` does.
        """
        from circus_core.clients.subscription import Subscription

        deadline = self._deadline(timeout)
        subscription = Subscription(
            endpoint or self.events_endpoint(timeout=timeout),
            topics,
            on_close=self._subscriptions.discard,
            tunnel=self._tunnel,
            context=self._context,  # so that what is asked now is sent behind what is subscribed to
        )
        try:
            subscription.wait_until_connected(deadline - time.monotonic())
            for _ in range(BARRIERS):
                self.call(message_of(BARRIER, {}), timeout=deadline - time.monotonic())
        except BaseException:
            subscription.close()
            raise
        self._subscriptions.add(subscription)
        return subscription

    def events_endpoint(self, *, timeout: float | None = None) -> str:
        """Ask the daemon for its event endpoint, and return it as it can be reached from here."""
        reply = self.send("globaloptions", option="pubsub_endpoint", timeout=timeout)
        return told_events_endpoint(reply, self.endpoint)

    # -- how ---------------------------------------------------------------------------------------------

    def _deadline(self, timeout: float | None) -> float:
        return time.monotonic() + (self.timeout if timeout is None else timeout)

    @contextmanager
    def _my_turn(self, deadline: float) -> Iterator[None]:
        if not self._turn.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise UnreachableError("Timed out. Calls of other threads took all the time")
        try:
            if self._context.closed:
                raise CallError("the client is closed")
            yield
        finally:
            self._turn.release()

    def _ask(self, message: MutableMapping[str, Any], deadline: float) -> dict[str, Any]:
        self._line.send(encode_call(message), deadline)
        return self._reply_to(message, deadline)

    def _reply_to(self, message: Mapping[str, Any], deadline: float) -> dict[str, Any]:
        while True:
            reply = wire.decode_reply(self._line.receive(deadline))
            if reply.get("id") in (message["id"], None):  # another one is late: its call has given up
                return reply


def _log_in(server: str, keyfile: str | None) -> Tunnel:
    from circus_core.clients.tunnel import open_tunnel  # starts ssh; only who asks for it pays for the import

    return open_tunnel(server, keyfile)


def subscribe(
    endpoint: str = DEFAULT_PUBSUB_ENDPOINT, topics: tuple[str, ...] = (), *, tunnel: Tunnel | None = None
) -> Iterator[tuple[bytes, bytes]]:
    """Yield topic and payload of each event whose topic begins with one of `topics`; all if there are none.

    Never ends by itself; closing the iterator closes the connection. Raises CallError: no such endpoint.
    """
    from circus_core.clients.subscription import Subscription

    with Subscription(endpoint, topics, tunnel=tunnel) as subscription:
        while True:
            topic, payload = subscription.receive()[:2]
            yield topic, payload
