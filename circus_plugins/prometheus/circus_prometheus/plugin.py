"""The plugin: asks the daemon when it is asked itself, and counts events meanwhile."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from circus_core import CallError, CircusPlugin, ReceivedEvent
from circus_prometheus.counts import EventCounts
from circus_prometheus.families import Page, Reading, event_name
from circus_prometheus.options import read_options
from circus_prometheus.server import Server

__all__ = ["Prometheus"]

_logger = logging.getLogger("circus")


class Prometheus(CircusPlugin):
    """Serves a page with metrics."""

    name = "prometheus"

    def __init__(self, *args: Any, **config: Any) -> None:
        super().__init__(*args, **config)
        self.options = read_options(config)
        self.call_timeout = self.options.timeout
        self._counts = EventCounts()
        self._reading: asyncio.Task[Reading] | None = None
        self._read_at = 0.0

    def handle_init(self) -> None:
        self._server = Server(self.options, self._page)
        _logger.info("%s: metrics at %s", self.name, self._server.address)

    async def handle_stop(self) -> None:
        await self._server.close()

    def handle_event(self, event: ReceivedEvent) -> None:
        self._counts.take(event.watcher, event.action, event.payload)

    def handle_gap(self, count: int) -> None:
        self._counts.missed += count

    async def _page(self) -> Page:
        return Page(await asyncio.shield(self._current()), self._counts)

    def _current(self) -> asyncio.Task[Reading]:
        """Return the reading that is under way or still fresh, else begin one."""
        loop = asyncio.get_running_loop()
        task = self._reading
        if task is None or (task.done() and loop.time() - self._read_at >= self.options.cache):
            task = self._reading = loop.create_task(self._read())
        return task

    async def _read(self) -> Reading:
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            described = await self.ask("describe", name="*", match="glob")
            daemon = await self.ask("dstats")
        except CallError as error:
            _logger.error("%s: %s", self.name, error)
            return Reading(is_up=False, took=loop.time() - started)
        finally:
            self._read_at = loop.time()
        watchers = list(described.get("descriptions", {}).values())
        if described["status"] != "error":
            self._counts.keep_only({event_name(known["name"]) for known in watchers})
        return Reading(is_up=True, took=loop.time() - started, watchers=watchers, daemon=daemon)
