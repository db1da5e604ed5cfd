"""Events and figures of watchers for statsd."""

from circus_statsd.client import StatsdClient
from circus_statsd.emitter import StatsdEmitter
from circus_statsd.full_stats import FullStats
from circus_statsd.observer import BaseObserver
from circus_statsd.sender import StatsdSender

__all__ = ["BaseObserver", "FullStats", "StatsdClient", "StatsdEmitter", "StatsdSender"]
