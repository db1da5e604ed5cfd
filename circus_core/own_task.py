"""Work that gets a task of its own only when it has to wait for something.

A task costs two turns of the loop, which is more than most requests take to be answered. So work begins at
once, in the callback that learnt of it, and says itself when it needs a task: before its first wait.
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

__all__ = ["Starter", "in_a_task"]

T = TypeVar("T")


@types.coroutine
def in_a_task() -> Generator[None]:
    """Go on in a task, if this runs in none yet; to be awaited before anything else is."""
    if asyncio.current_task() is None:
        yield  # to Starter.start, and the task that it makes goes on from here


class Starter:
    """Starts work in the order in which it comes. Belongs to the loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._ahead = 0  # tasks that go on with the next turn of the loop

    def start(self, work: Coroutine[Any, Any, T], *, name: str) -> asyncio.Task[T] | None:
        """Run `work` until it is done, and return None, or until it needs a task, and return that.

        It begins in a task if other work is not as far yet. What it raises before that is raised here.
        """
        if not self._ahead and asyncio.current_task() is None:
            try:
                if work.send(None) is not None:
                    work.throw(RuntimeError("it waits and is in no task: await in_a_task() before"))
            except StopIteration:
                return None
        task = self._loop.create_task(work, name=name)
        self._ahead += 1
        self._loop.call_soon(self._note_one_begun)  # comes behind the first step of the task
        return task

    def _note_one_begun(self) -> None:
        self._ahead -= 1
