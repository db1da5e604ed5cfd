"""What is: the workers of one watcher and their recent past. Facts are recorded here, nothing is decided."""

from __future__ import annotations

from itertools import count
from typing import Final

from circus_core.records import dataclass, field
from circus_core.states import (
    ProcessEvent,
    ProcessState,
    WatcherEvent,
    WatcherState,
    advance_process,
    advance_watcher,
)

__all__ = ["QUICK_DEATH", "UNKILLABLE", "Backoff", "Observed", "Worker", "retry_delay"]

QUICK_DEATH: Final = 1.0
"""Seconds: a process that lived shorter died at once, and its next start is delayed."""

UNKILLABLE: Final = 10.0
"""Seconds: a process that lives on so long after SIGKILL hangs in the kernel, and nobody waits for it."""

_FIRST_DELAY: Final = 0.1
_LONGEST_DELAY: Final = 30.0


@dataclass(slots=True, kw_only=True)
class Worker:
    """One place among the processes of a watcher, from its first try to spawn to its exit.

    Attributes:
        wid: worker number from 1, unique in the watcher while this worker exists.
        serial: order of creation; the smallest is the oldest.
        generation: the value of Desired.generation that it was spawned for.
        started: when it was spawned, monotonic seconds; None before.
        expires: when max_age is over, monotonic seconds; None for never.
        deadline: when SIGKILL is due, monotonic seconds; None unless stopping, and once it was sent.
        hopeless: when it counts as unkillable, monotonic seconds; None before SIGKILL, and once it does.
    """

    wid: int
    serial: int
    generation: int
    state: ProcessState = ProcessState.PENDING
    started: float | None = None
    expires: float | None = None
    deadline: float | None = None
    hopeless: float | None = None

    @property
    def is_live(self) -> bool:
        """It is, or is about to be, one of the wanted processes."""
        return self.state in _LIVE


_LIVE: Final = (ProcessState.RUNNING, ProcessState.STARTING, ProcessState.PENDING)
"""A tuple, because each plan asks for each worker: a set would hash the member, which Enum does in Python."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Why worker number `wid` is not spawned before `until` (monotonic seconds).

    Attributes:
        failures: quick deaths or failed spawns in a row.
        came_up: the last try was spawned and then died; False if spawning itself failed.
        reason: for people.
        shortage: the machine lacked something, so other workers would fail too.
    """

    wid: int
    until: float
    failures: int
    came_up: bool
    reason: str
    shortage: bool = False


def retry_delay(failures: int, *, jitter: float) -> float:
    """Return the seconds to wait after failures in a row: from 0.1 to 30, spread by `jitter` (0 to 1)."""
    doublings = min(max(failures, 1) - 1, 16)
    return min(_LONGEST_DELAY, _FIRST_DELAY * 2.0**doublings) * (0.8 + 0.2 * jitter)


