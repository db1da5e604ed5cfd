"""What to do next for one watcher: a pure function of what is wanted, what is, the policy and the time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from itertools import count, islice
from operator import attrgetter
from typing import Final

from circus_core.observed import QUICK_DEATH, Observed, Worker
from circus_core.records import dataclass
from circus_core.states import ProcessState, WatcherState

__all__ = [
    "SPAWNS_AT_ONCE",
    "AbandonReload",
    "Action",
    "AskAfterStart",
    "BeginStart",
    "BeginStop",
    "Desired",
    "FinishStop",
    "GiveUp",
    "GiveUpOn",
    "Kill",
    "Plan",
    "Policy",
    "Replacement",
    "Spawn",
    "Stop",
    "is_settled",
    "most_allowed",
    "plan",
    "wanted",
]

SPAWNS_AT_ONCE: Final = 256
"""Most workers of a watcher that come up at the same time: what a plan costs does not grow with the wish."""


_serial: Final = attrgetter("serial")


class Replacement(Enum):
    """How processes of an older generation are replaced."""

    ROLLING = "rolling"  # spawn one, then stop one: a surge of one
    SEQUENTIAL = "sequential"  # stop one, then spawn one


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """What is wanted of a watcher. Commands change this, nothing else.

    Attributes:
        generation: processes of a smaller one are replaced (reload).
        cycle: a watcher started for a smaller one is stopped first, then started (restart).
    """

    running: bool = False
    numprocesses: int = 1
    generation: int = 1
    cycle: int = 1
    replacement: Replacement = Replacement.ROLLING


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Options of the watcher that decisions depend on; durations in seconds."""

    warmup_delay: float = 0.0
    max_retry: int = 5
    respawn: bool = True
    singleton: bool = False
    on_demand: bool = False


@dataclass(frozen=True, slots=True)
class BeginStart:
    """Ask before_start; the watcher is STARTING."""


@dataclass(frozen=True, slots=True)
class AskAfterStart:
    """All wanted processes came up: ask after_start; then the watcher is ACTIVE."""


@dataclass(frozen=True, slots=True)
class BeginStop:
    """Ask before_stop; the watcher is STOPPING."""


@dataclass(frozen=True, slots=True)
class FinishStop:
    """No process is left: the watcher is STOPPED."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """max_retry is reached: the watcher is no longer wanted to run."""

    reason: str


@dataclass(frozen=True, slots=True)
class AbandonReload:
    """The new generation can't be started: what runs is kept, and no other tried."""

    reason: str


@dataclass(frozen=True, slots=True)
class Spawn:
    """Start a process in this free worker number."""

    wid: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Send the stop signal and start the grace time; a worker without pid just goes."""

    wid: int


@dataclass(frozen=True, slots=True)
class Kill:
    """The grace time is over: SIGKILL."""

    wid: int


@dataclass(frozen=True, slots=True)
class GiveUpOn:
    """It did not even end by SIGKILL: tell so, and wait for it no more."""

    wid: int


Action = (
    BeginStart
    | AskAfterStart
    | BeginStop
    | FinishStop
    | GiveUp
    | AbandonReload
    | Spawn
    | Stop
    | Kill
    | GiveUpOn
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now, in this order, and when to plan again at the latest.

    `wake_at` is in monotonic seconds; None: when something happens.
    """

    actions: tuple[Action, ...] = ()
    wake_at: float | None = None


@dataclass(slots=True)
class _Roster:
    """The workers of a watcher, oldest first.

    Most run as they should: `moving` are the others, those that are not running, of an older generation, or
    with an end of their life to come. Only these are looked at one by one, so that a plan for thousands of
    workers, of which there is one after each exit, is a single pass.
    """

    workers: list[Worker]
    moving: list[Worker]
    number_live: int

    @classmethod
    def of(cls, desired: Desired, seen: Observed) -> _Roster:
        workers, running, generation = _oldest_first(seen), ProcessState.RUNNING, desired.generation
        moving = [
            w
            for w in workers
            if w.state is not running or w.generation != generation or w.expires is not None
        ]
        return cls(workers, moving, len(workers) - sum(not w.is_live for w in moving))

    def live(self) -> list[Worker]:
        return [w for w in self.workers if w.is_live]


