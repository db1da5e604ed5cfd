"""A changed configuration file, put in force while everything runs: read, compare, prepare, then begin.

Whatever can fail comes first: the file is read and checked, sockets are bound, functions and streams are
found. Then the wishes of all watchers change in one turn of the loop, so that nothing comes in between, and
what remains is to wait until the processes have followed. A stop, or the end of the arbiter, does not wait
for that, and neither does the next reload.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from typing import Any, Final

from circus_core.config.check import CheckReport
from circus_core.config.diff import ConfigPlan, Consequence, SocketStep, WatcherStep, diff
from circus_core.config.load import LoadResult
from circus_core.config.mappings import watcher_from_mapping
from circus_core.config.model import Config, SocketConfig, WatcherConfig
from circus_core.config.options import Table
from circus_core.config.problems import Level, Problem, raise_errors
from circus_core.errors import CommandError, ConfigError, SocketError, SpawnError
from circus_core.hooks import Hooks
from circus_core.loading import ConfigFile
from circus_core.plugin_watcher import plugin_command
from circus_core.records import dataclass, field, replace
from circus_core.section_hooks import check_hooks
from circus_core.sockets import CircusSocket, Sockets
from circus_core.states import WatcherState
from circus_core.watcher import Streams, Watcher
from circus_core.workers import Workers

__all__ = ["READING", "Hands", "Outlook", "Reconfiguration", "Reload", "refusal"]

log = logging.getLogger("circus")

_FEW: Final = 3
"""So many watchers may always vanish from a file that has others left; see refusal()."""

READING: Final = 60.0
"""Seconds that reading a configuration may take: a file may be a pipe that nobody writes to."""


_NO_FILE: Final = (
    "this arbiter was not made from a file: there is nothing to read again; use set, add and rm to change it"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """What the arbiter lets us do with its watchers; on the loop.

    Attributes:
        find: a watcher by its lower-case name.
        make: a watcher that nobody knows yet; ConfigError.
        enlist: let it be known.
        retire: forget one and stop it; done when it has stopped.
        start: start these, highest priority first, with the warmup_delay of [circus] in between.
        adopt: this is the configuration from now on.
        task: own a task.
        is_ending: the arbiter is told to stop, or has not begun.
    """

    watchers: Callable[[], Sequence[Watcher]]
    find: Callable[[str], Watcher | None]
    make: Callable[[WatcherConfig], Watcher]
    enlist: Callable[[Watcher], None]
    retire: Callable[[Watcher], asyncio.Future[Any]]
    start: Callable[[Sequence[Watcher]], Awaitable[object]]
    adopt: Callable[[Config], None]
    task: Callable[[Coroutine[Any, Any, Any]], asyncio.Task[Any]]
    is_ending: Callable[[], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What a reload would do.

    Attributes:
        refusal: why it is refused without force; empty if it is not.
        doubts: what is odd about the file, though it can be used.
    """

    plan: ConfigPlan
    refusal: str = ""
    doubts: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reload:
    """A reload that has begun.

    Attributes:
        followed: done when the processes have followed; giving up waiting for it changes nothing. Resolves to
            the watchers that did not come to run, each with the reason.
    """

    plan: ConfigPlan
    doubts: tuple[Problem, ...]
    followed: asyncio.Future[dict[str, str]]


