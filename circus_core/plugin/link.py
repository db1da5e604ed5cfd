"""What connects a plugin with its daemon: requests go one way, events come the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

from circus_core.records import dataclass

if TYPE_CHECKING:
    from circus_core.clients.asking import ReceivedEvent

__all__ = ["TOPICS", "Arrival", "Gap", "Link"]

TOPICS: Final = "watcher."
"""Beginning of the topics of what plugins hear."""


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
