"""What became of the processes of one watcher: counts since it was made, and the last ends."""

from __future__ import annotations

from collections import Counter, deque
from typing import Final

from circus_core.records import dataclass, field

__all__ = ["Exit", "Failure", "History"]

_KEPT: Final = 10
"""Ends that are remembered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """The end of one process.

    Attributes:
        returncode: as in `subprocess`: negative for a death by signal.
        at: seconds since the epoch.
        lived: seconds.
        was_asked: it had been told to stop.
    """

    pid: int
    wid: int
    returncode: int
    at: float
    lived: float
    was_asked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """`at`: seconds since the epoch."""

    at: float
    error: str


@dataclass(slots=True, kw_only=True)
class History:
    """Attributes:
    since: when the watcher came into its state, seconds since the epoch.
    spawns: processes that were started, by worker number.
    failed_spawns: tries that made no process.
    ended: processes that have ended.
    exits: the last ends, oldest first.
    hook_failures: the last failure of each hook, by its name.
    """

    since: float
    spawns: Counter[int] = field(default_factory=Counter)
    failed_spawns: int = 0
    ended: int = 0
    exits: deque[Exit] = field(default_factory=lambda: deque(maxlen=_KEPT))
    hook_failures: dict[str, Failure] = field(default_factory=dict)

    @property
    def restarts(self) -> int:
        """Processes that took the worker number of an earlier one."""
        return self.spawns.total() - len(self.spawns)

    def note_exit(self, end: Exit) -> None:
        self.ended += 1
        self.exits.append(end)
