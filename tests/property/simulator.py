"""A watcher in virtual time: executes the planner's actions on processes that exist only as numbers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from itertools import count
from typing import Any

from circus_core.observed import Observed, Worker
from circus_core.plan import (
    AbandonReload,
    Action,
    AskAfterStart,
    BeginStart,
    BeginStop,
    Desired,
    FinishStop,
    GiveUp,
    GiveUpOn,
    Kill,
    Policy,
    Replacement,
    Spawn,
    Stop,
    is_settled,
    most_allowed,
    plan,
    wanted,
)
from circus_core.states import ProcessState, WatcherEvent, WatcherState

GRACE = 3.0


@dataclass(frozen=True)
class World:
    """How processes and hooks behave; every number is in seconds of virtual time.

    `lives`: how long the n-th process lives (None: until told to stop), taken in turn.
    `stops`: how long the n-th process needs after the stop signal (None: ignores it).
    `kills`: whether the n-th process ends by SIGKILL.
    `spawns`: whether the n-th spawn works.
    `shortage`: a spawn that fails does for want of room, of which the command is not guilty.
    `hooks`: what the n-th hook answers, and after how long.
    """

    lives: tuple[float | None, ...] = (None,)
    stops: tuple[float | None, ...] = (0.1,)
    kills: tuple[bool, ...] = (True,)
    spawns: tuple[bool, ...] = (True,)
    shortage: bool = False
    hooks: tuple[tuple[float, bool], ...] = ((0.0, True),)
    spawn_time: float = 0.0
    max_age: float | None = None


@dataclass
class Simulator:
    policy: Policy
    world: World
    desired: Desired = field(default_factory=Desired)
    seen: Observed = field(default_factory=Observed)
    now: float = 1000.0
    log: list[str] = field(default_factory=list)
    _queue: list[tuple[float, int, str, object]] = field(default_factory=list)
    _serial: count[int] = field(default_factory=count)
    _spawned: count[int] = field(default_factory=count)
    _tried: count[int] = field(default_factory=count)
    _hooks: count[int] = field(default_factory=count)
    _wake_at: float | None = None
    _asked: int = 0
    _last_spawn: float | None = None
    _forgiven: bool = False

    # --- what a schedule can do -------------------------------------------------------------

    def start(self) -> None:
        self._command("start")
        self.desired = replace(self.desired, running=True)
        self.seen.lost = 0
        self._forgive()

    def stop(self) -> None:
        self._command("stop")
        self.desired = replace(self.desired, running=False)

    def restart(self) -> None:
        self._command("restart")
        self.desired = replace(self.desired, running=True, cycle=self.desired.cycle + 1)

    def reload(self, how: Replacement) -> None:
        self._command(f"reload {how.value}")
        self.desired = replace(self.desired, generation=self.desired.generation + 1, replacement=how)
        self._forgive()

    def resize(self, number: int) -> None:
        self._command(f"numprocesses {number}")
        number = min(number, 1) if self.policy.singleton else number
        self.seen.resized(number - self.desired.numprocesses)
        self.desired = replace(self.desired, numprocesses=number)

    def crash(self, nth: int) -> None:
        """One of the processes that have a pid dies."""
        alive = [w for w in self.seen.workers.values() if w.state is not ProcessState.PENDING]
        if alive:
            self._exit(alive[nth % len(alive)], "crash")

    def connect(self) -> None:
        """A client connects to a socket of an on-demand watcher."""
        if self.policy.on_demand:
            self._command("connection")
            self.seen.demanded, self.seen.lost = True, 0

    def in_one_turn(self, commands: list[tuple[Any, ...]]) -> None:
        """What is next happens, and these commands come before the planner has seen it."""
        at = self._next_instant()
        if at is not None:
            self.now = max(self.now, at)
            self._fire_due()
        for name, *arguments in commands:
            getattr(self, name)(*arguments)
        self._react()

    def _forgive(self) -> None:
        self.seen.forgive()
        self._forgiven = True

    def pass_time(self, seconds: float) -> None:
        """Let things happen until so many seconds later."""
        end = self.now + seconds
        self._react()
        while (at := self._next_instant()) is not None and at <= end:
            self.now = max(self.now, at)
            self._fire_due()
            self._react()
        self.now = end
        self._react()

    # --- effects ----------------------------------------------------------------------------

    def _react(self) -> None:
        """Plan and act until the plan is empty."""
        for _ in range(200):
            decision = plan(self.desired, self.seen, self.policy, self.now)
            self._wake_at = decision.wake_at
            if decision.wake_at is not None:
                assert decision.wake_at > self.now, f"a wake-up in the past would spin: {decision}"
            if not decision.actions:
                self.check()
                return
            for action in decision.actions:
                self._apply(action)
        raise AssertionError("the planner never comes to rest:\n" + self.story())

    def _apply(self, action: Action) -> None:
        self.log.append(f"{self.now:9.2f}   {action}")
        match action:
            case BeginStart():
                self.seen.begin_start(self.desired.cycle)
                self._forgiven = True
                self._ask("before_start")
            case AskAfterStart():
                self.seen.hold = True
                self._ask("after_start")
            case BeginStop():
                self.seen.begin_stop()
                self._ask("before_stop")
            case FinishStop():
                assert not self.seen.hold, "before_stop has not answered\n" + self.story()
                self.seen.finish_stop()
            case GiveUp():
                self.desired = replace(self.desired, running=False)
            case AbandonReload():
                self.seen.adopt(self.desired.generation, wanted=wanted(self.desired, self.seen))
            case Spawn(wid):
                self._check_wid(wid)
                self._check_warmup()
                worker = self.seen.add(
                    wid, generation=self.desired.generation, next_spawn=self.now + self.policy.warmup_delay
                )
                self._later(self.world.spawn_time, "spawned", worker)
            case Stop(wid):
                worker = self.seen.workers[wid]
                self.seen.stop_sent(worker, deadline=self.now + GRACE)
                needs = self.world.stops[worker.serial % len(self.world.stops)]
                if worker.state is ProcessState.STOPPING and needs is not None:
                    self._later(needs, "exit", worker)
            case Kill(wid):
                worker = self.seen.workers[wid]
                assert worker.deadline is not None
                assert self.now == worker.deadline, "SIGKILL is sent when it is due"
                self.seen.kill_sent(worker, now=self.now)
                if self.world.kills[worker.serial % len(self.world.kills)]:
                    self._later(0.01, "exit", worker)
            case GiveUpOn(wid):
                worker = self.seen.workers[wid]
                assert self.now == worker.hopeless, "it is given up when its time is over"
                self.seen.survived_kill(worker)

    def _ask(self, hook: str) -> None:
        self._asked += 1
        seconds, answer = self.world.hooks[next(self._hooks) % len(self.world.hooks)]
        self._later(seconds, hook, (self._asked, answer))

    def _later(self, seconds: float, what: str, subject: object) -> None:
        heappush(self._queue, (self.now + seconds, next(self._serial), what, subject))

    def _next_instant(self) -> float | None:
        instants = [entry[0] for entry in self._queue[:1]]
        if self._wake_at is not None:
            instants.append(self._wake_at)
        return min(instants, default=None)

    def _fire_due(self) -> None:
        while self._queue and self._queue[0][0] <= self.now:
            _, _, what, subject = heappop(self._queue)
            if isinstance(subject, Worker):
                self._worker_event(what, subject)
            else:
                assert isinstance(subject, tuple)
                self._hook_answer(what, *subject)

    def _worker_event(self, what: str, worker: Worker) -> None:
        if self.seen.workers.get(worker.wid) is not worker:
            return  # it has gone meanwhile
        if what == "exit":
            self._exit(worker, "exit")
        elif worker.state is ProcessState.PENDING:
            self._spawn_result(worker)

    def _spawn_result(self, worker: Worker) -> None:
        works = self.world.spawns[next(self._tried) % len(self.world.spawns)]
        self.log.append(f"{self.now:9.2f}   wid {worker.wid} {'spawned' if works else 'failed to spawn'}")
        if not works:
            self.seen.spawn_failed(
                worker,
                now=self.now,
                reason="no such program",
                counted=not self.world.shortage,
                jitter=0.5,
                shortage=self.world.shortage,
            )
            return
        expires = None if self.world.max_age is None else self.now + self.world.max_age
        self.seen.spawned(worker, now=self.now, expires=expires)
        self.seen.ready(worker)
        lives = self.world.lives[next(self._spawned) % len(self.world.lives)]
        if lives is not None:
            self._later(lives, "exit", worker)

    def _exit(self, worker: Worker, how: str) -> None:
        self.log.append(f"{self.now:9.2f}   wid {worker.wid} {how}")
        replace_it = self.policy.respawn and not self.policy.on_demand
        self.seen.exited(worker, now=self.now, reason="exit 1", replace=replace_it, jitter=0.5)

    def _hook_answer(self, hook: str, number: int, answer: bool) -> None:
        if number != self._asked:
            return  # abandoned: another hook is being asked now
        self.log.append(f"{self.now:9.2f}   {hook} answers {answer}")
        starting = self.seen.state is WatcherState.STARTING
        self.seen.hold = False
        if hook == "before_stop" or answer:
            if hook == "after_start" and starting:
                self.seen.report(WatcherEvent.STARTED)
        else:
            if hook == "before_start":
                self.seen.report(WatcherEvent.REFUSED)
            self.desired = replace(self.desired, running=False)

    # --- promises ---------------------------------------------------------------------------

    def check(self) -> None:
        """What holds whenever the planner has come to rest."""
        workers = self.seen.workers.values()
        live = [w for w in workers if w.is_live]
        if self.seen.state in (WatcherState.STARTING, WatcherState.ACTIVE) and not self.seen.hold:
            limit = most_allowed(self.desired, self.seen, self.policy)
            assert len(live) <= limit, f"{len(live)} processes, at most {limit}\n" + self.story()
            assert limit <= wanted(self.desired, self.seen) + 1
        if self.policy.singleton:
            assert len(workers) <= 1, "a singleton has two processes\n" + self.story()
        if self.seen.state is WatcherState.STOPPED:
            assert not workers, "a stopped watcher has processes\n" + self.story()
        for worker in workers:
            if worker.state is ProcessState.STOPPING and worker.deadline is not None:
                assert worker.deadline > self.now, "a deadline was missed\n" + self.story()
        self._check_progress()

    def _check_progress(self) -> None:
        """Something is due, or everything is as wanted: nothing waits for ever."""
        if self._next_instant() is None:
            assert is_settled(self.desired, self.seen, self.policy, self.now), "stuck\n" + self.story()

    def _check_wid(self, wid: int) -> None:
        assert wid not in self.seen.workers, f"wid {wid} is taken\n" + self.story()
        for lower in range(1, wid):
            backing_off = lower in self.seen.backoffs and self.seen.backoffs[lower].until > self.now
            assert lower in self.seen.workers or backing_off, (
                f"wid {lower} was free, got {wid}\n" + self.story()
            )

    def _check_warmup(self) -> None:
        if self._last_spawn is not None and not self._forgiven:
            assert self.now >= self._last_spawn + self.policy.warmup_delay, "too early\n" + self.story()
        self._last_spawn, self._forgiven = self.now, False

    def _command(self, words: str) -> None:
        self.log.append(f"{self.now:9.2f} {words}")

    def story(self) -> str:
        """The schedule and what came of it, for people."""
        return "\n".join(
            [repr(self.policy), repr(self.world), *self.log, repr(self.desired), repr(self.seen)]
        )
