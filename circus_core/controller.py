"""The daemon's two ZeroMQ sockets: requests come in and are answered on one, events go out on the other."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, Protocol

import zmq

from circus_core import wire
from circus_core.clock import Clock
from circus_core.commands.command import Command, Result
from circus_core.commands.properties import Properties
from circus_core.commands.target import ControlledArbiter
from circus_core.config.model import ArbiterConfig
from circus_core.discovery import Discovery
from circus_core.errors import CircusError, CommandError, DriverError, EndpointError, UnknownCommandError
from circus_core.events import Event
from circus_core.guarded import EventSocket, GuardedSockets
from circus_core.identity import Identity

__all__ = ["ControlHooks", "Controller", "FindCommand"]

log = logging.getLogger("circus")

FindCommand = Callable[[str], Command[Any, Any]]
"""Finds a command by its name, lower case; raises UnknownCommandError or DriverError."""

_UNFINISHED_LIMIT: Final = 256  # requests of one connection
_REQUEST_QUEUE: Final = 128  # messages that libzmq holds for us, per connection


class ControlHooks(Protocol):
    """The hooks around commands; see the specifications in `circus_core.hookspecs.control`."""

    async def authorize(
        self, identity: Identity, command: str, properties: Mapping[str, Any], access: str, /
    ) -> Verdict: ...

    async def before_command(
        self, identity: Identity, command: str, properties: Mapping[str, Any], /
    ) -> None: ...

    async def after_command(
        self, identity: Identity, command: str, properties: Mapping[str, Any], error: str, /
    ) -> None: ...


class Verdict(Protocol):
    """What `authorize` answers; false in a condition when it denies."""

    @property
    def by(self) -> str: ...

    def __bool__(self) -> bool: ...


class Controller:
    """Takes requests, has each carried out in a task of its own, answers; publishes events.

    Belongs to the loop's thread.
    """

    def __init__(
        self,
        arbiter: ControlledArbiter,
        *,
        endpoint: str,
        pubsub_endpoint: str,
        commands: FindCommand,
        hooks: ControlHooks,
        clock: Clock,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """Do nothing yet; `bind` opens the endpoints.

        Args:
            arbiter: its `config` says who may talk to it.
            endpoint: where requests come in, `tcp://HOST:PORT` or `ipc://PATH`.
            pubsub_endpoint: where events go out.
        """
        self._arbiter = arbiter
        self._wanted = (endpoint, pubsub_endpoint)
        self._find_command = commands
        self._hooks = hooks
        self._clock = clock
        self._loop = loop
        self._open: _Endpoints | None = None
        self._discovery: Discovery | None = None
        self._requests: set[asyncio.Task[None]] = set()
        self._unfinished: Counter[bytes] = Counter()
        self._followed: set[asyncio.Task[None]] = set()
        self.events_dropped = 0
        self.replies_dropped = 0
        self.requests_refused = 0

    @property
    def endpoint(self) -> str:
        """Where requests come in; once bound, with the port that the system chose."""
        return self._open.control.address if self._open else self._wanted[0]

    @property
    def pubsub_endpoint(self) -> str:
        """Where events go out; once bound, with the port that the system chose."""
        return self._open.events.address if self._open else self._wanted[1]

    def bind(self) -> None:
        """Open both endpoints; from now on requests are served and the controller has to be closed.

        Raises:
            EndpointError: nothing is left open.
        """
        config = replace(self._arbiter.config, endpoint=self._wanted[0], pubsub_endpoint=self._wanted[1])
        try:
            self._open = _Endpoints(config, loop=self._loop, on_request=self._on_request)
        except zmq.ZMQError as error:  # no descriptor is left
            raise EndpointError(f"can't open the endpoints: {str(error).lower()}") from error
        if config.multicast_endpoint is not None:
            self._discovery = Discovery(config.multicast_endpoint, endpoint=self.endpoint, loop=self._loop)

    def publish(self, event: Event) -> None:
        """Send an event to the subscribers; never blocks, never raises.

        A subscriber that does not keep up loses events once its queue is full: these are counted.
        """
        if self._open is None:
            return
        try:
            frames = wire.encode_event(event.topic, event.payload())
        except (TypeError, ValueError):
            log.exception("event %s can't be published", event.topic)
            return
        if not self._open.send_event(frames):
            self.events_dropped += 1

    def counters(self) -> Mapping[str, int]:
        """Return what subscribers and clients that did not keep up have lost, and what was refused."""
        return {
            "events_dropped": self.events_dropped,
            "replies_dropped": self.replies_dropped,
            "requests_refused": self.requests_refused,
        }

    async def close(self, *, grace: float = 1.0) -> None:
        """Answer what is left, then close the endpoints; both are free for others afterwards.

        Args:
            grace: seconds for requests that are about to be answered; those that still wait afterwards
                are told that the daemon ends.
        """
        if self._open is None:
            return
        if self._discovery is not None:
            self._discovery.close()
        self._open.stop_reading()
        await self._end_requests(grace)
        for task in self._followed:
            task.cancel()
        await asyncio.gather(*self._followed, return_exceptions=True)
        opened, self._open = self._open, None
        await opened.close()

    # Requests

    def _on_request(self, identity: Identity, frames: Sequence[bytes]) -> None:
        way_back, body = wire.split_request(frames)
        routing_id = way_back[0]
        if self._unfinished[routing_id] >= _UNFINISHED_LIMIT:
            self.requests_refused += 1
            error = CommandError(f"more than {_UNFINISHED_LIMIT} requests at a time from one connection")
            self._refuse(way_back, body, error)
            return
        self._unfinished[routing_id] += 1
        task = self._loop.create_task(self._serve(identity, way_back, body), name="circus request")
        self._requests.add(task)
        task.add_done_callback(lambda done: self._forget(done, routing_id))

    def _forget(self, task: asyncio.Task[None], routing_id: bytes) -> None:
        self._requests.discard(task)
        self._unfinished[routing_id] -= 1
        if not self._unfinished[routing_id]:
            del self._unfinished[routing_id]

    async def _serve(self, identity: Identity, way_back: list[bytes], body: bytes) -> None:
        request: wire.Request | None = None
        try:
            request = wire.decode_message(body)
            result = await self._carry_out(identity, request)
            reply = wire.encode_reply(result.to_json(), request_id=request.id, time=self._clock.wall())
        except (CircusError, OSError) as error:
            reply = self._error_reply(error, request)
        except asyncio.CancelledError:
            reply = self._error_reply(CommandError("circusd ends"), request)
        except Exception as error:  # commands come from anybody
            log.exception("request of %s failed", identity)
            reply = self._error_reply(CommandError(f"{type(error).__name__}: {error}"), request)
        if request is None or not request.is_cast:
            self._send(way_back, reply)

    async def _carry_out(self, identity: Identity, request: wire.Request) -> Result:
        """Check the request, ask whether it may be carried out, do it and tell how it ended."""
        name, properties = request.command(), request.properties()
        command = self._command(name)
        parsed = command.parse(Properties(properties))
        verdict = await self._hooks.authorize(identity, name, properties, command.access)
        if not verdict:
            raise CommandError(
                f"'{name}' is not allowed for {identity}" + (f": {verdict.by}" if verdict.by else "")
            )
        await self._hooks.before_command(identity, name, properties)
        outcome = "cancelled"
        try:
            result: Result = await command.execute(self._arbiter, parsed)
            outcome = ""
        except Exception as error:
            outcome = str(error) or type(error).__name__
            raise
        finally:
            await self._hooks.after_command(identity, name, properties, outcome)
        if result.unfinished is not None:
            self._follow(name, result.unfinished)
        return result

    def _command(self, name: str) -> Command[Any, Any]:
        if "." in name or ":" in name:  # a driver's dotted path is for configurations, not for clients
            raise UnknownCommandError(name)
        try:
            return self._find_command(name)
        except DriverError as error:
            log.info("command '%s': %s", name, error)
            raise UnknownCommandError(name) from error

    def _follow(self, name: str, work: Awaitable[object]) -> None:
        """Log how the work ends that goes on after the reply."""
        task = self._loop.create_task(_log_failure(name, work), name=f"circus {name}")
        self._followed.add(task)
        task.add_done_callback(self._followed.discard)

    def _refuse(self, way_back: list[bytes], body: bytes, error: CircusError) -> None:
        request: wire.Request | None = None
        with suppress(CircusError):
            request = wire.decode_message(body)
        if request is None or not request.is_cast:
            self._send(way_back, self._error_reply(error, request))

    def _error_reply(self, error: CircusError | OSError, request: wire.Request | None) -> bytes:
        return wire.encode_error(
            error, request_id=None if request is None else request.id, time=self._clock.wall()
        )

    def _send(self, way_back: list[bytes], reply: bytes) -> None:
        if self._open is not None and not self._open.send_reply([*way_back, reply]):
            self.replies_dropped += 1

    async def _end_requests(self, grace: float) -> None:
        if self._requests:
            await asyncio.wait(self._requests, timeout=grace)
        for task in self._requests:
            task.cancel()
        await asyncio.gather(*self._requests, return_exceptions=True)


class _Endpoints:
    """The two sockets while they are open."""

    def __init__(
        self,
        config: ArbiterConfig,
        *,
        loop: asyncio.AbstractEventLoop,
        on_request: Callable[[Identity, Sequence[bytes]], None],
    ) -> None:
        self._on_request = on_request
        self._sockets = GuardedSockets(config, loop=loop)
        try:
            requests = self._sockets.socket(zmq.ROUTER)
            requests.setsockopt(zmq.RCVHWM, _REQUEST_QUEUE)
            requests.setsockopt(zmq.ROUTER_MANDATORY, 1)  # tell us what can't be delivered
            self.control = self._sockets.open(requests, config.endpoint)
            self._requests = self._sockets.read(requests, self._on_message)
            self.events = EventSocket(self._sockets, config.pubsub_endpoint)
        except BaseException:
            self._sockets.abandon()
            raise

    def send_reply(self, frames: Sequence[bytes]) -> bool:
        """Send to one peer; False if it was lost, since the peer does not read its replies."""
        try:
            return self._requests.send(frames)
        except zmq.ZMQError as error:
            if error.errno != errno.EHOSTUNREACH:
                raise
            return True  # the peer has gone: nobody misses it

    def send_event(self, frames: Sequence[bytes]) -> bool:
        """Send to all subscribers; False if some did not keep up, to whom it was not sent."""
        return self.events.send(frames)

    def stop_reading(self) -> None:
        self._requests.stop_reading()

    async def close(self) -> None:
        """Close everything, after what was sent has left or a second is over."""
        await self._sockets.close()

    def _on_message(self, frames: list[zmq.Frame]) -> None:
        identity = self._sockets.identify(frames[-1])
        if identity is not None:
            self._on_request(identity, [frame.bytes for frame in frames])


async def _log_failure(name: str, work: Awaitable[object]) -> None:
    try:
        await (asyncio.shield(work) if asyncio.isfuture(work) else work)  # a future is its maker's to cancel
    except CircusError as error:
        log.error("command '%s' failed after its reply: %s", name, error)
    except Exception:
        log.exception("command '%s' failed after its reply", name)
