"""The plugins for statsd, and the base class of those that look at something every now and then."""

from __future__ import annotations

from circus.plugins.overriding import ReceivingPlugin
from circus_statsd import BaseObserver as CoreBaseObserver
from circus_statsd import FullStats as CoreFullStats
from circus_statsd import StatsdClient
from circus_statsd import StatsdEmitter as CoreStatsdEmitter

__all__ = ["BaseObserver", "FullStats", "StatsdClient", "StatsdEmitter"]


class StatsdEmitter(ReceivingPlugin, CoreStatsdEmitter):
    """Sends a counter for each event."""


class BaseObserver(ReceivingPlugin, CoreBaseObserver):
    """Calls `look_after` every `loop_rate` seconds."""

    _loop_rate: float | None = None

    @property
    def loop_rate(self) -> float:
        """Seconds between two looks; may be set."""
        return super().loop_rate if self._loop_rate is None else self._loop_rate

    @loop_rate.setter
    def loop_rate(self, seconds: float) -> None:
        self._loop_rate = float(seconds)


class FullStats(ReceivingPlugin, CoreFullStats):
    """Sends gauges of what the processes of each watcher cost."""
