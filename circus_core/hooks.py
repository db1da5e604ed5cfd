"""The only caller of hooks: one typed method per specification.

Implementations are called one by one in pluggy's order (the plugin registered last comes first, `tryfirst`
and `trylast` change that) and apart from each other: one that raises, or takes too long, is named in the
log and counted as its specification says, and the others are called all the same.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
from collections.abc import Awaitable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pluggy

from circus_core.access.identity import Identity
from circus_core.clock import Clock
from circus_core.config.model import Config, SocketConfig, StreamConfig, WatcherConfig
from circus_core.errors import ConfigError, PluginError
from circus_core.events import Event, HookFailed, HookTimedOut, Publish
from circus_core.hookspecs import ALLOWED, Verdict
from circus_core.own_task import in_a_task
from circus_core.plugins import HookPlugins
from circus_core.views import ArbiterView, ProcessView, WatcherView

if TYPE_CHECKING:
    from circus_core.config.options import Option

__all__ = ["ALLOWED", "Hooks", "Verdict"]

log = logging.getLogger("circus.hooks")

_SLOW = 0.05
"""Seconds after which an implementation of `event` is named in the log."""


class _TooLateError(Exception):
    """An implementation was awaited for as long as it may be."""


class Hooks:
    """Calls hooks, each under a timeout if it awaits something, and combines the answers.

    Runs on the loop; the methods of the configuration family need none.
    """

    def __init__(
        self, manager: pluggy.PluginManager, *, publish: Publish, clock: Clock, timeout: float = 10.0
    ) -> None:
        """Args:
        manager: knows the specifications; `plugin_manager()` or HookPlugins() makes one. Plugins may
            come and go later.
        timeout: seconds that one implementation may be awaited. A plugin with an attribute `hook_timeout`
            sets its own; None stands for no limit.
        """
        self._manager = manager
        self._relay = manager.hook
        self._publish = publish
        self._clock = clock
        self._timeout = timeout
        self._listening: set[pluggy.HookImpl] = set()
        self._event_failures: dict[pluggy.HookImpl, int] = {}
        self._slow: set[pluggy.HookImpl] = set()

    # Configuration: plain calls, a fault ends what was asked for.

    def register_options(self) -> list[Option]:
        """Return the options that plugins declare; raises PluginError, also if two declare the same."""
        found: dict[tuple[str, str], tuple[pluggy.HookImpl, Option]] = {}
        for implementation, options in self._ask_plainly("register_options", PluginError):
            for option in options:
                other, _ = found.setdefault((option.section, option.name), (implementation, option))
                if other is not implementation:
                    what = f"{option.name!r} of [{option.section}] is declared by {self._label(other)} too"
                    self._refuse("register_options", implementation, PluginError, what)
        return [option for _, option in found.values()]

    def read_config(self, path: Path) -> Mapping[str, Mapping[str, Any]] | None:
        """Return the sections that a plugin read from `path`, or None; raises ConfigError."""
        for _, sections in self._ask_plainly("read_config", ConfigError, path=path):
            return sections  # type: ignore[no-any-return]  # what a plugin returns
        return None

    def config_loaded(self, config: Config) -> Config:
        """Return the configuration as the plugins leave it; raises ConfigError."""
        for implementation in self._implementations("config_loaded"):
            answer = self._call_plainly("config_loaded", implementation, ConfigError, {"config": config})
            if not isinstance(answer, Config | None):
                self._refuse(
                    "config_loaded", implementation, ConfigError, f"returned a {type(answer).__name__}"
                )
            config = answer or config
        return config

    def before_add(self, section: WatcherConfig, config: Config) -> WatcherConfig:
        """Return the section of a watcher to be added as the plugins leave it; raises ConfigError."""
        for implementation in self._implementations("before_add"):
            arguments = {"section": section, "config": config}
            answer = self._call_plainly("before_add", implementation, ConfigError, arguments)
            if not isinstance(answer, WatcherConfig | None) or (answer and answer.name != section.name):
                self._refuse("before_add", implementation, ConfigError, f"returned {answer!r}")
            section = answer or section
        return section

    def config_diff(self, old: Config, new: Config) -> frozenset[str]:
        """Return names of watchers to make anew; raises ConfigError if a plugin refuses the reload."""
        answers = self._ask_plainly("config_diff", ConfigError, old=old, new=new)
        return frozenset(name for _, names in answers for name in names)

    # Arbiter

    async def arbiter_starting(self, arbiter: ArbiterView) -> None:
        await self._tell("arbiter_starting", arbiter=arbiter)

    async def arbiter_started(self, arbiter: ArbiterView) -> None:
        await self._tell("arbiter_started", arbiter=arbiter)

    async def arbiter_stopping(self, arbiter: ArbiterView) -> None:
        await self._tell("arbiter_stopping", arbiter=arbiter)

    async def arbiter_stopped(self, arbiter: ArbiterView) -> None:
        await self._tell("arbiter_stopped", arbiter=arbiter)

    async def watcher_added(self, watcher: WatcherView) -> None:
        await self._tell("watcher_added", watcher=watcher)

    async def watcher_removed(self, watcher: WatcherView) -> None:
        await self._tell("watcher_removed", watcher=watcher)

    # Watcher

    async def before_start(self, watcher: WatcherView) -> Verdict:
        return await self._ask("before_start", watcher=watcher)

    async def after_start(self, watcher: WatcherView) -> Verdict:
        return await self._ask("after_start", watcher=watcher)

    async def before_stop(self, watcher: WatcherView) -> None:
        await self._tell("before_stop", watcher=watcher)

    async def after_stop(self, watcher: WatcherView) -> None:
        await self._tell("after_stop", watcher=watcher)

    async def before_reload(self, watcher: WatcherView) -> Verdict:
        return await self._ask("before_reload", watcher=watcher)

    async def after_reload(self, watcher: WatcherView) -> None:
        await self._tell("after_reload", watcher=watcher)

    async def after_resize(self, watcher: WatcherView, previous: int) -> None:
        await self._tell("after_resize", watcher=watcher, previous=previous)

    def function_views(self, watcher: WatcherView, arbiter: ArbiterView) -> tuple[object, object]:
        """Return what a function of the watcher's section gets."""
        for answer in self._offers("function_views", watcher, watcher=watcher, arbiter=arbiter):
            first, second = answer
            return first, second
        return watcher, arbiter

    # Process

    async def before_spawn(self, watcher: WatcherView, wid: int) -> Verdict:
        return await self._ask("before_spawn", watcher=watcher, wid=wid)

    async def after_spawn(self, watcher: WatcherView, process: ProcessView) -> Verdict:
        return await self._ask("after_spawn", watcher=watcher, process=process)

    async def process_ready(self, watcher: WatcherView, process: ProcessView) -> None:
        await self._tell("process_ready", watcher=watcher, process=process)

    async def before_signal(self, watcher: WatcherView, process: ProcessView, signum: int) -> Verdict:
        """Not for SIGKILL: nobody is asked about that."""
        return await self._ask("before_signal", ALLOWED, watcher=watcher, process=process, signum=signum)

    async def after_signal(self, watcher: WatcherView, process: ProcessView, signum: int) -> None:
        await self._tell("after_signal", watcher=watcher, process=process, signum=signum)

    async def before_reap(self, watcher: WatcherView, process: ProcessView) -> None:
        await self._tell("before_reap", watcher=watcher, process=process)

    async def after_reap(self, watcher: WatcherView, process: ProcessView, exit_code: int) -> None:
        await self._tell("after_reap", watcher=watcher, process=process, exit_code=exit_code)

    # Sockets

    async def before_bind(self, socket: SocketConfig) -> None:
        await self._tell("before_bind", socket=socket)

    async def after_bind(self, socket: SocketConfig, fd: int) -> None:
        await self._tell("after_bind", socket=socket, fd=fd)

    async def before_close(self, socket: SocketConfig) -> None:
        await self._tell("before_close", socket=socket)

    async def first_connection(self, watcher: WatcherView) -> None:
        await self._tell("first_connection", watcher=watcher)

    # Observation

    def event(self, event: Event) -> None:
        """Tell every implementation but those that are running: one may publish without hearing itself."""
        for implementation in self._implementations("event"):
            if implementation not in self._listening:
                self._tell_event(implementation, event)

    async def extended_stats(self, watcher: WatcherView, process: ProcessView, stats: dict[str, Any]) -> None:
        """Let plugins change `stats` in place; what one that fails did, or JSON can't say, is undone."""
        arguments = {"watcher": watcher, "process": process, "stats": stats}
        for implementation in self._implementations("extended_stats"):
            before = dict(stats)
            try:
                await self._answer("extended_stats", implementation, arguments)
                json.dumps(stats, allow_nan=False)
            except (Exception, SystemExit) as error:  # noqa: BLE001  it is logged, with its plugin's name
                stats.clear()
                stats.update(before)
                self._report("extended_stats", implementation, error, watcher)

    def output(self, watcher: WatcherView, stream: str, config: StreamConfig | None) -> Any:
        """Return the stream object that a plugin chose for `stream` ("stdout" or "stderr"), or None."""
        return next(self._offers("output", watcher, watcher=watcher, stream=stream, config=config), None)

    def _offers(self, hook: str, about: WatcherView | None, **arguments: Any) -> Iterator[Any]:
        """Yield the answers of plain functions that are not None."""
        for implementation in self._implementations(hook):
            try:
                answer = _plain(_invoke(implementation, arguments))
            except (Exception, SystemExit) as error:  # noqa: BLE001  it is logged, with its plugin's name
                self._report(hook, implementation, error, about)
                continue
            if answer is not None:
                yield answer

    # Control

    def find_command(self, name: str) -> Any:
        """Return the command that a plugin provides, or None."""
        return next(self._offers("find_command", None, name=name), None)

    async def authorize(
        self, identity: Identity, command: str, properties: Mapping[str, Any], access: str
    ) -> Verdict:
        return await self._ask(
            "authorize", identity=identity, command=command, properties=properties, access=access
        )

    async def before_command(self, identity: Identity, command: str, properties: Mapping[str, Any]) -> None:
        await self._tell("before_command", identity=identity, command=command, properties=properties)

    async def after_command(
        self, identity: Identity, command: str, properties: Mapping[str, Any], error: str
    ) -> None:
        await self._tell(
            "after_command", identity=identity, command=command, properties=properties, error=error
        )

    # How they are called

    def _implementations(self, hook: str) -> Iterator[pluggy.HookImpl]:
        """In the order in which they are called; safe when plugins come and go meanwhile."""
        caller: pluggy.HookCaller = getattr(self._relay, hook)
        return reversed(caller.get_hookimpls())

    async def _ask(self, hook: str, on_failure: Verdict | None = None, **arguments: Any) -> Verdict:
        """Ask all; the first refusal names itself, any of them may stop the watcher."""
        verdict = ALLOWED
        for implementation in self._implementations(hook):
            try:
                answer = await self._answer(hook, implementation, arguments)
                said = self._as_verdict(answer, implementation)
            except (Exception, SystemExit) as error:  # noqa: BLE001  it is logged, with its plugin's name
                self._report(hook, implementation, error, arguments.get("watcher"))
                said = on_failure or Verdict(
                    allowed=False, by=f"{self._label(implementation)} failed: {error}"
                )
            if not said.allowed:
                verdict = _both(verdict, said)
        return verdict

    async def _tell(self, hook: str, **arguments: Any) -> None:
        for implementation in self._implementations(hook):
            try:
                await self._answer(hook, implementation, arguments)
            except (Exception, SystemExit) as error:  # noqa: BLE001  it is logged, with its plugin's name
                self._report(hook, implementation, error, arguments.get("watcher"))

    async def _answer(
        self, hook: str, implementation: pluggy.HookImpl, arguments: Mapping[str, Any]
    ) -> object:
        answer = _invoke(implementation, arguments)
        if answer is None or isinstance(answer, bool | Verdict) or not inspect.isawaitable(answer):
            return answer
        await in_a_task()
        limit = getattr(implementation.plugin, "hook_timeout", self._timeout)
        return await self._await(answer, limit, hook, arguments.get("watcher"))

    async def _await(
        self, answer: Awaitable[object], limit: float | None, hook: str, watcher: WatcherView | None
    ) -> object:
        try:
            async with asyncio.timeout(limit) as scope:
                return await answer
        except TimeoutError:
            if not scope.expired():
                raise
            if watcher is not None and limit is not None:
                now = self._clock.wall()
                self._publish(HookTimedOut(watcher=watcher.name, time=now, name=hook, timeout=limit))
            raise _TooLateError(f"no answer within {limit:g} s") from None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise RuntimeError("what it waited for was cancelled") from None

    def _as_verdict(self, answer: object, implementation: pluggy.HookImpl) -> Verdict:
        if isinstance(answer, Verdict):
            if answer.allowed or answer.by:
                return answer
            return Verdict(allowed=False, by=self._label(implementation), stop_watcher=answer.stop_watcher)
        if answer is None or bool(answer):
            return ALLOWED
        return Verdict(allowed=False, by=self._label(implementation))

    def _ask_plainly(
        self, hook: str, error: type[ConfigError | PluginError], **arguments: Any
    ) -> Iterator[tuple[pluggy.HookImpl, Any]]:
        """Yield the answers that are not None."""
        for implementation in self._implementations(hook):
            answer = self._call_plainly(hook, implementation, error, arguments)
            if answer is not None:
                yield implementation, answer

    def _call_plainly(
        self,
        hook: str,
        implementation: pluggy.HookImpl,
        error: type[ConfigError | PluginError],
        arguments: Mapping[str, Any],
    ) -> Any:
        try:
            return _plain(_invoke(implementation, arguments))
        except ConfigError:
            raise
        except (Exception, SystemExit) as cause:
            log.debug("%s failed in %s", self._label(implementation), hook, exc_info=True)
            raise error(f"{self._label(implementation)} failed in {hook}: {_text(cause)}") from cause

    def _refuse(
        self, hook: str, implementation: pluggy.HookImpl, error: type[ConfigError | PluginError], what: str
    ) -> NoReturn:
        raise error(f"{self._label(implementation)} failed in {hook}: {what}")

    def _tell_event(self, implementation: pluggy.HookImpl, event: Event) -> None:
        self._listening.add(implementation)
        before = self._clock.monotonic()
        try:
            _plain(_invoke(implementation, {"event": event}))
        except (Exception, SystemExit) as error:  # noqa: BLE001  it is logged, with its plugin's name
            self._count_event_failure(implementation, error, event)
        finally:
            self._note_slow(implementation, self._clock.monotonic() - before)
            self._listening.discard(implementation)

    def _count_event_failure(
        self, implementation: pluggy.HookImpl, error: BaseException, event: Event
    ) -> None:
        """Report the first in full and later ones at 10, 100, 1000 ...: events come by the thousand."""
        count = self._event_failures[implementation] = self._event_failures.get(implementation, 0) + 1
        if count == 1:
            self._report_named("event", implementation, error, event.watcher)
        elif str(count).rstrip("0") == "1":
            log.error(
                "%s failed in event %d times, now: %s", self._label(implementation), count, _text(error)
            )

    def _note_slow(self, implementation: pluggy.HookImpl, seconds: float) -> None:
        if seconds > _SLOW and implementation not in self._slow:
            self._slow.add(implementation)
            log.warning(
                "%s held up everything for %.0f ms in event: it must hand slow work to a thread",
                self._label(implementation),
                seconds * 1000,
            )

    def _report(
        self, hook: str, implementation: pluggy.HookImpl, error: BaseException, watcher: WatcherView | None
    ) -> None:
        self._report_named(hook, implementation, error, None if watcher is None else watcher.name)

    def _report_named(
        self, hook: str, implementation: pluggy.HookImpl, error: BaseException, watcher: str | None
    ) -> None:
        label = self._label(implementation)
        told = None if isinstance(error, _TooLateError) else error
        log.error("%s failed in %s: %s", label, hook, _text(error), exc_info=told)
        if watcher is not None:
            text = f"{label}: {_text(error)}"
            self._publish(HookFailed(watcher=watcher, time=self._clock.wall(), name=hook, error=text))

    def _label(self, implementation: pluggy.HookImpl) -> str:
        if isinstance(self._manager, HookPlugins):
            return self._manager.label(implementation.plugin_name)
        return f"plugin {implementation.plugin_name!r}"


def _invoke(implementation: pluggy.HookImpl, arguments: Mapping[str, Any]) -> object:
    """Call with the arguments it asks for."""
    return implementation.function(*[arguments[name] for name in implementation.argnames])


def _plain(answer: object) -> object:
    """Refuse an answer that would have to be awaited."""
    if inspect.iscoroutine(answer):
        answer.close()
        raise TypeError("it is called where nothing can be awaited, write `def` in place of `async def`")
    return answer


def _both(verdict: Verdict, refusal: Verdict) -> Verdict:
    by = refusal.by if verdict.allowed else verdict.by
    return Verdict(allowed=False, by=by, stop_watcher=verdict.stop_watcher or refusal.stop_watcher)


def _text(error: BaseException) -> str:
    return str(error) or type(error).__name__
