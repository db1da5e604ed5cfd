"""FullStats: what the processes of each watcher cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from circus_core import CallError
from circus_statsd.figures import figures
from circus_statsd.observer import BaseObserver

__all__ = ["FullStats"]


class FullStats(BaseObserver):
    """Asks for `stats` and sends gauges below `_stats.NAME.`, NAME as configured; plugins are left out."""

    name = "full_stats"

    async def look_after(self) -> None:
        try:
            reply = await self.ask("stats")
        except CallError:
            self.statsd.increment("_stats.error")
            raise
        if reply.get("status") == "error":
            self.statsd.increment("_stats.error")
            return
        for watcher, processes in reply["infos"].items():
            if not watcher.startswith("plugin:"):
                self._send(watcher, processes)

    def _send(self, watcher: str, processes: Mapping[str, Any]) -> None:
        for metric, value in figures(processes).items():
            bucket, tags = self.place(watcher, metric, below="_stats.")
            self.statsd.gauge(bucket, value, tags=tags)