@dataclass(slots=True, kw_only=True)
class Observed:
    """A watcher as it is now.

    Attributes:
        workers: by worker number; exited ones are removed.
        hold: a hook of the watcher (before_start, after_start, before_stop) has not answered yet.
        cycle: the Desired.cycle for which it was started last.
        next_spawn: no spawn before this instant (warmup_delay), monotonic seconds.
        backoffs: by worker number.
        failed_spawns: failed spawns in a row that count against max_retry, over all workers.
        lost: processes that ended and are not to be replaced (respawn = False, on_demand).
        stillborn: why the first of a new generation, which is not to be replaced, ended at once while older
            ones run; empty if none did.
        unfilled: places that stay empty, since what should have come there by a reload could not be started.
        demanded: a connection waits on a socket of an on_demand watcher.
        unkillable: numbers of the workers that did not end by SIGKILL; nothing waits for them, though they
            may end some day.
    """

    state: WatcherState = WatcherState.STOPPED
    workers: dict[int, Worker] = field(default_factory=dict)
    hold: bool = False
    cycle: int = 0
    next_spawn: float = 0.0
    backoffs: dict[int, Backoff] = field(default_factory=dict)
    failed_spawns: int = 0
    lost: int = 0
    stillborn: str = ""
    unfilled: int = 0
    demanded: bool = False
    unkillable: tuple[int, ...] = ()
    _serials: count[int] = field(default_factory=count)

    def report(self, event: WatcherEvent) -> None:
        """Move the watcher along its table."""
        self.state = advance_watcher(self.state, event)

    def begin_start(self, cycle: int) -> None:
        """A start was decided; before_start is being asked."""
        self.report(WatcherEvent.START_REQUESTED)
        self.cycle = cycle
        self.hold = True
        self.lost = self.unfilled = 0
        self.stillborn = ""

    def forgive(self) -> None:
        """Forget failures: the next tries are made at once."""
        self.backoffs.clear()
        self.failed_spawns = self.unfilled = 0
        self.stillborn = ""
        self.next_spawn = 0.0

    def begin_stop(self) -> None:
        """A stop was decided; before_stop is being asked."""
        self.report(WatcherEvent.STOP_REQUESTED)
        self.hold = True

    def finish_stop(self, *, forgive: bool = True) -> None:
        """No worker is left; `forgive` what failed, unless the next connection starts it again."""
        self.report(WatcherEvent.STOPPED)
        if forgive:
            self.forgive()
        self.demanded = False

    def add(self, wid: int, *, generation: int, next_spawn: float) -> Worker:
        """A spawn was decided."""
        worker = Worker(wid=wid, serial=next(self._serials), generation=generation)
        self.workers[wid] = worker
        self.next_spawn = next_spawn
        return worker

    def spawned(self, worker: Worker, *, now: float, expires: float | None) -> None:
        """It has a pid."""
        worker.state = advance_process(worker.state, ProcessEvent.SPAWNED)
        worker.started, worker.expires = now, expires
        self.failed_spawns = 0
        for wid in self.short_wids():  # there is room again
            del self.backoffs[wid]

    def ready(self, worker: Worker) -> None:
        """It is one of the wanted processes now."""
        worker.state = advance_process(worker.state, ProcessEvent.BECAME_READY)

    def short_wids(self) -> list[int]:
        """Return the numbers of the workers for which the machine lacked something."""
        return [wid for wid, backoff in self.backoffs.items() if backoff.shortage]

    def spawn_failed(
        self,
        worker: Worker,
        *,
        now: float,
        reason: str,
        counted: bool,
        jitter: float,
        shortage: bool = False,
    ) -> Backoff:
        """It could not be spawned, or was not allowed to; `counted`: against max_retry."""
        worker.state = advance_process(worker.state, ProcessEvent.SPAWN_FAILED)
        del self.workers[worker.wid]
        self.failed_spawns += counted
        failures = self._failures(worker.wid) + 1
        delay = retry_delay(failures, jitter=jitter)
        return self._back_off(worker.wid, now, delay, failures, reason, came_up=False, shortage=shortage)

    def refused(self, worker: Worker, *, now: float, reason: str, jitter: float) -> Backoff:
        """It runs, but a hook will not have it; its successor waits."""
        failures = self._failures(worker.wid) + 1
        delay = retry_delay(failures, jitter=jitter)
        return self._back_off(worker.wid, now, delay, failures, reason, came_up=False)

    def stop_sent(self, worker: Worker, *, deadline: float) -> None:
        """It was told to stop; one that was not spawned yet just goes."""
        worker.state = advance_process(worker.state, ProcessEvent.STOP_REQUESTED)
        if worker.state is ProcessState.EXITED:
            del self.workers[worker.wid]
        else:
            worker.deadline = deadline

    def kill_sent(self, worker: Worker, *, now: float) -> None:
        """SIGKILL was sent; nothing more can be done to it."""
        worker.deadline = None
        worker.hopeless = now + UNKILLABLE

    def survived_kill(self, worker: Worker) -> None:
        """It lives on after SIGKILL."""
        worker.hopeless = None
        self.unkillable = (*self.unkillable, worker.wid)

    def exited(
        self,
        worker: Worker,
        *,
        now: float,
        reason: str,
        replace: bool,
        jitter: float,
        has_come_up: bool = True,
    ) -> Backoff | None:
        """Its exit was collected; returns the delay of its successor, if any.

        `replace`: a successor is spawned without being asked for (respawn). The first quick death in a
        row is answered at once, the following ones with a growing delay; so is a death of one that had not
        come up yet, however long it took. One without a successor that dies so is no loss while older ones
        run: the reload has failed.
        """
        unasked = worker.state is not ProcessState.STOPPING
        worker.state = advance_process(worker.state, ProcessEvent.REAPED)
        del self.workers[worker.wid]
        self.unkillable = tuple(wid for wid in self.unkillable if wid != worker.wid)
        if not unasked:
            return None
        lived = now - worker.started if worker.started is not None else 0.0
        is_quick = lived < QUICK_DEATH or not has_come_up
        if is_quick and not replace and self._runs_older(worker.generation):
            self.stillborn = reason
        else:
            self.lost += not replace
        if not is_quick:
            self.backoffs.pop(worker.wid, None)
            return None
        failures = self._failures(worker.wid) + 1
        delay = 0.0 if failures == 1 else retry_delay(failures - 1, jitter=jitter)
        return self._back_off(worker.wid, now, delay, failures, reason, came_up=True)

    def adopt(self, generation: int, *, wanted: int) -> None:
        """What runs counts as this generation, though it is older: nothing newer could be started.

        `wanted`: how many should run. Nothing is tried for those that are missing: in the end, that would
        take down what runs.
        """
        for worker in self.workers.values():
            worker.generation = generation
        missing = wanted - sum(worker.is_live for worker in self.workers.values())
        self.backoffs.clear()
        self.failed_spawns, self.stillborn = 0, ""
        self.unfilled += max(0, missing)

    def resized(self, change: int) -> None:
        """The wanted number changed by so many; processes that were not replaced count as removed first."""
        if change < 0:
            empty = min(self.unfilled, -change)
            self.unfilled -= empty
            self.lost = max(0, self.lost + change + empty)

    def _runs_older(self, generation: int) -> bool:
        return any(w.is_live and w.generation < generation for w in self.workers.values())

    def _failures(self, wid: int) -> int:
        last = self.backoffs.get(wid)
        return last.failures if last else 0

    def _back_off(
        self,
        wid: int,
        now: float,
        delay: float,
        failures: int,
        reason: str,
        *,
        came_up: bool,
        shortage: bool = False,
    ) -> Backoff:
        backoff = Backoff(
            wid=wid,
            until=now + delay,
            failures=failures,
            came_up=came_up,
            reason=reason,
            shortage=shortage,
        )
        self.backoffs[wid] = backoff
        return backoff
