"""Where a process, a watcher and the arbiter can be in their lives, and every legal move."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, StrEnum
from typing import Final

from circus_core.errors import IllegalTransitionError

__all__ = [
    "PROCESS_TRANSITIONS",
    "WATCHER_TRANSITIONS",
    "ProcessEvent",
    "ProcessState",
    "WatcherEvent",
    "WatcherState",
    "advance_process",
    "advance_watcher",
]


class ProcessState(Enum):
    """Where one child is in its life; PROCESS_TRANSITIONS lists the only ways to move."""

    PENDING = "pending"  # has a worker number, has no pid
    STARTING = "starting"  # spawned, not yet known to be ready
    RUNNING = "running"  # ready
    STOPPING = "stopping"  # told to stop, grace running
    EXITED = "exited"  # wait status collected; nothing follows


class ProcessEvent(Enum):
    """What can happen to a child."""

    SPAWNED = "spawned"
    SPAWN_FAILED = "spawn-failed"
    BECAME_READY = "became-ready"
    STOP_REQUESTED = "stop-requested"
    REAPED = "reaped"


_P, _E = ProcessState, ProcessEvent
PROCESS_TRANSITIONS: Final[Mapping[tuple[ProcessState, ProcessEvent], ProcessState]] = {
    (_P.PENDING, _E.SPAWNED): _P.STARTING,
    (_P.PENDING, _E.SPAWN_FAILED): _P.EXITED,
    (_P.PENDING, _E.STOP_REQUESTED): _P.EXITED,
    (_P.STARTING, _E.BECAME_READY): _P.RUNNING,
    (_P.STARTING, _E.STOP_REQUESTED): _P.STOPPING,
    (_P.STARTING, _E.REAPED): _P.EXITED,
    (_P.RUNNING, _E.STOP_REQUESTED): _P.STOPPING,
    (_P.RUNNING, _E.REAPED): _P.EXITED,
    (_P.STOPPING, _E.REAPED): _P.EXITED,
}


class WatcherState(StrEnum):
    """Where a watcher is; each is the word of the `status` command itself."""

    STOPPED = "stopped"
    STARTING = "starting"
    ACTIVE = "active"
    STOPPING = "stopping"


class WatcherEvent(Enum):
    """What can happen to a watcher."""

    START_REQUESTED = "start-requested"  # before_start is asked, then the processes come up
    STARTED = "started"  # all wanted processes are up and after_start agreed
    STOP_REQUESTED = "stop-requested"  # by a command, a veto, or because starting was given up
    STOPPED = "stopped"  # no process is left and before_stop has ended
    REFUSED = "refused"  # before_start said no: nothing was started


_W, _V = WatcherState, WatcherEvent
WATCHER_TRANSITIONS: Final[Mapping[tuple[WatcherState, WatcherEvent], WatcherState]] = {
    (_W.STOPPED, _V.START_REQUESTED): _W.STARTING,
    (_W.STARTING, _V.STARTED): _W.ACTIVE,
    (_W.STARTING, _V.REFUSED): _W.STOPPED,
    (_W.STARTING, _V.STOP_REQUESTED): _W.STOPPING,
    (_W.ACTIVE, _V.STOP_REQUESTED): _W.STOPPING,
    (_W.STOPPING, _V.STOPPED): _W.STOPPED,
}


def advance_process(state: ProcessState, event: ProcessEvent) -> ProcessState:
    """Return the state after `event`; IllegalTransitionError if the table has no such move."""
    try:
        return PROCESS_TRANSITIONS[state, event]
    except KeyError:
        raise IllegalTransitionError(f"process: {event.name} is not possible in {state.name}") from None


def advance_watcher(state: WatcherState, event: WatcherEvent) -> WatcherState:
    """Return the state after `event`; IllegalTransitionError if the table has no such move."""
    try:
        return WATCHER_TRANSITIONS[state, event]
    except KeyError:
        raise IllegalTransitionError(f"watcher: {event.name} is not possible in {state.name}") from None
