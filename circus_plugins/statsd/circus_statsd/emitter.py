"""StatsdEmitter: a counter for each event."""

from __future__ import annotations

from circus_core import ReceivedEvent
from circus_statsd.reporter import StatsdPlugin

__all__ = ["StatsdEmitter"]


class StatsdEmitter(StatsdPlugin):
    """Counts events: `circus.APP.watcher.NAME.ACTION`, NAME in the form of events."""

    name = "statsd_emitter"

    def handle_event(self, event: ReceivedEvent) -> None:
        bucket, tags = self.place(event.watcher, event.action)
        self.statsd.increment(bucket, tags=tags)