def plan(desired: Desired, seen: Observed, policy: Policy, now: float) -> Plan:
    """Return the next actions. Applied, and planned again with nothing new, they end in an empty plan."""
    match seen.state:
        case WatcherState.STOPPED:
            return _start(desired, seen, policy, now)
        case WatcherState.STOPPING:
            return _go_down(seen, now)
        case _ if not desired.running or seen.cycle != desired.cycle:
            return Plan((BeginStop(),))
        case _ if seen.hold:
            return _wait_for_hook(seen, now)
        case _:
            return _keep_up(desired, seen, policy, now)


def wanted(desired: Desired, seen: Observed) -> int:
    """Return how many processes should run now: numprocesses less those that ended and are not replaced.

    Nor are there any for which a reload was abandoned.
    """
    return max(0, desired.numprocesses - seen.lost - seen.unfilled)


def most_allowed(desired: Desired, seen: Observed, policy: Policy) -> int:
    """Return how many workers may live at once: one more than wanted during a rolling reload.

    Those whose grace runs count too; one that SIGKILL did not end does not.
    """
    return _most_allowed(desired, seen, policy, seen.workers.values())


def _most_allowed(desired: Desired, seen: Observed, policy: Policy, workers: Iterable[Worker]) -> int:
    """`workers`: all, or at least those that may be of an older generation."""
    rolling = _is_rolling(desired, policy) and any(_is_old(w, desired) for w in workers)
    return wanted(desired, seen) + rolling


def is_settled(desired: Desired, seen: Observed, policy: Policy, now: float) -> bool:
    """Tell whether nothing is under way; a worker that waits out a backoff is as settled as it can be.

    So is one that does not even end by SIGKILL.
    """
    if seen.state is WatcherState.STOPPED:
        return BeginStart() not in _start(desired, seen, policy, now).actions
    workers = [worker for worker in seen.workers.values() if worker.wid not in seen.unkillable]
    if seen.state is WatcherState.STOPPING:
        return not workers and bool(seen.workers) and not seen.hold
    if seen.hold or not desired.running or seen.cycle != desired.cycle:
        return False
    if any(w.state is not ProcessState.RUNNING for w in workers):
        return False
    if any(_is_old(w, desired) for w in workers):
        return _newcomers_fail(seen, now)
    missing = wanted(desired, seen) - len(workers)
    if policy.singleton and len(workers) < len(seen.workers):
        return True  # it has no successor before it has gone
    waits = missing >= 0 and (
        any(_is_backing_off(seen, wid, now) for wid in seen.short_wids())
        or all(_is_backing_off(seen, wid, now) for wid in _free_wids(seen, missing))
    )
    return waits and (
        seen.state is WatcherState.ACTIVE or (missing > 0 and not _will_be_given_up(seen, policy))
    )


def _start(desired: Desired, seen: Observed, policy: Policy, now: float) -> Plan:
    """STOPPED: start if that is wanted; after quick deaths a connection alone does not start it at once."""
    if not desired.running or (policy.on_demand and not seen.demanded):
        return Plan()
    delayed = min((b.until for b in seen.backoffs.values()), default=now)
    return Plan((BeginStart(),)) if delayed <= now else Plan(wake_at=delayed)


def _will_be_given_up(seen: Observed, policy: Policy) -> bool:
    """So many tries have failed, and only so many are allowed: a verdict is to come."""
    return seen.failed_spawns > 0 and policy.max_retry >= 0


def _go_down(seen: Observed, now: float) -> Plan:
    """STOPPING: cancel what has no pid, stop the rest once before_stop has answered, kill what is overdue."""
    workers = _oldest_first(seen)
    if not workers:
        return Plan() if seen.hold else Plan((FinishStop(),))
    stops = [
        Stop(w.wid) for w in workers if w.is_live and not (seen.hold and w.state is not ProcessState.PENDING)
    ]
    return Plan((*stops, *_overdue(workers, now)), _next_deadline(workers, now))


def _wait_for_hook(seen: Observed, now: float) -> Plan:
    workers = _oldest_first(seen)
    return Plan(tuple(_overdue(workers, now)), _next_deadline(workers, now))