class Reconfiguration:
    """Puts the changes of one file in force, one reload after the other. Belongs to the loop."""

    def __init__(
        self,
        config: Config,
        file: ConfigFile | None,
        *,
        hands: Hands,
        sockets: Sockets,
        hooks: Hooks,
        workers: Workers,
    ) -> None:
        """Args:
        config: what is in force.
        file: None: there is none, and every reload is refused.
        """
        self.in_force = config
        self._file = file
        self._hands = hands
        self._sockets = sockets
        self._hooks = hooks
        self._workers = workers
        self._turn = asyncio.Lock()
        self._going: dict[str, asyncio.Future[Any]] = {}  # watchers told to go, by lower-case name

    async def look(self) -> Outlook:
        """Read the file and compare; nothing is changed.

        Raises:
            ConfigError: the file can't be used, with a line for each reason, or a plugin refuses it.
            CommandError: there is no file, or the arbiter is about to end.
        """
        async with self._turn:
            return await self._look()

    async def reload(self, *, force: bool = False) -> Reload:
        """Begin to put the file in force; what was begun before has its turn first.

        Args:
            force: also a file from which many watchers have vanished, see refusal().

        Raises:
            ConfigError, SocketError, SpawnError, CommandError: it can't be done; all is as it was.
        """
        async with self._turn:
            outlook = await self._look()
            if outlook.refusal and not force:
                raise CommandError(outlook.refusal)
            prepared = await self._prepare(outlook.plan)
            for doubt in outlook.doubts:
                log.warning("%s", doubt)
            followed = self._begin(outlook.plan, prepared)
        return Reload(plan=outlook.plan, doubts=outlook.doubts, followed=asyncio.shield(followed))

    def new_section(self, values: Mapping[str, Any]) -> WatcherConfig:
        """Make the section of one more watcher, see Arbiter.new_section(); raises ConfigError."""
        extra = self._hooks.register_options()
        section = watcher_from_mapping(values, extra_options=extra, allow_unknown=False)
        return self._hooks.before_add(section, self.in_force)

    async def check(self, path: str | None) -> CheckReport:
        """Check a file, the own one if None, as `circusd --check`; raises CommandError: there is none."""
        if self._file is None:
            raise CommandError("this arbiter was not made from a file: name one to check")
        return await self._workers.run(self._file.check, path)

    # Before anything changes

    async def _look(self) -> Outlook:
        self._refuse_if_ending()
        if self._file is None:
            raise CommandError(_NO_FILE)
        result = await self._read(self._file)
        raise_errors(result.problems)
        if result.config is None:
            raise AssertionError("a file without errors gives a configuration")
        self._refuse_if_ending()
        watchers = self._hands.watchers()
        from_file = _names(self.in_force)
        old = _with_watchers(self.in_force, watchers)
        plan = diff(
            old,
            result.config,
            remake=self._hooks.config_diff(self.in_force, result.config),
            stopped=[w.name for w in watchers if w.is_idle and not w.has_given_up],
            failed=[w.name for w in watchers if w.is_idle and w.has_given_up],
            run_plugin=plugin_command,
            table=Table(self._hooks.register_options()),
        )
        running = [w.name for w in watchers if not w.is_idle and w.name.lower() in from_file]
        doubts = tuple(problem for problem in result.problems if problem.level is not Level.ERROR)
        return Outlook(plan=plan, refusal=refusal(plan, running), doubts=doubts)

    async def _read(self, file: ConfigFile) -> LoadResult:
        try:
            return await self._workers.run(file.read, timeout=READING)
        except TimeoutError:
            raise ConfigError(f"{file.path}: it could not be read within {READING:g} s") from None

    async def _prepare(self, plan: ConfigPlan) -> _Prepared:
        """Make all that may fail; what was made is closed again if something does."""
        prepared = _Prepared()
        async with AsyncExitStack() as undo:
            await self._check_hooks([step.new for step in plan.watchers if step.new is not None])
            arriving = [step.new for step in plan.sockets if step.new is not None and _is_made(step)]
            if arriving:
                await self._bind(arriving, prepared, undo)
            for step in plan.watchers:
                if step.new is not None and step.old is None:
                    self._prepare_new(step.new, prepared, undo)
                elif step.new is not None:
                    self._prepare_change(step, prepared, undo)
            self._refuse_if_ending()
            undo.pop_all()
        return prepared

    async def _check_hooks(self, configs: Iterable[WatcherConfig]) -> None:
        """Import what hooks name off the loop: what a plugin added has not been looked at yet."""
        hooked = [config for config in configs if config.hooks]
        if hooked:
            await self._workers.run(_check_all_hooks, hooked)

    async def _bind(self, configs: Sequence[SocketConfig], prepared: _Prepared, undo: AsyncExitStack) -> None:
        """Bind new sockets beside the old ones: those stay as they are until this has worked."""
        arriving = await self._workers.run(Sockets, configs)  # hosts are looked up
        undo.callback(arriving.close_all)
        for each in arriving.values():
            _refuse_taken(each, self._sockets.values())
        for config in configs:
            await self._hooks.before_bind(config)
        arriving.bind_all()
        arriving.try_shared_addresses()
        for config in configs:
            await self._hooks.after_bind(config, arriving.fileno(config.name))
        prepared.sockets = arriving

    def _prepare_new(self, config: WatcherConfig, prepared: _Prepared, undo: AsyncExitStack) -> None:
        watcher = prepared.new[config.name] = self._hands.make(config)
        if config.autostart:
            undo.callback(watcher.discard_streams, watcher.make_streams())

    def _prepare_change(self, step: WatcherStep, prepared: _Prepared, undo: AsyncExitStack) -> None:
        watcher = self._find(step)
        if watcher is not None:
            config = _changed(watcher, step)
            if step.replaces:
                _check_successor(watcher, config)
            streams = watcher.prepare_streams(config)
            undo.callback(watcher.discard_streams, streams)
            prepared.changes.append(_Change(watcher, step, config, streams))

    def _refuse_if_ending(self) -> None:
        if self._hands.is_ending():
            raise CommandError("the configuration can't be reloaded: the arbiter is about to end")

    # The turn in which everything changes: nothing here waits

    def _begin(self, plan: ConfigPlan, prepared: _Prepared) -> asyncio.Task[dict[str, str]]:
        for line in plan.to_text().splitlines() or ["nothing has changed"]:
            log.info("reload of the configuration: %s", line)
        self.in_force = plan.target
        self._hands.adopt(plan.target)
        leaving = self._exchange_sockets(plan.sockets, prepared.sockets)
        stopping = [each for step in plan.watchers if step.new is None for each in self._retire(step)]
        changing = [self._change(change) for change in prepared.changes]
        starting = [change.watcher for change in prepared.changes if _is_started(change.step)]
        for step in plan.watchers:
            if step.name in prepared.new:
                watcher = prepared.new[step.name]
                stopping += self._retire(step)  # a client may have added one of this name just now
                stopping += self._still_going(step)
                self._hands.enlist(watcher)
                starting += [watcher] if _is_started(step) else []
        if plan.sockets:
            for watcher in self._hands.watchers():
                watcher.sockets_changed()
        stops = {watcher: watcher.stops for watcher in starting}
        touched = [*starting, *(change.watcher for change in prepared.changes)]
        return self._hands.task(self._follow(leaving, stopping, changing, stops, touched))

    def _exchange_sockets(
        self, steps: Iterable[SocketStep], arriving: Sockets
    ) -> list[tuple[SocketConfig, CircusSocket]]:
        """Put the new ones in place; returns those that are to be closed."""
        new, leaving = arriving.release_all(), []
        for step in steps:
            if step.consequence is Consequence.NOW and step.new is not None:
                self._adapt(step.new)
                continue
            old = self._sockets.exchange(step.name, new.get(step.name))
            if old is not None and step.old is not None:
                leaving.append((step.old, old))
        return leaving

    def _adapt(self, config: SocketConfig) -> None:
        try:
            self._sockets[config.name].adapt(config)
        except SocketError as error:
            log.error("it goes on as it was: %s", error)

    def _retire(self, step: WatcherStep) -> list[Awaitable[object]]:
        watcher = self._find(step)
        if watcher is None:
            return []
        gone = self._going[step.name.lower()] = self._hands.retire(watcher)
        return [gone]

    def _still_going(self, step: WatcherStep) -> list[Awaitable[object]]:
        """One of this name that an earlier reload took out: the new one starts when that has stopped."""
        self._going = {name: gone for name, gone in self._going.items() if not gone.done()}
        return [gone for name, gone in self._going.items() if name == step.name.lower()]

    def _change(self, change: _Change) -> Awaitable[object]:
        """Have it follow; one that was removed meanwhile is told in vain."""
        return change.watcher.reconfigure(
            _changed(change.watcher, change.step),
            options=change.step.options,
            streams=change.streams,
            replaces=change.step.replaces,
        )

    def _find(self, step: WatcherStep) -> Watcher | None:
        return self._hands.find(step.name.lower())

    # What takes its time

    async def _follow(
        self,
        leaving: Iterable[tuple[SocketConfig, CircusSocket]],
        stopping: Iterable[Awaitable[object]],
        changing: Iterable[Awaitable[object]],
        starting: dict[Watcher, int],
        touched: Collection[Watcher],
    ) -> dict[str, str]:
        """Wait until all is done. What is new may need what the removed ones hold, so it starts after those.

        Args:
            starting: how often each had been told to stop: who is told so meanwhile is not started.
        """
        with ExitStack() as held:
            for _, socket in leaving:
                held.callback(self._sockets.dismiss, socket)
            for config, _ in leaving:
                await self._hooks.before_close(config)
        changed = asyncio.gather(*changing)
        await asyncio.gather(*stopping)
        if not self._hands.is_ending():
            await self._hands.start([w for w, stops in starting.items() if w.stops == stops])
        await changed
        return {watcher.name: watcher.reason for watcher in touched if _is_in_trouble(watcher)}


