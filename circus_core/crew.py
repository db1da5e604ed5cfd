"""The processes of one watcher: brings them up and down as it is told, and records what becomes of them.

Nothing here decides and nothing waits on the caller's side: each call is done at once or starts a task, and
each end is reported as a fact.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import nullcontext
from typing import Any, Final, Protocol

from circus_core import events
from circus_core.config.model import WatcherConfig
from circus_core.errors import CircusError, SpawnError
from circus_core.history import Exit, History
from circus_core.hooks import Verdict
from circus_core.observed import Backoff, Observed, Worker
from circus_core.output.outlets import WatcherOutput
from circus_core.process import Process, describe_exit, signal_all
from circus_core.runtime import Runtime
from circus_core.spawning import StandardStreams, lent_sockets, spawn_request
from circus_core.states import ProcessState
from circus_core.views import WatcherView

__all__ = ["Crew", "Owner"]

log = logging.getLogger("circus")

_TELLING_TIME: Final = 1.0  # seconds that after_signal may hold up the report of an exit
_PLANNED_TOGETHER: Final = 128  # workers that came up before the next are planned: a plan looks at all
_SHORTAGES: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Owner(WatcherView, Protocol):
    """The watcher, as its crew sees it."""

    env: dict[str, str]

    def look(self) -> None:
        """Something happened: plan anew."""

    def give_up(self, reason: str) -> None:
        """The watcher shall not run any more."""


class Crew:
    """Runs on the loop. `seen` is shared with the owner: the crew records, the owner plans.

    Attributes:
        history: what became of the processes.
        output: where what they write goes.
    """

    def __init__(self, owner: Owner, seen: Observed, runtime: Runtime) -> None:
        self._owner = owner
        self._seen = seen
        self._runtime = runtime
        self._processes: dict[int, Process] = {}  # by pid, in spawn order
        self._by_wid: dict[int, Process] = {}
        self._telling: dict[Process, asyncio.Future[None]] = {}  # after_signal is being asked
        self._unannounced: set[Process] = set()  # after_spawn has not agreed yet
        self._unwelcome: set[Process] = set()  # after_spawn refused it: subscribers never hear of it
        self._tasks: set[asyncio.Task[Any]] = set()
        self._last_tasks: set[asyncio.Task[Any]] = set()  # what tells of an end; some of _tasks
        self._coming_up = 0
        self._asking = asyncio.Lock()
        self._when_it_ends = self._on_exit  # one object for all of them
        self.history = History(since=runtime.clock.wall())
        self.output: WatcherOutput = runtime.output(owner)

    @property
    def config(self) -> WatcherConfig:
        return self._owner.config

    @property
    def processes(self) -> dict[int, Process]:
        """Those that have a pid, by pid, in spawn order."""
        return self._processes

    def __iter__(self) -> Iterator[Process]:
        return iter(list(self._processes.values()))

    def pids(self) -> frozenset[int]:
        """Those that are wanted: up, and not told to stop."""
        return frozenset(pid for pid, process in self._processes.items() if process.worker.is_live)

    def task(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run something that ends by itself; what it raises is logged."""
        task = self._runtime.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)
        return task

    def last_task(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run something that tells of an end: close() does not cut it off."""
        task = self.task(work)
        self._last_tasks.add(task)
        task.add_done_callback(self._last_tasks.discard)

    async def after_last_tasks(self) -> None:
        """Wait until all ends have been told; each hook has its timeout."""
        others = [task for task in self._last_tasks if task is not asyncio.current_task()]
        if others:
            await asyncio.wait(others)

    def publish(self, kind: type[events.Event], **payload: Any) -> None:
        time = payload.pop("time", None) or self._runtime.clock.wall()
        self._runtime.publish(kind(watcher=self._owner.name, time=time, **payload))

    async def close(self) -> None:
        """Let what tells of ends finish, end what else is under way and close the streams."""
        await self.after_last_tasks()
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.output.close()

    # Up

    def spawn(self, wid: int, *, generation: int) -> None:
        """Start a process in this worker number: ask before_spawn, wait for its turn, ask after_spawn."""
        now = self._runtime.clock.monotonic()
        worker = self._seen.add(wid, generation=generation, next_spawn=now + self.config.warmup_delay)
        self._coming_up += 1
        self.task(self._bring_up(worker))

    async def _bring_up(self, worker: Worker) -> None:
        try:
            env = await self._granted(worker)
            if env is None:
                return
            async with self._runtime.turns.turn(self.config.priority):
                process = self._start_program(worker, env)
            if process is not None:
                await self._greet(process)
        finally:
            self._coming_up -= 1
            if self._coming_up % _PLANNED_TOGETHER == 0:  # one plan for all that came up together
                self._owner.look()

    async def _granted(self, worker: Worker) -> dict[str, str] | None:
        """Ask before_spawn; return the environment as that left it, None if there shall be no process.

        A function of the section is asked for one process after the other: what it writes to the watcher's
        env is for this process, as in 0.19.
        """
        async with self._asking if "before_spawn" in self.config.hooks else nullcontext():
            if worker.state is ProcessState.EXITED:  # stopped while it waited
                return None
            verdict = await self._runtime.hooks.before_spawn(self._owner, worker.wid)
            env = dict(self._owner.env)
        if verdict:
            return env
        self._refused(worker, "before_spawn", verdict)
        return None

    def _start_program(self, worker: Worker, env: dict[str, str]) -> Process | None:
        """Spawn, unless it was stopped meanwhile; None if there is no process."""
        if worker.state is ProcessState.EXITED:
            return None
        try:
            process = self._spawned(worker, env)
        except CircusError as error:
            shortage = _is_shortage(error)
            self._failed(worker, str(error), counted=not shortage, shortage=shortage)
            return None
        except Exception as error:  # backends and streams come from anybody
            log.exception("error in %r", self._owner.name)
            self._failed(worker, f"{type(error).__name__}: {error}", counted=True)
            return None
        now = self._runtime.clock.monotonic()
        self._seen.spawned(worker, now=now, expires=self._expiry(now))
        self._seen.next_spawn = max(self._seen.next_spawn, now + self.config.warmup_delay)
        self._processes[process.pid] = self._by_wid[worker.wid] = process
        self.history.spawns[worker.wid] += 1
        self._unannounced.add(process)
        return process

    def check(self, config: WatcherConfig) -> None:
        """Raise SpawnError, or CircusError of a backend, if no process can be started with these options."""
        check = getattr(self._runtime.backend(config.backend), "check", None)
        if check is not None:
            owner = self._runtime.endpoint_owner
            streams = StandardStreams()
            check(spawn_request(config, 1, env=config.env, sockets={}, streams=streams, endpoint_owner=owner))

    def _spawned(self, worker: Worker, env: dict[str, str]) -> Process:
        config, runtime = self.config, self._runtime
        process = Process(config, worker, backend=runtime.backend(config.backend), clock=runtime.clock)
        with lent_sockets(config, runtime.sockets) as sockets, self.output.connection() as connection:
            request = spawn_request(
                config,
                worker.wid,
                env=env,
                sockets=sockets,
                streams=connection.streams,
                endpoint_owner=runtime.endpoint_owner,
            )
            process.spawn(request, self._when_it_ends)
            try:
                connection.attach(process.pid, worker.wid)
            except BaseException:
                process.discard()  # nobody would know of it
                raise
        return process

    async def _greet(self, process: Process) -> None:
        """Ask after_spawn about a process with a pid; it may have ended or been told to stop meanwhile."""
        verdict = await self._runtime.hooks.after_spawn(self._owner, process)
        if verdict:
            self._announce_spawn(process)
        if process.state is not ProcessState.STARTING:
            return
        if not verdict:
            self._unannounced.discard(process)
            self._unwelcome.add(process)
            self._refused(process.worker, "after_spawn", verdict)
            return
        self._seen.ready(process.worker)
        await self._runtime.hooks.process_ready(self._owner, process)

    def _announce_spawn(self, process: Process) -> None:
        """Publish it, once."""
        if process in self._unannounced:
            self._unannounced.discard(process)
            self.publish(events.Spawned, process_pid=process.pid, time=process.started)

    def _announce_reap(self, process: Process, returncode: int) -> None:
        """Publish it, so that every reap follows its spawn: also when after_spawn has not answered yet."""
        if process in self._unwelcome:
            self._unwelcome.discard(process)
            return
        self._announce_spawn(process)
        self.publish(events.Reaped, process_pid=process.pid, exit_code=returncode)

    def renew_expiries(self) -> None:
        """max_age has changed: let it count for those that run, too."""
        for process in self._processes.values():
            started = process.worker.started
            if started is not None:
                process.worker.expires = self._expiry(started)

    def _expiry(self, now: float) -> float | None:
        """When max_age is over; drawn once for each process."""
        if self.config.max_age <= 0:
            return None
        return now + self.config.max_age + self._runtime.jitter() * self.config.max_age_variance

    def _refused(self, worker: Worker, hook: str, verdict: Verdict) -> None:
        """A hook forbade this process; one of the watcher's own section stops the watcher, as in 0.19."""
        if worker.state is ProcessState.EXITED:
            return
        reason = f"{hook} said no ({verdict.by})"
        if verdict.stop_watcher:
            self._owner.give_up(reason)
        if worker.state is ProcessState.PENDING:
            self._failed(worker, reason, counted=False)
        else:
            now, jitter = self._runtime.clock.monotonic(), self._runtime.jitter()
            self._announce(self._seen.refused(worker, now=now, reason=reason, jitter=jitter))
            self.stop(worker)

    def _failed(self, worker: Worker, reason: str, *, counted: bool, shortage: bool = False) -> None:
        log.warning("error in %r: %s", self._owner.name, reason)
        self.history.failed_spawns += 1
        now, jitter = self._runtime.clock.monotonic(), self._runtime.jitter()
        self._announce(
            self._seen.spawn_failed(
                worker, now=now, reason=reason, counted=counted, jitter=jitter, shortage=shortage
            )
        )

    def _announce(self, backoff: Backoff | None) -> None:
        if backoff is None:
            return
        delay = backoff.until - self._runtime.clock.monotonic()
        if delay > 0:
            details = {"wid": backoff.wid, "failures": backoff.failures, "reason": backoff.reason}
            self.publish(events.BackedOff, delay=delay, **details)

    # Down

    def stop(self, worker: Worker, *, signum: int | None = None, grace: float | None = None) -> None:
        """Send the stop signal and start the grace time, in seconds; a worker without pid just goes."""
        grace = self.config.graceful_timeout if grace is None else grace
        self._seen.stop_sent(worker, deadline=self._runtime.clock.monotonic() + grace)
        process = self._by_wid.get(worker.wid)
        if process is not None:
            self.task(self._send_stop(process, self.config.stop_signal if signum is None else signum))

    def kill(self, worker: Worker) -> None:
        """The grace time is over."""
        self._seen.kill_sent(worker, now=self._runtime.clock.monotonic())
        process = self._by_wid.get(worker.wid)
        if process is not None and process.returncode is None:  # else it has ended, and is being told of
            log.warning("%s: process %d did not end in time and is killed", self._owner.name, process.pid)
            process.kill()
            self.publish(events.Killed, process_pid=process.pid)

    def give_up_on(self, worker: Worker) -> None:
        """It did not even end by SIGKILL."""
        self._seen.survived_kill(worker)
        process = self._by_wid.get(worker.wid)
        if process is not None and process.returncode is None:
            log.error("%s: process %d does not even end by SIGKILL", self._owner.name, process.pid)
            self.publish(events.Unkillable, process_pid=process.pid)

    def unkillable(self) -> list[int]:
        """Return the pids of those that did not even end by SIGKILL."""
        return [self._by_wid[wid].pid for wid in self._seen.unkillable]

    async def signal(
        self, process: Process, signum: int, *, then: Callable[[bool], object] = lambda sent: None
    ) -> None:
        """Send a signal unless before_signal forbids it (not SIGKILL).

        Args:
            then: told at once whether it was sent, before after_signal is asked.
        """
        hooks = self._runtime.hooks
        allowed = signum == signal.SIGKILL or bool(await hooks.before_signal(self._owner, process, signum))
        then(allowed and process.send_signal(signum))
        told = self._telling[process] = self._runtime.loop.create_future()
        try:
            await hooks.after_signal(self._owner, process, signum)
        finally:
            told.set_result(None)
            if self._telling.get(process) is told:
                del self._telling[process]

    async def _send_stop(self, process: Process, signum: int) -> None:
        children = process.children() if self.config.stop_children else []

        def go_on(sent: bool) -> None:
            if sent:
                self.publish(events.Killed, process_pid=process.pid)
                if process.is_suspended():
                    process.send_signal(signal.SIGCONT)  # signal(7): a stopped process acts on nothing else
            for pid in signal_all(children, signum):
                self.publish(events.Killed, process_pid=pid)

        await self.signal(process, signum, then=go_on)

    def _on_exit(self, process: Process, returncode: int) -> None:
        self.last_task(self._reap(process, returncode, ended=self._runtime.clock.monotonic()))

    async def _reap(self, process: Process, returncode: int, *, ended: float) -> None:
        """The status is collected; the place is free once the last output and before_reap are done."""
        hooks = self._runtime.hooks
        await self.output.drain(process.pid)
        if process in self._telling:  # so that hooks come in the order of a life, as in 0.19
            await asyncio.wait([self._telling[process]], timeout=_TELLING_TIME)
        await hooks.before_reap(self._owner, process)
        self._bury(process, returncode, ended)
        self._announce_reap(process, returncode)
        self._owner.look()
        await hooks.after_reap(self._owner, process, returncode)

    def _bury(self, process: Process, returncode: int, ended: float) -> None:
        self._remember(process, returncode, ended)
        del self._by_wid[process.wid]
        if self._processes.get(process.pid) is process:  # else its number is another one's by now
            del self._processes[process.pid]
        backoff = self._seen.exited(
            process.worker,
            now=ended,
            reason=describe_exit(returncode),
            replace=self._is_to_be_replaced(returncode),
            jitter=self._runtime.jitter(),
            has_come_up=process.has_come_up,
        )
        self._announce(backoff)

    def _is_to_be_replaced(self, returncode: int) -> bool:
        config = self.config
        return config.respawn and not config.on_demand and returncode not in config.final_exits

    def _remember(self, process: Process, returncode: int, ended: float) -> None:
        clock, worker = self._runtime.clock, process.worker
        self.history.note_exit(
            Exit(
                pid=process.pid,
                wid=process.wid,
                returncode=returncode,
                at=clock.wall() - (clock.monotonic() - ended),
                lived=ended - worker.started if worker.started is not None else 0.0,
                was_asked=worker.state is ProcessState.STOPPING,
            )
        )

    def _task_done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("%s: an internal task failed", self._owner.name, exc_info=task.exception())


def _is_shortage(error: CircusError) -> bool:
    """The machine lacks something for now: the command is not to blame."""
    cause = error.__cause__
    return (isinstance(error, SpawnError) and error.shortage) or (
        isinstance(cause, OSError) and cause.errno in _SHORTAGES
    )
