"""WatchDog: replaces processes that give no sign of life."""

from circus.plugins.old_attributes import PluginWithOptions
from circus.plugins.overriding import ReceivingPlugin
from circus_watchdog.plugin import WatchDog as CoreWatchDog

__all__ = ["WatchDog"]


class WatchDog(PluginWithOptions, ReceivingPlugin, CoreWatchDog):
    """See circus_watchdog.plugin. The patterns are compiled."""

    holder = "settings"
