"""Work handed to the loop of an arbiter from wherever it is asked for, and futures for what needs no loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any, TypeVar

__all__ = ["done", "on_loop", "running_loop"]

_T = TypeVar("_T")


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the loop that runs in this thread."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def on_loop(loop: asyncio.AbstractEventLoop, work: Callable[[], Awaitable[_T]]) -> Any:
    """Begin `work` on the loop: return its task, or, for another thread, a concurrent.futures.Future.

    In a thread in which no loop runs yet the task begins when this one does.
    """

    async def carry_out() -> _T:
        return await work()

    begun = carry_out()
    try:
        if running_loop() is loop or not loop.is_running():
            return loop.create_task(begun)
        return asyncio.run_coroutine_threadsafe(begun, loop)
    except RuntimeError:  # the loop is closed
        begun.close()
        raise


def done(result: Any) -> Any:
    """Return a future that has come about already: of the loop that runs, or of concurrent.futures."""
    loop = running_loop()
    future: Any = Future() if loop is None else loop.create_future()
    future.set_result(result)
    return future
