"""The endpoints of requests and of events, which may outlive the arbiter that they were opened for."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Sequence
from typing import Any, Final

import zmq

from circus_core.access.guarded import EventSocket, GuardedSockets
from circus_core.access.identity import Identity
from circus_core.config.model import ArbiterConfig

__all__ = ["ControlEndpoints", "KeptEndpoints", "OnRequest"]

OnRequest = Callable[[Identity, Sequence[bytes]], None]

_REPLY_QUEUE: Final = 512  # replies that are held for a client that does not read
_REQUEST_QUEUE: Final = 128  # messages that libzmq holds for us, per connection


class ControlEndpoints:
    """The two sockets while they are open. Belongs to the loop's thread."""

    def __init__(
        self,
        config: ArbiterConfig,
        *,
        loop: asyncio.AbstractEventLoop,
        on_request: OnRequest,
    ) -> None:
        """Open both and begin to read.

        Args:
            config: the endpoints and who may use them.
            on_request: takes who sent it, and the frames.

        Raises:
            EndpointError, zmq.ZMQError: one can't be opened; nothing is left open.
        """
        self._config = config
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

    def pause(self) -> None:
        """Take no requests: they wait where they are, and so do those who send many of them."""
        self._requests.stop_reading()

    def resume(self, on_request: OnRequest) -> None:
        """Take requests again, for somebody else."""
        self._on_request = on_request
        self._requests.start_reading()

    def serves(self, config: ArbiterConfig) -> bool:
        """Tell whether opening them anew for this configuration would make no difference."""
        return _doors(config) == _doors(self._config) and self._sockets.has_current_keys()

    def abandon(self) -> None:
        """Close everything at once, without waiting for what was sent."""
        self._sockets.abandon()

    async def close(self) -> None:
        """Close everything, after what was sent has left or a second is over."""
        await self._sockets.close()

    def remove_traces(self) -> None:
        """Delete what they have on disk, while they are open; for any thread."""
        self._sockets.remove_traces()

    def _on_message(self, frames: list[zmq.Frame]) -> None:
        identity = self._sockets.identify(frames[-1])
        if identity is not None:
            self._on_request(identity, [frame.bytes for frame in frames])


class KeptEndpoints:
    """Keeps endpoints open from one arbiter to the next on the same loop, when circusd restarts in place.

    Requests that come meanwhile wait for the next one, and subscribers stay connected.

    Attributes:
        following: the configuration of the next arbiter, None if there is none to come.
    """

    def __init__(self) -> None:
        self.following: ArbiterConfig | None = None
        self._kept: ControlEndpoints | None = None

    def keep(self, endpoints: ControlEndpoints) -> bool:
        """Take endpoints over, which read nothing from now on; False: the next arbiter wants others."""
        if self.following is None or not endpoints.serves(self.following):
            return False
        endpoints.pause()
        self._kept = endpoints
        return True

    def take(self, config: ArbiterConfig, on_request: OnRequest) -> ControlEndpoints | None:
        """Give back what was kept, reading again; None if there is nothing that would do."""
        kept, self._kept = self._kept, None
        if kept is None:
            return None
        if not kept.serves(config):
            kept.abandon()
            return None
        kept.resume(on_request)
        return kept

    def remove_traces(self) -> None:
        """Delete what is on disk of what nobody has taken, since the program ends here; for any thread."""
        kept = self._kept
        if kept is not None:
            kept.remove_traces()

    async def close(self) -> None:
        """Close what nobody has taken."""
        kept, self._kept = self._kept, None
        if kept is not None:
            await kept.close()


def _doors(config: ArbiterConfig) -> tuple[Any, ...]:
    """Where the endpoints are and who may use them."""
    endpoints = (config.endpoint, config.pubsub_endpoint, config.endpoint_owner)
    return (*endpoints, config.auth, config.keys, config.allow_full, config.allow_read)
