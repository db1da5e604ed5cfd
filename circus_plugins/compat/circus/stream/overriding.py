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
        if "__call__" in vars(cls) and "take" not in vars(cls):
            cls.take = None  # type: ignore[attr-defined]  # the daemon calls streams without it
