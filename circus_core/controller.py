"""The daemon's two ZeroMQ sockets: requests come in and are answered on one, events go out on the other."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import zmq

from circus_core import wire
from circus_core.clock import Clock
from circus_core.commands.target import ControlledArbiter
from circus_core.config.model import ArbiterConfig
from circus_core.discovery import Discovery
from circus_core.dispatch import ControlHooks, Dispatcher, FindCommand
from circus_core.errors import CommandError, EndpointError
from circus_core.events import Event, EventsDropped
from circus_core.guarded import EventSocket, GuardedSockets
from circus_core.identity import Identity

__all__ = ["Controller"]

log = logging.getLogger("circus")

_UNFINISHED_LIMIT: Final = 256  # requests of one connection
_LATE_LIMIT: Final = 10_000  # requests that are told at the end that it is the end
_LAST_WORDS: Final = 0.05  # seconds
_REPORT_DELAY: Final = 1.0  # seconds between two events that tell of lost ones
_REPLY_QUEUE: Final = 2 * _UNFINISHED_LIMIT  # replies that it holds for a client that does not read
_REQUEST_QUEUE: Final = 128  # messages that libzmq holds for us, per connection


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
        self._clock = clock
        self._dispatcher = Dispatcher(arbiter, commands=commands, hooks=hooks, clock=clock, loop=loop)
        self._loop = loop
        self._open: _Endpoints | None = None
        self._late: list[tuple[list[bytes], bytes]] | None = None  # came during close()
        self._discovery: Discovery | None = None
        self._requests: set[asyncio.Task[None]] = set()
        self._unfinished: Counter[bytes] = Counter()
        self._report: asyncio.TimerHandle | None = None
        self._events_reported = 0
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

    @property
    def is_closing(self) -> bool:
        """close() has begun."""
        return self._late is not None

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

        A subscriber that does not keep up loses events once its queue is full: these are counted, and told
        of as an event after a second.
        """
        if self._open is None or self._open.events.audience.is_empty:
            return
        topic = event.topic
        if not self._open.events.audience.wants(topic):
            return
        try:
            frames = wire.encode_event(topic, event.payload())
        except (TypeError, ValueError):
            log.exception("event %s can't be published", topic)
            return
        if not self._open.events.send(frames):
            self.events_dropped += 1
            if self._report is None and not isinstance(event, EventsDropped):
                self._report = self._loop.call_later(_REPORT_DELAY, self._report_dropped)

    def _report_dropped(self) -> None:
        """Tell those who do keep up that others have lost events."""
        self._report = None
        count = self.events_dropped - self._events_reported
        self._events_reported = self.events_dropped
        self._arbiter.publish(EventsDropped(time=self._clock.wall(), count=count, total=self.events_dropped))

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
            grace: seconds for requests that are about to be answered; those that still wait afterwards, and
                those that come meanwhile, are told that the daemon ends.
        """
        if self._open is None:
            return
        if self._discovery is not None:
            self._discovery.close()
        if self._report is not None:
            self._report.cancel()
        self._late = []
        await self._end_requests(grace)
        await self._dispatcher.close()
        await asyncio.sleep(_LAST_WORDS)  # who was answered just now has the next request on its way
        self._open.read_rest()
        self._refuse_late(self._late)
        opened, self._open = self._open, None
        await opened.close()

    # Requests

    def _on_request(self, identity: Identity, frames: Sequence[bytes]) -> None:
        way_back, body = wire.split_request(frames)
        if self._late is not None:
            if len(self._late) < _LATE_LIMIT:
                self._late.append((way_back, body))
            return
        routing_id = way_back[0]
        if self._unfinished[routing_id] >= _UNFINISHED_LIMIT:
            self.requests_refused += 1
            error = CommandError(f"more than {_UNFINISHED_LIMIT} requests at a time from one connection")
            self._send(way_back, self._dispatcher.refusal(body, error))
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

    def _refuse_late(self, late: list[tuple[list[bytes], bytes]]) -> None:
        """Answer all behind the last read: whoever is answered may ask again, and nobody would hear it.

        The words of a restart are those of 0.19, by which clients know that they may ask again.
        """
        is_restarting = self._arbiter.is_restarting
        error = CommandError("arbiter is restarting: ask again" if is_restarting else "circusd ends")
        for way_back, body in late:
            self._send(way_back, self._dispatcher.refusal(body, error))

    async def _serve(self, identity: Identity, way_back: list[bytes], body: bytes) -> None:
        self._send(way_back, await self._dispatcher.answer(identity, body))

    def _send(self, way_back: list[bytes], reply: bytes | None) -> None:
        if reply is None or self._open is None:
            return
        if not self._open.send_reply([*way_back, reply]):
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
            requests.setsockopt(zmq.SNDHWM, _REPLY_QUEUE)
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

    def read_rest(self) -> None:
        """Take the requests that have arrived till now, and none any more."""
        self._requests.read_rest()
        self._requests.stop_reading()

    async def close(self) -> None:
        """Close everything, after what was sent has left or a second is over."""
        await self._sockets.close()

    def _on_message(self, frames: list[zmq.Frame]) -> None:
        identity = self._sockets.identify(frames[-1])
        if identity is not None:
            self._on_request(identity, [frame.bytes for frame in frames])
