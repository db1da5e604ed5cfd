"""ResourceWatcher: restarts a watcher that uses too much of the machine."""

from circus.plugins.old_attributes import PluginWithOptions
from circus.plugins.overriding import ReceivingPlugin
from circus_observers.resource_watcher import ResourceWatcher as CoreResourceWatcher

__all__ = ["ResourceWatcher"]


class ResourceWatcher(PluginWithOptions, ReceivingPlugin, CoreResourceWatcher):
    """See circus_observers.resource_watcher. Amounts of memory are numbers, of percent or of bytes."""

    holder = "options"

    @property
    def watcher(self) -> str | None:
        return self.options.watcher or self.options.service

    @property
    def max_mem(self) -> float:
        return self.options.max_mem.number

    @property
    def min_mem(self) -> float | None:
        return None if self.options.min_mem is None else self.options.min_mem.number
