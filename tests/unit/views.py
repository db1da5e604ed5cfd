"""A watcher and a process that are just values, for what only looks at them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from circus_core.config.model import WatcherConfig
from circus_core.states import ProcessState, WatcherState

__all__ = ["AProcess", "AWatcher", "FixedClock"]


@dataclass(eq=False)
class AProcess:
    pid: int = 4711
    wid: int = 1
    state: ProcessState = ProcessState.RUNNING
    started: float = 1000.0

    def age(self) -> float:
        return 5.0


@dataclass(eq=False)
class AWatcher:
    config: WatcherConfig = field(default_factory=lambda: WatcherConfig(name="web"))
    state: WatcherState = WatcherState.STARTING
    reason: str = ""
    numprocesses: int = 1
    processes: Mapping[int, AProcess] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.config.name


class FixedClock:
    """Stands still unless moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return 1_700_000_000.0 + self.now
