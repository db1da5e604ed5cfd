"""Everything that is published: one frozen dataclass per event, with its topic and payload.

Topics are `watcher.NAME.ACTION`; NAME is the watcher's name in lower case with blanks as `_`. What is not
about a watcher has the topic `circusd.ACTION`. Names, topics and payload keys of add ... hook_failure are
those of Circus 0.19, all others are new. Times are seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from circus_core.records import dataclass, fields

__all__ = [
    "Added",
    "BackedOff",
    "Event",
    "EventsDropped",
    "HookFailed",
    "HookSucceeded",
    "HookTimedOut",
    "Hung",
    "Killed",
    "OutputDropped",
    "OutputHeld",
    "OutputResumed",
    "Publish",
    "Ready",
    "Reaped",
    "Reloaded",
    "Removed",
    "Spawned",
    "Started",
    "StateChanged",
    "Stopped",
    "Updated",
    "event_name",
]


def event_name(watcher: str) -> str:
    """Return a watcher's name as topics have it."""
    return watcher.lower().replace(" ", "_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a watcher or to one of its processes.

    Attributes:
        watcher: the watcher's name as configured.
        time: seconds since the epoch.
    """

    action: ClassVar[str]
    watcher: str
    time: float

    @property
    def topic(self) -> str:
        return f"watcher.{event_name(self.watcher)}.{self.action}"

    def payload(self) -> dict[str, Any]:
        """Return the JSON object that goes with the topic."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "watcher"}


Publish = Callable[[Event], None]
"""The one way to publish: cheap, never blocks, never raises. Runs on the loop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Added(Event):
    """The command `add` made a watcher."""

    action: ClassVar[str] = "add"


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed(Event):
    """The command `rm` forgets a watcher; it is stopped after this."""

    action: ClassVar[str] = "remove"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spawned(Event):
    """A process was started, at `time`."""

    action: ClassVar[str] = "spawn"
    process_pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Started(Event):
    """A watcher is active: all its processes are up. Not after a reload."""

    action: ClassVar[str] = "start"


@dataclass(frozen=True, slots=True, kw_only=True)
class Killed(Event):
    """A stop signal or SIGKILL was sent while stopping."""

    action: ClassVar[str] = "kill"
    process_pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Unkillable(Event):
    """A process did not end within 10 s of SIGKILL: it hangs in the kernel and is not waited for any more."""

    action: ClassVar[str] = "unkillable"
    process_pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaped(Event):
    """A process ended; exit_code is negative for a death by signal."""

    action: ClassVar[str] = "reap"
    process_pid: int
    exit_code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped(Event):
    """A watcher has stopped, or could not be started."""

    action: ClassVar[str] = "stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reloaded(Event):
    """A graceful reload is done."""

    action: ClassVar[str] = "reload"


@dataclass(frozen=True, slots=True, kw_only=True)
class Updated(Event):
    """An option was changed by `set`; once for each."""

    action: ClassVar[str] = "updated"


@dataclass(frozen=True, slots=True, kw_only=True)
class HookSucceeded(Event):
    """A hook of a watcher's section returned, also if it said no."""

    action: ClassVar[str] = "hook_success"
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HookFailed(Event):
    """A hook raised, or took too long."""

    action: ClassVar[str] = "hook_failure"
    name: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HookTimedOut(Event):
    """A hook did not answer within its hook_timeout (seconds); a hook_failure follows."""

    action: ClassVar[str] = "hook_timeout"
    name: str
    timeout: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChanged(Event):
    """The watcher moved to another state; reason is empty or says why."""

    action: ClassVar[str] = "state"
    state: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BackedOff(Event):
    """Worker `wid` is tried again after `delay` seconds; `failures` times in a row it did not live."""

    action: ClassVar[str] = "backoff"
    wid: int
    delay: float
    failures: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready(Event):
    """A plugin is connected: from now on it misses no event."""

    action: ClassVar[str] = "ready"
    process_pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hung(Event):
    """A plugin has shown no sign of life for `silent` seconds, and is killed."""

    action: ClassVar[str] = "hung"
    process_pid: int
    silent: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputHeld(Event):
    """A stream ("stdout" or "stderr") takes nothing: who writes to it is held back until it does."""

    action: ClassVar[str] = "output_held"
    stream: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputResumed(Event):
    """A stream takes output again, after so many seconds."""

    action: ClassVar[str] = "output_resumed"
    stream: str
    seconds: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputDropped(Event):
    """Output was lost: `lost_bytes` now; `dropped_bytes` of this stream in all. Once per kind of trouble."""

    action: ClassVar[str] = "output_dropped"
    stream: str
    lost_bytes: int
    dropped_bytes: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsDropped(Event):
    """Events did not reach all subscribers: `count` since this was last told, `total` since the start."""

    action: ClassVar[str] = "events_dropped"
    watcher: str = ""
    count: int
    total: int

    @property
    def topic(self) -> str:
        return f"circusd.{self.action}"
