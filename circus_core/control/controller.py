"""The daemon's two ZeroMQ sockets: requests come in and are answered on one, events go out on the other."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import zmq

from circus_core import wire
from circus_core.access.identity import Identity
from circus_core.clock import Clock
from circus_core.commands.target import ControlledArbiter
from circus_core.control.discovery import Discovery
from circus_core.control.dispatch import ControlHooks, Dispatcher, FindCommand
from circus_core.control.endpoints import ControlEndpoints, KeptEndpoints
from circus_core.errors import CommandError, EndpointError
from circus_core.events import Event, EventsDropped
from circus_core.own_task import Starter
from circus_core.records import replace

__all__ = ["Controller"]

log = logging.getLogger("circus")

_UNFINISHED_LIMIT: Final = 256  # requests of one connection
_HELD_LIMIT: Final = 2 * wire.MAX_MESSAGE  # bytes of those requests
_LATE_LIMIT: Final = 10_000  # requests that are told at the end that it is the end
_LAST_WORDS: Final = 0.05  # seconds
_REPORT_DELAY: Final = 1.0  # seconds between two events that tell of lost ones


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
        kept: KeptEndpoints | None = None,
    ) -> None:
        """Do nothing yet; `bind` opens the endpoints.

        Args:
            arbiter: its `config` says who may talk to it.
            endpoint: where requests come in, `tcp://HOST:PORT` or `ipc://PATH`.
            pubsub_endpoint: where events go out.
            kept: has the endpoints that the previous arbiter left open, and gets those that this one leaves.
        """
        self._arbiter = arbiter
        self._wanted = (endpoint, pubsub_endpoint)
        self._clock = clock
        self._dispatcher = Dispatcher(arbiter, commands=commands, hooks=hooks, clock=clock, loop=loop)
        self._loop = loop
        self._kept = kept or KeptEndpoints()
        self._open: ControlEndpoints | None = None
        self._late: list[tuple[list[bytes], bytes]] | None = None  # came during close()
        self._discovery: Discovery | None = None
        self._starter = Starter(loop)
        self._requests: set[asyncio.Task[None]] = set()
        self._unfinished: Counter[bytes] = Counter()
        self._held: Counter[bytes] = Counter()  # bytes of unfinished requests
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
            self._open = self._kept.take(config, self._on_request) or ControlEndpoints(
                config, loop=self._loop, on_request=self._on_request
            )
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

        Before a restart in place they stay open, if the next arbiter wants the same: what comes meanwhile
        waits for it.

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
        is_kept = self._arbiter.is_restarting and self._kept.keep(self._open)
        await self._end_requests(grace)
        await self._dispatcher.close()
        if is_kept:
            self._open = None
            return
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
        is_large = self._held.get(routing_id, 0) + len(body) > _HELD_LIMIT
        if is_large or self._unfinished.get(routing_id, 0) >= _UNFINISHED_LIMIT:
            self.requests_refused += 1
            limit = f"{_HELD_LIMIT} bytes of" if is_large else _UNFINISHED_LIMIT
            error = CommandError(f"more than {limit} requests at a time from one connection")
            self._send(way_back, self._dispatcher.refusal(body, error))
            return
        task = self._starter.start(self._serve(identity, way_back, body), name="circus request")
        if task is not None:
            self._remember(task, routing_id, len(body))

    def _remember(self, task: asyncio.Task[None], routing_id: bytes, size: int) -> None:
        self._unfinished[routing_id] += 1
        self._held[routing_id] += size
        self._requests.add(task)
        task.add_done_callback(lambda done: self._forget(done, routing_id, size))

    def _forget(self, task: asyncio.Task[None], routing_id: bytes, size: int) -> None:
        self._requests.discard(task)
        self._unfinished[routing_id] -= 1
        self._held[routing_id] -= size
        if not self._unfinished[routing_id]:
            del self._unfinished[routing_id], self._held[routing_id]

    def _refuse_late(self, late: list[tuple[list[bytes], bytes]]) -> None:
        """Answer all behind the last read: whoever is answered may ask again, and nobody would hear it."""
        error = self._dispatcher.farewell()
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