@dataclass(frozen=True, slots=True)
class _Change:
    watcher: Watcher
    step: WatcherStep
    config: WatcherConfig
    streams: Streams


@dataclass(slots=True)
class _Prepared:
    """All that a reload needs and that might have failed; `new` by the name of the step."""

    sockets: Sockets = field(default_factory=Sockets)
    new: dict[str, Watcher] = field(default_factory=dict)
    changes: list[_Change] = field(default_factory=list)


def refusal(plan: ConfigPlan, running: Collection[str]) -> str:
    """Say why a file should not be put in force without being asked twice; "" if it may.

    A file that was cut off while it was written is valid too. So it is refused if three or more of the
    running watchers, and more than half of them, are gone from it, or if it has no watcher at all.

    Args:
        running: the names of watchers that came from the file and run.
    """
    gone = {step.name.lower() for step in plan.watchers if step.new is None}
    lost = sorted(name for name in running if name.lower() in gone)
    is_empty = not (plan.target.watchers or plan.target.plugins)
    is_most = len(lost) >= _FEW and 2 * len(lost) > len(running)
    if not lost or not (is_most or is_empty):
        return ""
    shown = ", ".join(map(repr, lost[:5])) + (", ..." if len(lost) > 5 else "")
    what = f"{len(lost)} of {len(running)} running watchers are not in the file any more ({shown})"
    return f"{what}: was it cut off? use --force (force: true) if that is meant"


