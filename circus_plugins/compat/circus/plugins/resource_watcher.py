"""ResourceWatcher: restarts a watcher that uses too much of the machine."""

from circus.plugins.overriding import ReceivingPlugin
from circus_observers.resource_watcher import ResourceWatcher as CoreResourceWatcher

__all__ = ["ResourceWatcher"]


class ResourceWatcher(ReceivingPlugin, CoreResourceWatcher):
    """See circus_observers.resource_watcher."""
