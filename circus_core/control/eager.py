"""Tasks that begin at once, so that what waits for nothing is done without a turn of the loop."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["start"]

T = TypeVar("T")


def start(work: Coroutine[Any, Any, T], *, loop: asyncio.AbstractEventLoop, name: str) -> asyncio.Task[T]:
    """Return a task on the running loop, which is done already if `work` had nothing to wait for.

    Before Python 3.12 it begins with the next turn of the loop.
    """
    if sys.version_info >= (3, 12):
        return asyncio.Task(work, loop=loop, name=name, eager_start=True)
    return loop.create_task(work, name=name)
