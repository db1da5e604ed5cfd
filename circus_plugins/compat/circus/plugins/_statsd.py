"""The name that the module of the statsd plugins had before 0.9."""

from circus.plugins.statsd import BaseObserver, FullStats, StatsdClient, StatsdEmitter

__all__ = ["BaseObserver", "FullStats", "StatsdClient", "StatsdEmitter"]
