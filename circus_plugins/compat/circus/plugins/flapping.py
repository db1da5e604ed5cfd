"""Flapping: stops a watcher whose processes die too often."""

from circus.plugins.old_attributes import PluginWithOptions
from circus_flapping.plugin import Flapping as CoreFlapping

__all__ = ["Flapping"]


class Flapping(PluginWithOptions, CoreFlapping):
    """See circus_flapping.plugin."""

    holder = "policy"
