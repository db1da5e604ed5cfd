"""The class of a plugin, by the name that its section gives."""

from __future__ import annotations

from circus_core.drivers import Drivers
from circus_core.errors import DriverError
from circus_core.plugin.base import CircusPlugin

__all__ = ["load_plugin"]


def load_plugin(drivers: Drivers, name: str) -> type[CircusPlugin]:
    """Import it; DriverError if there is none of this name, or it is no plugin."""
    found = drivers.load("circus.plugins", name)
    if not (isinstance(found, type) and issubclass(found, CircusPlugin)):
        raise DriverError(
            f"{name!r} is not a plugin: a class derived from circus_core.CircusPlugin is needed"
        )
    return found