def _keep_up(desired: Desired, seen: Observed, policy: Policy, now: float) -> Plan:
    """STARTING or ACTIVE: bring the workers to the wanted number and generation."""
    if seen.stillborn:
        return Plan((AbandonReload(f"its new process ended at once: {seen.stillborn}"),))
    if 0 <= policy.max_retry <= seen.failed_spawns and seen.failed_spawns:
        return Plan((_give_up(desired, seen),))
    if (empty := _nothing_to_run(desired, seen, policy)) is not None:
        return Plan((empty,))
    roster = _Roster.of(desired, seen)
    expired = _expired(roster, now)
    stops = [Stop(w.wid) for w in (*expired, *_surplus(desired, seen, policy, roster, expired))]
    if not stops:
        stops = _outdated(desired, seen, policy, roster, now)
    spawns, spawn_at = _missing(desired, seen, policy, roster, now)
    actions: list[Action] = [*_overdue(roster.moving, now), *stops, *spawns]
    if not actions and seen.state is WatcherState.STARTING and _came_up(desired, seen):
        actions.append(AskAfterStart())
    wakes = [
        spawn_at,
        _next_deadline(roster.moving, now),
        _next_expiry(roster, now),
        _next_turn(desired, seen, roster, now),
    ]
    return Plan(tuple(actions), min((t for t in wakes if t is not None), default=None))


def _give_up(desired: Desired, seen: Observed) -> Action:
    reason = f"could not be started in {seen.failed_spawns} tries"
    latest = max(seen.backoffs.values(), key=lambda b: b.until, default=None)
    if latest is not None:
        reason += f": {latest.reason}"
    if any(_is_old(w, desired) and w.is_live for w in seen.workers.values()):
        return AbandonReload(reason)
    return GiveUp(reason)


def _nothing_to_run(desired: Desired, seen: Observed, policy: Policy) -> Action | None:
    """Nothing wanted and nothing left: a start with numprocesses 0, or all ended and none is replaced."""
    if seen.workers or wanted(desired, seen):
        return None
    if seen.lost or seen.unfilled:
        return (
            BeginStop()
            if policy.on_demand
            else GiveUp("all processes ended, and respawn or final_exits keeps them from being replaced")
        )
    return GiveUp("numprocesses is 0") if seen.state is WatcherState.STARTING else None


def _expired(roster: _Roster, now: float) -> list[Worker]:
    running = (w for w in roster.moving if w.state is ProcessState.RUNNING)
    return [w for w in running if w.expires is not None and w.expires <= now]


def _surplus(
    desired: Desired, seen: Observed, policy: Policy, roster: _Roster, expired: list[Worker]
) -> list[Worker]:
    """The oldest of those that are too many, besides the expired ones, which go anyway."""
    excess = roster.number_live - len(expired) - _most_allowed(desired, seen, policy, roster.moving)
    if excess <= 0:
        return []
    leaving = {w.wid for w in expired}
    return [w for w in roster.live() if w.wid not in leaving][:excess]


def _outdated(desired: Desired, seen: Observed, policy: Policy, roster: _Roster, now: float) -> list[Stop]:
    """The next worker of an older generation that may go."""
    old = [w for w in roster.moving if w.is_live and _is_old(w, desired)]
    if not old:
        return []
    live = roster.live()
    newcomers = [w for w in live if not _is_old(w, desired)]
    if any(w.state is not ProcessState.RUNNING for w in newcomers):
        return []
    if now < max(seen.next_spawn, _proven_at(newcomers)) or _newcomers_fail(seen, now):
        return []
    if _is_rolling(desired, policy):
        may_go = len(live) > wanted(desired, seen)
    else:
        may_go = len(live) >= wanted(desired, seen) and not _leaving(seen, policy)
    return [Stop(old[0].wid)] if may_go else []


def _proven_at(newcomers: list[Worker]) -> float:
    """When the oldest of a new generation has not died at once, so that others may go for it."""
    return min((w.started + QUICK_DEATH for w in newcomers if w.started is not None), default=0.0)


def _newcomers_fail(seen: Observed, now: float) -> bool:
    """A reload waits while one of its processes dies at once: what still runs is not given up for it."""
    return any(_is_backing_off(seen, wid, now) for wid in seen.backoffs)


