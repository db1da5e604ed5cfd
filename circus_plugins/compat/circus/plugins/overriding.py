"""Plugins of circus-core that may be subclassed as those of 0.19 were: by another `handle_recv`."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from circus_core import CircusPlugin, ReceivedEvent

__all__ = ["ReceivingPlugin"]


class ReceivingPlugin(CircusPlugin):
    """Has a subclass with a `handle_recv` of its own called with every event, instead of handle_event."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        receiver = _owner(cls, "handle_recv")
        order = cls.__mro__.index
        if receiver is not ReceivingPlugin and order(receiver) < order(_owner(cls, "handle_event")):
            cls.handle_event = CircusPlugin.handle_event  # type: ignore[method-assign]

    def handle_recv(self, data: list[bytes]) -> Awaitable[None] | None:
        """Do what the plugin does with an event."""
        topic, message = data
        event = ReceivedEvent(topic.decode(), self.load_message(message))
        result: Awaitable[None] | None = self._own_handle_event()(self, event)
        return result

    def _own_handle_event(self) -> Any:
        """Return handle_event as it was before a subclass had a handle_recv."""
        classes = [each for each in type(self).__mro__ if each is not CircusPlugin]
        found = (vars(each)["handle_event"] for each in classes if "handle_event" in vars(each))
        return next(each for each in found if each is not CircusPlugin.handle_event)


def _owner(cls: type, method: str) -> type:
    """Return the class that a class has a method from."""
    return next(each for each in cls.__mro__ if method in vars(each))
