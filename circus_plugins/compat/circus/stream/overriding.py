"""Streams of circus-streams that may be subclassed as those of 0.19 were: by another `__call__`."""

from __future__ import annotations

from typing import Any

__all__ = ["CalledStream"]


class CalledStream:
    """Has a subclass with a `__call__` of its own called with every chunk.

    Without one, output may go to where it belongs without ever being a chunk.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if _place(cls, "__call__") < _place(cls, "take"):
            cls.take = None  # type: ignore[attr-defined]  # the daemon calls streams without it


def _place(cls: type, method: str) -> int:
    """Return how far up a class has a method from."""
    return next(place for place, each in enumerate(cls.__mro__) if method in vars(each))
