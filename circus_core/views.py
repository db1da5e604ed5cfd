"""What hooks and commands see of watchers, processes and the arbiter: read-only protocols."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from circus_core.config.model import ArbiterConfig, WatcherConfig
from circus_core.states import ProcessState, WatcherState

__all__ = ["ArbiterView", "ProcessView", "WatcherView"]


class ProcessView(Protocol):
    """One child."""

    @property
    def pid(self) -> int:
        """Process id; 0 before it is spawned."""

    @property
    def wid(self) -> int:
        """Worker number, from 1, unique in its watcher, free again once the child is reaped."""

    @property
    def state(self) -> ProcessState: ...

    @property
    def started(self) -> float:
        """When it was spawned, seconds since the epoch; 0 before."""

    def age(self) -> float:
        """Seconds since it was spawned, on the monotonic clock."""


class WatcherView(Protocol):
    """The processes of one command."""

    @property
    def name(self) -> str: ...

    @property
    def config(self) -> WatcherConfig: ...

    @property
    def state(self) -> WatcherState: ...

    @property
    def reason(self) -> str:
        """Why it is in this state, for people; empty when there is nothing to say."""

    @property
    def numprocesses(self) -> int:
        """How many processes are wanted."""

    @property
    def processes(self) -> Mapping[int, ProcessView]:
        """The living ones, by pid, in spawn order."""


class ArbiterView(Protocol):
    """All watchers and sockets."""

    @property
    def config(self) -> ArbiterConfig: ...

    def iter_watchers(self) -> Iterable[WatcherView]:
        """Highest priority first."""

    def get_watcher(self, name: str) -> WatcherView:
        """Look up by name, in any case; raises UnknownWatcherError."""
