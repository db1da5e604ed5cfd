"""HttpObserver: looks at a web site."""

from circus.plugins.overriding import ReceivingPlugin
from circus_observers.http_observer import HttpObserver as CoreHttpObserver

__all__ = ["HttpObserver"]


class HttpObserver(ReceivingPlugin, CoreHttpObserver):
    """See circus_observers.http_observer."""
