"""CommandReloader: restarts a watcher whose program has changed."""

from circus.plugins.overriding import ReceivingPlugin
from circus_observers.command_reloader import CommandReloader as CoreCommandReloader

__all__ = ["CommandReloader"]


class CommandReloader(ReceivingPlugin, CoreCommandReloader):
    """See circus_observers.command_reloader."""
