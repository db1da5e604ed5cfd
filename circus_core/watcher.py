"""The processes of one command: what is wanted, what is, and the plan that leads from one to the other.

Nothing here waits: every action is done at once or starts a task whose end is a new fact, and every fact
leads to a new plan. So a stop is never held up by what came before it, and an idle watcher costs nothing.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
from collections.abc import Callable, Collection, Coroutine, Mapping
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeAlias, TypeVar, cast

from circus_core import events
from circus_core.config.mappings import set_option
from circus_core.config.model import WatcherConfig
from circus_core.crew import Crew
from circus_core.description import describe_watcher
from circus_core.errors import MessageError, SocketError
from circus_core.history import Failure
from circus_core.observed import Observed
from circus_core.output.sinks import SinkRunner
from circus_core.output.tail import Tail
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
    plan,
    wanted,
)
from circus_core.process import Process, signal_all
from circus_core.records import replace
from circus_core.runtime import Runtime
from circus_core.section_hooks import check_hooks
from circus_core.shown_options import options_as_shown, replaces_processes
from circus_core.sockets import ConnectionWatch
from circus_core.spawning import named_sockets, used_sockets
from circus_core.states import ProcessState, WatcherEvent, WatcherState

__all__ = ["Changes", "Streams", "Watcher"]

log = logging.getLogger("circus")

Changes = Mapping[str, list[int]]
"""Sorted pids: `started` and `kept`, and `stopped` where processes were replaced."""

Streams = dict[str, SinkRunner] | None
"""Prepared and not in use yet, by the name of the output; None: nothing changes."""

_P = ParamSpec("_P")
_T = TypeVar("_T")
_Wish: TypeAlias = "Callable[Concatenate[Watcher, _P], asyncio.Future[_T]]"


def from_any_thread(wish: _Wish[_P, _T]) -> _Wish[_P, _T]:
    """Have a wish that is made off the loop carried out on it."""

    @wraps(wish)
    def wrapper(self: Watcher, *args: _P.args, **kwargs: _P.kwargs) -> asyncio.Future[_T]:
        loop = self._runtime.loop
        if asyncio._get_running_loop() is loop:  # None off the loop, where the public name raises
            return wish(self, *args, **kwargs)

        async def on_the_loop() -> _T:
            return await wish(self, *args, **kwargs)

        # has the methods that a caller on a thread can use: result(timeout), add_done_callback
        return cast("asyncio.Future[_T]", asyncio.run_coroutine_threadsafe(on_the_loop(), loop))

    return cast("_Wish[_P, _T]", wrapper)


class Watcher:
    """The processes of one command.

    start, stop, restart, reload, set_numprocesses and kill change the wish and return a future for what comes
    of it, when nothing is under way any more; nobody has to await it. They may be called from any thread, as
    hook functions do; off the loop the future is a concurrent.futures.Future. All else belongs to the loop.

    Attributes:
        env: the environment of the next process; a before_spawn hook may change it.
        stops: how often it was told to stop; who means to start it later sees that by it.
    """

    def __init__(self, config: WatcherConfig, runtime: Runtime) -> None:
        self.config = config
        self.stops = 0
        self.env: dict[str, str] = dict(config.env)
        self._runtime = runtime
        self._desired = Desired(numprocesses=config.numprocesses)
        self._seen = Observed()
        self._policy = _policy(config)
        self._crew = Crew(self, self._seen, runtime)
        self._reason = ""
        self._has_given_up = False
        self._is_retired = False
        self._is_over = False  # closed or abandoned: nothing is planned, and nobody waits
        self._hook: asyncio.Task[None] | None = None  # before_start, after_start or before_stop
        self._waiters: list[asyncio.Future[None]] = []
        self._next_look: asyncio.Handle | None = None
        self._wake_up: asyncio.TimerHandle | None = None
        self._connections = ConnectionWatch(runtime.loop, runtime.sockets)

    # What can be seen

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def state(self) -> WatcherState:
        return self._seen.state

    @property
    def numprocesses(self) -> int:
        """How many processes are wanted."""
        return self._desired.numprocesses

    @property
    def processes(self) -> Mapping[int, Process]:
        """Those that have a pid, by pid, in spawn order, as of now: for a hook function on its thread too."""
        return self._crew.processes.copy()

    @property
    def reason(self) -> str:
        """Why it is in this state, for people; empty when there is nothing to say."""
        if self._seen.unkillable:
            return f"not even ended by SIGKILL: {', '.join(map(str, self._crew.unkillable()))}"
        if self._seen.backoffs and (backoff := self._backoff_reason()):
            return backoff
        if self.config.on_demand and self._waits_for_connection:
            return "on demand: waits for a connection"
        return self._reason

    def _backoff_reason(self) -> str:
        now = self._runtime.clock.monotonic()
        waiting = [b for b in self._seen.backoffs.values() if b.until > now]
        if not waiting:
            return ""
        soonest = min(waiting, key=lambda b: b.until)
        return f"backoff: {soonest.reason}, next try in {soonest.until - now:.1f} s"

    @property
    def trouble(self) -> str:
        """Why it is not as it was wished to be, for people; empty if it is."""
        is_as_wished = self.is_idle and not self._has_given_up
        return "" if is_as_wished or self._waits_for_connection else self.reason

    @property
    def is_idle(self) -> bool:
        """Nothing runs and nothing is wanted."""
        return self.state is WatcherState.STOPPED and not self._desired.running

    @property
    def has_given_up(self) -> bool:
        """It is stopped, or about to be, because it could not go on: nobody told it to stop."""
        return self._has_given_up

    def __repr__(self) -> str:
        return f"<Watcher {self.name!r} {self.state.value} {len(self._crew.processes)}/{self.numprocesses}>"

    # What can be wished

    @from_any_thread
    def start(self) -> asyncio.Future[Changes]:
        """Want it running; what failed before is tried again at once."""
        before = self._crew.pids()
        self._wish(running=True)
        self._seen.lost = 0
        self._seen.forgive()
        return self._outcome(lambda: _started(before, self._crew.pids()))

    @from_any_thread
    def stop(self, reason: str = "") -> asyncio.Future[None]:
        """Want it stopped; wins over whatever is under way. Done when no process is left.

        Args:
            reason: shown to people and in events until someone wishes something else.
        """
        self.stops += 1
        self._wish(running=False)
        self._reason = reason
        return self._outcome(lambda: None)

    @from_any_thread
    def restart(self) -> asyncio.Future[Changes]:
        """Stop, then start."""
        before = self._crew.pids()
        self._wish(running=True, cycle=self._desired.cycle + 1)
        return self._outcome(lambda: _replaced(before, self._crew.pids()))

    @from_any_thread
    def reload(self, graceful: bool = True, sequential: bool = False) -> asyncio.Future[Changes]:
        """Replace every process by a new one, or send SIGHUP (send_hup); a stopped watcher is started.

        Args:
            graceful: False: restart.
            sequential: stop one, then spawn one; else spawn one, then stop one.
        """
        if not graceful:
            return self.restart()
        before = self._crew.pids()
        if self.is_idle:
            self.start()
            return self._outcome(lambda: _replaced(before, self._crew.pids()))
        how = Replacement.SEQUENTIAL if sequential else Replacement.ROLLING
        return asyncio.shield(self._crew.task(self._reload(how, before)))

    @from_any_thread
    def set_numprocesses(self, number: int) -> asyncio.Future[int]:
        """Want so many processes; negative means none, a singleton has at most one."""
        number = max(0, min(number, 1) if self.config.singleton else number)
        previous = self.numprocesses
        if number != previous:
            self._seen.resized(number - previous)
            self._wish(numprocesses=number)
            self._runtime.make_room()
            self._crew.task(self._runtime.hooks.after_resize(self, previous))
        return self._outcome(lambda: self.numprocesses)

    @from_any_thread
    def incr(self, nb: int = 1) -> asyncio.Future[int]:
        """Want more processes; a singleton stays as it is."""
        return self.set_numprocesses(self.numprocesses + (0 if self.config.singleton else nb))

    @from_any_thread
    def decr(self, nb: int = 1) -> asyncio.Future[int]:
        """Want fewer processes; a singleton stays as it is."""
        return self.incr(-nb)

    @from_any_thread
    def kill(
        self, pid: int | None = None, signum: int | None = None, graceful_timeout: float | None = None
    ) -> asyncio.Future[None]:
        """Stop one process, or all, and let them be replaced; an unknown pid is ignored, as in 0.19.

        Args:
            signum: instead of stop_signal.
            graceful_timeout: seconds, instead of the option.
        """
        for process in self._crew:
            if process.worker.is_live and pid in (None, process.pid):
                self._crew.stop(process.worker, signum=signum, grace=graceful_timeout)
        self.look()
        return self._outcome(lambda: None)

    def send_signal(self, pid: int, signum: int) -> None:
        """Send a signal to one process; before_signal is asked first. From any thread.

        Raises:
            MessageError: it has no such process.
            OSError: there is no such signal; 0 is one that is not felt (kill(2)).
        """
        if signum not in (0, *signal.valid_signals()):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        process = self._process(pid)
        self._runtime.loop.call_soon_threadsafe(lambda: self._crew.task(self._crew.signal(process, signum)))

    def send_signal_child(self, pid: int, child_pid: int, signum: int) -> None:
        """Send a signal to a direct child of a process. Raises MessageError: it has no such child."""
        children = [child for child in self._process(pid).children() if child.pid == child_pid]
        if not list(signal_all(children, signum)):
            raise MessageError(f"process {child_pid} is not a child of {pid} in {self.name!r}")

    def send_signal_children(self, pid: int, signum: int, *, recursive: bool = False) -> None:
        """Send a signal to the direct children of a process, or to all its descendants."""
        list(signal_all(self._process(pid).children(recursive=recursive), signum))

    def options(self) -> dict[str, Any]:
        """Return the options as the `options` command shows them."""
        return options_as_shown(self.config) | {"numprocesses": self.numprocesses}

    def describe(self) -> dict[str, Any]:
        """Return all that is known without asking the system; see describe_watcher."""
        used = used_sockets(self.config, self._runtime.sockets)
        return describe_watcher(
            self,
            processes=self._crew.processes,
            seen=self._seen,
            history=self._crew.history,
            clock=self._runtime.clock,
            sockets=[each for each in self._runtime.sockets.listing() if each["name"] in used],
            streams=self._crew.output.facts(),
        )

    def note_failure(self, failure: events.HookFailed) -> None:
        """Remember that a hook failed, for `describe`."""
        self._crew.history.hook_failures[failure.name] = Failure(at=failure.time, error=failure.error)

    @property
    def tail(self) -> Tail:
        """The last output of its processes."""
        return self._crew.output.tail

    @property
    def captured(self) -> frozenset[str]:
        """Which of "stdout" and "stderr" go through circusd, and so into the tail."""
        return self._crew.output.captured

    @property
    def dropped_bytes(self) -> int:
        """Output that was taken from its processes and not delivered."""
        return self._crew.output.dropped_bytes

    def preview(self, options: Mapping[str, Any]) -> WatcherConfig:
        """Return the section that set_options() would make; raises ConfigError."""
        config = replace(self.config, numprocesses=self.numprocesses)
        for key, value in options.items():
            config = set_option(config, key, value)
        return config

    @from_any_thread
    def set_options(self, options: Mapping[str, Any]) -> asyncio.Future[Any]:
        """Change options; processes are replaced where a new value needs that. All or nothing.

        Raises:
            ConfigError: a key is unknown, a value does not fit, or a hook can't be found.
            SpawnError: a stream can't be made.
        """
        config = self.preview(options)
        if config.hooks != self.config.hooks:
            check_hooks(config)
        self._crew.output.reconfigure(config)
        self.config, self.env, self._policy = config, dict(config.env), _policy(config)
        for _ in options:
            self._crew.publish(events.Updated)
        resized = self.set_numprocesses(config.numprocesses) if "numprocesses" in options else None
        if not self.is_idle and any(replaces_processes(key) for key in options):
            return self.reload()
        return resized or self._outcome(lambda: None)

    def make_streams(self) -> Streams:
        """Make the streams of the first start already; for discard_streams() if it does not come to that.

        Raises:
            SpawnError: a stream can't be made.
        """
        return self._crew.output.make()

    def prepare_streams(self, config: WatcherConfig) -> Streams:
        """Make the streams of a changed section for reconfigure() or discard_streams(); raises SpawnError."""
        return self._crew.output.prepare(config)

    def check_successor(self, config: WatcherConfig) -> None:
        """Raise SpawnError where a process would be stopped for one that can't be started.

        A hook may bring what is missing, so with one it is not known before.
        """
        is_unknown = not config.hooks.keys().isdisjoint(("before_start", "before_spawn"))
        if self._crew.pids() and not (is_unknown or _has_lent_sockets(config)):
            self._crew.check(config)

    def discard_streams(self, streams: Streams) -> None:
        """Close streams that were prepared in vain."""
        self._crew.output.discard(streams)

    def reconfigure(
        self, config: WatcherConfig, *, options: Collection[str], streams: Streams, replaces: bool
    ) -> asyncio.Future[Any]:
        """Take over a changed section. One that is stopped stays so.

        Args:
            config: all of it.
            options: names of those that changed, for events.
            streams: what prepare_streams() made for it.
            replaces: replace the processes, also with send_hup, whose SIGHUP would change nothing. With
                sockets of circus a new one starts first; else an old one goes first, since the address it may
                have bound is not free before.
        """
        if config.env != self.config.env:
            self.env = dict(config.env)
        has_other_age = _ages(config) != _ages(self.config)
        self._crew.output.take(config, streams)
        self.config, self._policy = config, _policy(config)
        if has_other_age:
            self._crew.renew_expiries()
        for _ in options:
            self._crew.publish(events.Updated)
        resized = None
        if config.numprocesses != self.numprocesses:
            resized = self.set_numprocesses(config.numprocesses)
        if replaces and not self.is_idle:
            how = Replacement.ROLLING if _has_lent_sockets(config) else Replacement.SEQUENTIAL
            replaced = self._reload(how, self._crew.pids(), hang_up=False)
            return asyncio.shield(self._crew.task(replaced))
        return resized or self._outcome(lambda: None)

    def sockets_changed(self) -> None:
        """Wait for connections to the sockets that there are now."""
        self._connections.cancel()
        self.look()

    def retire(self) -> asyncio.Future[None]:
        """Want it stopped for good: no later wish starts it again."""
        self._is_retired = True
        return self.stop()

    def abandon(self) -> None:
        """Care no more: what runs goes on, what ends is not replaced, and what is about to start does not."""
        self.stops += 1
        for worker in list(self._seen.workers.values()):
            if worker.state is ProcessState.PENDING:
                self._crew.stop(worker)
        self._is_over = True
        if self._next_look is not None:
            self._next_look.cancel()
        self._set_wake_up(None)
        self._connections.cancel()
        self._release_waiters()
        self._crew.output.abandon()

    async def wait_output_over(self) -> None:
        """Wait until those that were abandoned write no more."""
        await self._crew.output.wait_over()

    def reopen_output(self) -> list[asyncio.Future[None]]:
        """Have the streams open their files anew; returns what is done when they have, for each."""
        return self._crew.output.reopen()

    def output_problems(self) -> dict[str, str]:
        """Return why output is held back or dropped just now, by "stdout" and "stderr"."""
        problems = {name: facts["problem"] for name, facts in self._crew.output.facts().items()}
        return {name: problem for name, problem in problems.items() if problem}

    async def close(self) -> None:
        """Give back what it holds. Only when it is idle; who waits for that, or asks again, has it."""
        self._is_over = True
        self._set_wake_up(None)
        self._connections.cancel()
        if self._next_look is not None:
            self._next_look.cancel()
        self._release_waiters()
        await self._crew.close()

    # The plan and its execution

    def look(self) -> None:
        """Plan at the next pass of the loop, because something happened."""
        if self._next_look is None and not self._is_over:
            self._next_look = self._runtime.loop.call_soon(self._reconcile)

    def give_up(self, reason: str) -> None:
        """Stop for good: it can't be started, or a hook will not have it."""
        log.warning("%s: %s", self.name, reason)
        self._wish(running=False)
        self._reason = reason
        self._has_given_up = True

    def _wish(self, **changes: Any) -> None:
        self._desired = replace(self._desired, **changes)
        if self._is_retired:
            self._desired = replace(self._desired, running=False)
        if "running" in changes or self._desired.running:
            self._reason = ""  # why it is stopped stays true when only the number changes
            self._has_given_up = False
        self.look()

    def _reconcile(self) -> None:
        self._next_look = None
        decision = plan(self._desired, self._seen, self._policy, self._runtime.clock.monotonic())
        for action in decision.actions:
            self._apply(action)
        if decision.actions:
            self.look()
        else:
            self._set_wake_up(decision.wake_at)
            self._watch_connections()
            self._tell_waiters()

    def _apply(self, action: Action) -> None:
        match action:
            case Spawn(wid):
                self._crew.spawn(wid, generation=self._desired.generation)
            case Stop(wid):
                self._crew.stop(self._seen.workers[wid])
            case Kill(wid):
                self._crew.kill(self._seen.workers[wid])
            case GiveUpOn(wid):
                self._crew.give_up_on(self._seen.workers[wid])
            case BeginStart():
                self._seen.begin_start(self._desired.cycle)
                self._announce_state()
                self._ask(self._before_start())
            case AskAfterStart():
                self._seen.hold = True
                self._ask(self._after_start())
            case BeginStop():
                self._seen.begin_stop()
                self._announce_state()
                self._ask(self._before_stop())
            case FinishStop():
                self._finish_stop()
            case GiveUp(reason):
                self.give_up(reason)
            case AbandonReload(reason):
                self._abandon_reload(reason)

    def _set_wake_up(self, at: float | None) -> None:
        if self._wake_up is not None:
            self._wake_up.cancel()
            self._wake_up = None
        if at is not None:
            delay = max(0.0, at - self._runtime.clock.monotonic())
            self._wake_up = self._runtime.loop.call_later(delay, self.look)

    def _tell_waiters(self) -> None:
        if self._waiters and is_settled(
            self._desired, self._seen, self._policy, self._runtime.clock.monotonic()
        ):
            self._release_waiters()

    def _release_waiters(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _outcome(self, result: Callable[[], _T]) -> asyncio.Future[_T]:
        """A future of `result()`, taken when nothing is under way any more."""
        settled: asyncio.Future[None] = self._runtime.loop.create_future()
        self._waiters.append(settled)
        outcome: asyncio.Future[_T] = self._runtime.loop.create_future()

        def take(_: asyncio.Future[None]) -> None:
            if not outcome.done():
                outcome.set_result(result())

        settled.add_done_callback(take)
        if self._is_over:
            self._release_waiters()
        self.look()
        return outcome

    # Start, stop and reload of the whole watcher

    def _ask(self, hook: Coroutine[Any, Any, None]) -> None:
        """Ask a hook of the watcher; the one that was asked before is not waited for any more."""
        if self._hook is not None and self._hook is not asyncio.current_task():
            self._hook.cancel()
        self._hook = self._crew.task(hook)

    def _is_asked(self) -> bool:
        """This task's hook is still the one to answer; its code may have caught the cancellation."""
        return self._hook is asyncio.current_task()

    async def _before_start(self) -> None:
        await self._crew.after_last_tasks()  # in a restart: after_stop
        verdict = await self._runtime.hooks.before_start(self)
        if not self._is_asked():
            return
        self._seen.hold = False
        if not verdict:
            self._seen.report(WatcherEvent.REFUSED)
            self.give_up(f"before_start said no ({verdict.by})")
            self._announce_state()
        self.look()

    async def _after_start(self) -> None:
        verdict = await self._runtime.hooks.after_start(self)
        if not self._is_asked():
            return
        self._seen.hold = False  # also when it said no: a start that comes just now has it asked again
        if verdict:
            self._seen.report(WatcherEvent.STARTED)
            log.info("%s started", self.name)
            self._announce_state()
            self._crew.publish(events.Started)
        else:
            self.give_up(f"after_start said no ({verdict.by})")
        self.look()

    async def _before_stop(self) -> None:
        await self._runtime.hooks.before_stop(self)
        self._seen.hold = False
        self.look()

    def _finish_stop(self) -> None:
        self._seen.finish_stop(forgive=not (self.config.on_demand and self._desired.running))
        self._crew.output.rest()
        log.info("%s stopped", self.name)
        self._crew.publish(events.Stopped)
        self._announce_state()
        self._crew.last_task(self._after_stop())

    async def _after_stop(self) -> None:
        await self._crew.after_last_tasks()  # after_reap of its processes
        await self._runtime.hooks.after_stop(self)

    async def _reload(self, how: Replacement, before: frozenset[int], *, hang_up: bool = True) -> Changes:
        verdict = await self._runtime.hooks.before_reload(self)
        if not verdict:
            log.warning("%s: before_reload said no (%s)", self.name, verdict.by)
        elif self.config.send_hup and hang_up:
            self._hang_up()
            await self._reloaded()
        else:
            self._wish(generation=self._desired.generation + 1, replacement=how)
            self._seen.forgive()
            await self._outcome(lambda: None)
            await self._reloaded()
        return _replaced(before, self._crew.pids())

    def _hang_up(self) -> None:
        for process in self._crew:
            log.info("SENDING HUP to %d", process.pid)
            process.send_signal(signal.SIGHUP)

    async def _reloaded(self) -> None:
        if self.state is WatcherState.ACTIVE and not self.trouble:
            log.info("%s reloaded", self.name)
            self._crew.publish(events.Reloaded)
            await self._runtime.hooks.after_reload(self)

    def _abandon_reload(self, reason: str) -> None:
        log.error("%s: reload abandoned, what runs is kept: %s", self.name, reason)
        self._reason = f"reload abandoned: {reason}"
        self._seen.adopt(self._desired.generation, wanted=wanted(self._desired, self._seen))

    def _announce_state(self) -> None:
        self._crew.history.since = self._runtime.clock.wall()
        self._crew.publish(events.StateChanged, state=self.state.value, reason=self._reason)

    # On demand

    @property
    def _waits_for_connection(self) -> bool:
        if not self.config.on_demand or not self._desired.running:
            return False
        is_missing_all = self.state is WatcherState.STOPPED and not self._seen.demanded
        return is_missing_all or self._seen.lost > 0

    def _watch_connections(self) -> None:
        if not self._waits_for_connection:
            self._connections.cancel()
        elif not self._connections.is_armed:
            try:
                self._connections.watch(self._own_sockets(), self._connected)
            except SocketError as error:
                self.give_up(str(error))

    def _own_sockets(self) -> list[str]:
        """The sockets whose first connection starts it: those that its command names, or all."""
        return sorted(named_sockets(self.config) or self._runtime.sockets)

    def _connected(self) -> None:
        self._seen.demanded, self._seen.lost = True, 0
        self._crew.task(self._runtime.hooks.first_connection(self))
        self.look()

    # Small things

    def _process(self, pid: int) -> Process:
        try:
            return self._crew.processes[pid]
        except KeyError:
            raise MessageError(f"process {pid} not found in {self.name!r}") from None


def _policy(config: WatcherConfig) -> Policy:
    return Policy(
        warmup_delay=config.warmup_delay,
        max_retry=config.max_retry,
        respawn=config.respawn,
        singleton=config.singleton,
        on_demand=config.on_demand,
    )


def _has_lent_sockets(config: WatcherConfig) -> bool:
    return config.use_sockets or config.stdin_socket is not None


def _ages(config: WatcherConfig) -> tuple[int, int]:
    return config.max_age, config.max_age_variance


def _started(before: frozenset[int], after: frozenset[int]) -> Changes:
    return {"started": sorted(after - before), "kept": sorted(after & before)}


def _replaced(before: frozenset[int], after: frozenset[int]) -> Changes:
    return {"stopped": sorted(before - after), **_started(before, after)}
