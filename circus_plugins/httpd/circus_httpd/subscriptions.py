"""What one page has subscribed to, and the messages that it gets for that: docs/httpd.md, "Live data"."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Protocol

from circus_httpd.daemon import Daemon
from circus_httpd.topics import Document, Place, as_json

__all__ = ["DocumentSubscription", "EventsSubscription", "Subscription"]

_MOST_EVENTS: Final = 500
_PATIENCE: Final = 1.0


class Subscription(Protocol):
    """Gives messages, as text, when the page can take them."""

    def messages(self, now: float) -> Iterator[str]:
        """Yield what is new since the last time; `now` is monotonic."""

    def resync(self) -> None:
        """Begin anew with all there is."""

    def close(self) -> None:
        """Look no more. Once."""


class DocumentSubscription:
    """Snapshots and deltas of a document."""

    def __init__(
        self, id_: str, place: Place, document: Document, daemons: list[Daemon], since: float
    ) -> None:
        """`daemons` are looked at until `close`."""
        self.place = place
        self._id = as_json(id_)
        self._document = document
        self._daemons = daemons
        self._since = since
        self._sent: int | None = None
        self._number = 0
        for daemon in daemons:
            daemon.look()

    def messages(self, now: float) -> Iterator[str]:
        document = self._document
        if document.version == self._sent or document.version == 0 or self._should_wait(now):
            return
        delta = None if self._sent is None else document.delta(self._sent)
        self._sent = document.version
        self._number += 1
        head = f'"id":{self._id},"seq":{self._number}'
        if not document.is_there:
            yield f'{{"type":"gone",{head},"detail":"there is no such watcher or daemon (any more)"}}'
        elif delta is not None:
            yield f'{{"type":"delta",{head},"data":{delta}}}'
        else:
            yield f'{{"type":"snapshot",{head},"data":{document.snapshot()}}}'

    def resync(self) -> None:
        self._sent = None

    def close(self) -> None:
        for daemon in self._daemons:
            daemon.look_away()

    def _should_wait(self, now: float) -> bool:
        """Tell whether what is known may be old and will be new in a moment: nobody looked before."""
        return now < self._since + _PATIENCE and any(
            daemon.state != "down" and not daemon.is_fresh for daemon in self._daemons
        )


class EventsSubscription:
    """Events as they come, the newest ones for who is slow."""

    def __init__(self, id_: str, daemon: Daemon, after: int) -> None:
        self._id = id_
        self._daemon = daemon
        self._known = after
        self._has_begun = False

    def messages(self, now: float) -> Iterator[str]:
        timeline = self._daemon.timeline
        if self._has_begun and timeline.last == self._known:
            return
        is_first = not self._has_begun and self._known == 0
        events, missed = timeline.after(self._known, most=_MOST_EVENTS)
        self._has_begun, self._known = True, timeline.last
        message: dict[str, Any] = {
            "type": "events",
            "id": self._id,
            "events": events,
            "last": timeline.last,
            "missed": 0 if is_first else missed,
        }
        yield as_json(message)

    def resync(self) -> None:
        self._known, self._has_begun = 0, False

    def close(self) -> None:
        """Nothing to do: events are always heard."""