def _missing(
    desired: Desired, seen: Observed, policy: Policy, roster: _Roster, now: float
) -> tuple[list[Spawn], float | None]:
    """The spawns that are due, and when the next one will be."""
    moving = roster.moving
    current = roster.number_live - sum(w.is_live and _is_old(w, desired) for w in moving)
    graced = sum(w.deadline is not None for w in moving)  # memory and ports are still theirs
    most = _most_allowed(desired, seen, policy, moving)
    room = min(most - roster.number_live - graced, wanted(desired, seen) - current)
    if room <= 0 or (
        not _is_rolling(desired, policy) and _leaving(seen, policy) and _one_at_a_time(desired, seen, policy)
    ):
        return [], None
    if now < seen.next_spawn:
        return [], seen.next_spawn
    pending = sum(w.state is ProcessState.PENDING for w in moving)
    short = [seen.backoffs[wid].until for wid in seen.short_wids()]
    if short and (pending or now < max(short)):
        return [], None if pending else max(short)
    # warmup_delay counts from the moment that the previous one runs; in a shortage one tries for all
    limit = 1 if short or policy.warmup_delay > 0 else SPAWNS_AT_ONCE
    due, waiting = _due_wids(seen, room, limit - pending, now)
    return [Spawn(wid) for wid in due], min(waiting, default=None)


def _due_wids(seen: Observed, room: int, limit: int, now: float) -> tuple[list[int], list[float]]:
    """The lowest numbers to spawn now, at most `limit`, and until when those between them back off."""
    due: list[int] = []
    waiting: list[float] = []
    for wid in _free_wids(seen, room):
        if _is_backing_off(seen, wid, now):
            waiting.append(seen.backoffs[wid].until)
        elif len(due) < limit:
            due.append(wid)
        else:
            break
    return due, waiting


def _leaving(seen: Observed, policy: Policy) -> bool:
    """Some are on their way out, and it makes sense to wait for them; a singleton waits whatever it takes."""
    gone = (w for w in seen.workers.values() if not w.is_live)
    return any(policy.singleton or w.wid not in seen.unkillable for w in gone)


def _one_at_a_time(desired: Desired, seen: Observed, policy: Policy) -> bool:
    """No successor before its predecessor has gone: a singleton, or a sequential reload under way."""
    return policy.singleton or any(_is_old(w, desired) for w in seen.workers.values())


def _came_up(desired: Desired, seen: Observed) -> bool:
    """Every wanted process runs, or ran and died since."""
    running = sum(w.state is ProcessState.RUNNING for w in seen.workers.values())
    missing = wanted(desired, seen) - running
    return all((b := seen.backoffs.get(wid)) is not None and b.came_up for wid in _free_wids(seen, missing))


def _overdue(workers: list[Worker], now: float) -> list[Kill | GiveUpOn]:
    kills = [Kill(w.wid) for w in workers if w.deadline is not None and w.deadline <= now]
    return [*kills, *(GiveUpOn(w.wid) for w in workers if w.hopeless is not None and w.hopeless <= now)]


def _next_deadline(workers: list[Worker], now: float) -> float | None:
    instants = (instant for w in workers for instant in (w.deadline, w.hopeless) if instant is not None)
    return min((instant for instant in instants if instant > now), default=None)


def _next_expiry(roster: _Roster, now: float) -> float | None:
    return min((w.expires for w in roster.moving if w.expires is not None and w.expires > now), default=None)


def _next_turn(desired: Desired, seen: Observed, roster: _Roster, now: float) -> float | None:
    """A reload under way goes on when its first process is proven, or a warmup_delay or backoff over."""
    if not any(_is_old(w, desired) for w in roster.moving):
        return None
    newcomers = [w for w in roster.live() if not _is_old(w, desired)]
    instants = [seen.next_spawn, _proven_at(newcomers), *(b.until for b in seen.backoffs.values())]
    return min((t for t in instants if t > now), default=None)


def _is_rolling(desired: Desired, policy: Policy) -> bool:
    return desired.replacement is Replacement.ROLLING and not policy.singleton


def _is_old(worker: Worker, desired: Desired) -> bool:
    return worker.generation != desired.generation


def _is_backing_off(seen: Observed, wid: int, now: float) -> bool:
    backoff = seen.backoffs.get(wid)
    return backoff is not None and backoff.until > now


def _free_wids(seen: Observed, number: int) -> Iterator[int]:
    """The lowest worker numbers that no worker has."""
    return islice((wid for wid in count(1) if wid not in seen.workers), max(0, number))


def _oldest_first(seen: Observed) -> list[Worker]:
    return sorted(seen.workers.values(), key=_serial)
