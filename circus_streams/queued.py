"""QueueStream: output kept for a program that embeds the arbiter."""

from __future__ import annotations

from collections.abc import Mapping
from queue import Full, Queue
from typing import Any, Final

from circus_streams.options import checkable, whole

__all__ = ["QueueStream"]

PATIENCE: Final = 1.0  # seconds to wait for room before the daemon is told


@checkable
class QueueStream(Queue[Mapping[str, Any]]):
    """A queue of the chunks, each with `data`, `pid`, `name`, `timestamp`, `watcher` and `wid`.

    For a program in whose process the daemon runs: it takes them out with get(), on any thread. While the
    queue is full the processes are held back.
    """

    def __init__(self, maxsize: int | str = 1000, **_ignored: object) -> None:
        """Args:
        maxsize: chunks that wait, of at most 64 KiB each; 0 for no limit.

        Raises:
            ValueError: maxsize is no whole number.
        """
        super().__init__(whole("maxsize", maxsize))

    def __call__(self, chunk: Mapping[str, Any]) -> None:
        """Take one chunk; raises OSError if there is no room for it."""
        try:
            self.put(chunk, timeout=PATIENCE)
        except Full:
            raise BlockingIOError(f"nobody takes output from the queue, {self.maxsize} chunks wait") from None

    def close(self) -> None:
        """What is in the queue stays there."""
