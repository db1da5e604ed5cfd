"""Plugins of circus-core whose options are attributes, too, as subclasses of those of 0.19 read them."""

from __future__ import annotations

from typing import Any, ClassVar

from circus_core import CircusPlugin

__all__ = ["PluginWithOptions"]


class PluginWithOptions(CircusPlugin):
    """Shows its options, with the values that count, by their names. To change one changes nothing.

    Attributes:
        holder: class attribute, the name of the attribute that has them as its own.
    """

    holder: ClassVar[str]

    def __getattr__(self, name: str) -> Any:
        options = vars(self).get(self.holder)
        if name not in getattr(options, "__dataclass_fields__", ()):
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self
            )
        return getattr(options, name)