def _with_watchers(config: Config, watchers: Iterable[Watcher]) -> Config:
    """What is in force with the watchers that there are: without removed ones, with those of `add`."""
    live, known = {watcher.name.lower(): watcher for watcher in watchers}, _names(config)
    added = [
        replace(watcher.config, numprocesses=watcher.numprocesses)
        for name, watcher in live.items()
        if name not in known
    ]
    return replace(
        config,
        watchers=(*(each for each in config.watchers if each.name.lower() in live), *added),
        plugins=tuple(plugin for plugin in config.plugins if plugin.watcher.name.lower() in live),
    )


def _names(config: Config) -> set[str]:
    watchers = (*config.watchers, *(plugin.watcher for plugin in config.plugins))
    return {watcher.name.lower() for watcher in watchers}


def _changed(watcher: Watcher, step: WatcherStep) -> WatcherConfig:
    """The configuration of a watcher as it is now, by `set` and `incr` too, with what the file changed."""
    new = {name: getattr(step.new, name) for name in step.fields}
    return replace(watcher.config, **{"numprocesses": watcher.numprocesses, **new})


def _check_successor(watcher: Watcher, config: WatcherConfig) -> None:
    try:
        watcher.check_successor(config)
    except SpawnError as error:
        raise SpawnError(
            f"watcher {config.name!r}: {error}; its processes would be stopped for that"
        ) from error


def _check_all_hooks(configs: Iterable[WatcherConfig]) -> None:
    for config in configs:
        check_hooks(config)


def _is_in_trouble(watcher: Watcher) -> bool:
    """It gave up, waits for the next try, or kept its old processes."""
    is_up = watcher.state is WatcherState.ACTIVE
    return bool(watcher.reason) and (watcher.has_given_up or is_up or not watcher.config.on_demand)


def _is_made(step: SocketStep) -> bool:
    return step.consequence in (Consequence.ADD, Consequence.REBIND)


def _is_started(step: WatcherStep) -> bool:
    return step.consequence is Consequence.START


def _refuse_taken(new: CircusSocket, bound: Iterable[CircusSocket]) -> None:
    for each in bound:
        if new.clashes_with(each):
            raise SocketError(
                f"socket {new.name!r}: {new.location} is held by socket {each.name!r} until circusd is "
                "restarted; choose another address, or use restart"
            )
