"""The functions that a watcher's section names, `hooks.NAME = dotted.path`: one more hook plugin.

They keep the rules of Circus 0.19, which differ from those of plugins: only a true result lets things go
on, so a function that returns nothing forbids; some refusals stop the whole watcher; an exception is judged
by the flag. They run on a worker thread, each under the watcher's `hook_timeout`.
"""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import json
import logging
import os
import site
import sys
from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import partial
from typing import Any, Final

from circus_core.clock import Clock
from circus_core.config.model import HookConfig, WatcherConfig
from circus_core.drivers import resolve_name
from circus_core.errors import ConfigError, DriverError
from circus_core.events import HookFailed, HookSucceeded, HookTimedOut, Publish
from circus_core.hookspecs import ALLOWED, Verdict, hookimpl
from circus_core.views import ArbiterView, ProcessView, WatcherView
from circus_core.workers import Workers

__all__ = ["SectionHooks", "check_hooks", "hook_complaints", "import_hooks"]

log = logging.getLogger("circus.hooks")

_FORGIVEN: Final = frozenset({"before_stop", "after_stop", "before_signal", "after_signal", "extended_stats"})
"""An exception in one of these never counts as a refusal."""

_STOPS_WATCHER: Final = frozenset({"after_start", "before_spawn", "after_spawn"})

_GONE: Final = 2
"""`process_status` of a process that does not exist any more, in the numbers of Circus 0.19."""

Views = Callable[[WatcherView, ArbiterView], tuple[object, object]]

_Pending = Awaitable[Verdict] | None
"""None: the watcher's section says nothing about this hook."""


class SectionHooks:
    """Asks the functions of the watcher that a hook is about.

    Attributes:
        arbiter: what functions get as `arbiter`; set when an arbiter starts.
        hook_timeout: none for the plugin as a whole, each watcher has its own.
    """

    hook_timeout: float | None = None

    def __init__(
        self,
        *,
        workers: Workers,
        publish: Publish,
        clock: Clock,
        views: Views | None = None,
    ) -> None:
        """Args:
        views: returns what functions get as `watcher` and `arbiter`; None: they get the views.
        """
        self.arbiter: ArbiterView | None = None
        self._views = views
        self._workers = workers
        self._publish = publish
        self._clock = clock

    @hookimpl
    def arbiter_starting(self, arbiter: ArbiterView) -> None:
        self.arbiter = arbiter

    @hookimpl
    def before_start(self, watcher: WatcherView) -> _Pending:
        return self._ask("before_start", watcher)

    @hookimpl
    def after_start(self, watcher: WatcherView) -> _Pending:
        return self._ask("after_start", watcher)

    @hookimpl
    def before_stop(self, watcher: WatcherView) -> _Pending:
        return self._ask("before_stop", watcher)

    @hookimpl
    def after_stop(self, watcher: WatcherView) -> _Pending:
        return self._ask("after_stop", watcher)

    @hookimpl
    def before_spawn(self, watcher: WatcherView) -> _Pending:
        return self._ask("before_spawn", watcher)

    @hookimpl
    def after_spawn(self, watcher: WatcherView, process: ProcessView) -> _Pending:
        return self._ask("after_spawn", watcher, pid=process.pid)

    @hookimpl
    def before_signal(self, watcher: WatcherView, process: ProcessView, signum: int) -> _Pending:
        return self._ask("before_signal", watcher, pid=process.pid, signum=signum)

    @hookimpl
    def after_signal(self, watcher: WatcherView, process: ProcessView, signum: int) -> _Pending:
        return self._ask("after_signal", watcher, pid=process.pid, signum=signum)

    @hookimpl
    def before_reap(self, watcher: WatcherView, process: ProcessView) -> _Pending:
        return self._ask("before_reap", watcher, process_pid=process.pid, time=self._clock.wall())

    @hookimpl
    def after_reap(self, watcher: WatcherView, process: ProcessView, exit_code: int) -> _Pending:
        return self._ask(
            "after_reap",
            watcher,
            process_pid=process.pid,
            time=self._clock.wall(),
            exit_code=exit_code,
            process_status=_GONE,
        )

    @hookimpl
    def extended_stats(self, watcher: WatcherView, process: ProcessView, stats: dict[str, Any]) -> _Pending:
        hook = watcher.config.hooks.get("extended_stats")
        return None if hook is None else self._extend(watcher, hook, process.pid, stats)

    def _ask(self, name: str, watcher: WatcherView, **extras: object) -> _Pending:
        hook = watcher.config.hooks.get(name)
        if hook is None:
            return None
        seen, arbiter = self._seen(watcher)
        function = partial(_call, hook.target, watcher=seen, arbiter=arbiter, hook_name=name, **extras)
        return self._judge(name, watcher, hook, function)

    def _seen(self, watcher: WatcherView) -> tuple[object, object | None]:
        if self.arbiter is None or self._views is None:
            return watcher, self.arbiter
        return self._views(watcher, self.arbiter)

    async def _judge(
        self, name: str, watcher: WatcherView, hook: HookConfig, function: Callable[[], object]
    ) -> Verdict:
        failure = ""
        try:
            allowed = bool(await self._run(function, name, watcher))
        except (Exception, SystemExit) as error:  # noqa: BLE001  it is reported, with its watcher
            failure = self._report(name, watcher, hook, error)
            allowed = hook.ignore_failure or name in _FORGIVEN
        else:
            self._publish(HookSucceeded(watcher=watcher.name, time=self._clock.wall(), name=name))
        if allowed:
            return ALLOWED
        by = f"hooks.{name} = {_target(hook)}" + (f": {failure}" if failure else "")
        return Verdict(allowed=False, by=by, stop_watcher=name in _STOPS_WATCHER)

    async def _extend(
        self, watcher: WatcherView, hook: HookConfig, pid: int, stats: dict[str, Any]
    ) -> Verdict:
        """Give a copy to the thread: one that was given up may still be writing when the answer is sent."""
        name = "extended_stats"
        copy = dict(stats)
        # 0.19 passes the first three by position, and functions in the field name them as they like.
        function = partial(_call, hook.target, *self._seen(watcher), name, pid=pid, stats=copy)
        try:
            await self._run(function, name, watcher)
            json.dumps(copy, allow_nan=False)  # else the answer could not be sent
        except (Exception, SystemExit) as error:  # noqa: BLE001  it is reported, with its watcher
            self._report(name, watcher, hook, error)
        else:
            stats.clear()
            stats.update(copy)
        return ALLOWED

    async def _run(self, function: Callable[[], object], name: str, watcher: WatcherView) -> object:
        """Call on a thread; what an `async def` function returns is awaited here. All within the timeout."""
        limit = watcher.config.hook_timeout
        try:
            async with asyncio.timeout(limit) as scope:
                result = await self._workers.run(function)
                return await result if inspect.isawaitable(result) else result
        except TimeoutError:
            if not scope.expired():
                raise
            now = self._clock.wall()
            self._publish(HookTimedOut(watcher=watcher.name, time=now, name=name, timeout=limit))
            raise _TooLateError(f"no answer within {limit:g} s") from None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise RuntimeError("what it waited for was cancelled") from None

    def _report(self, name: str, watcher: WatcherView, hook: HookConfig, error: BaseException) -> str:
        """Log and publish a failure; return its text."""
        text = str(error) or type(error).__name__
        told = None if isinstance(error, _TooLateError) else error
        log.error(
            "watcher %r: hooks.%s = %s failed: %s", watcher.name, name, _target(hook), text, exc_info=told
        )
        self._publish(HookFailed(watcher=watcher.name, time=self._clock.wall(), name=name, error=text))
        return text


class _TooLateError(Exception):
    """The function was waited for as long as the watcher says."""


def check_hooks(config: WatcherConfig) -> None:
    """Refuse a watcher with hook_complaints(); raises ConfigError with one line for each."""
    complaints = hook_complaints(config)
    if complaints:
        lines = (f"watcher {config.name!r}: hooks.{name}: {text}" for name, text in complaints.items())
        raise ConfigError("\n".join(lines))


def import_hooks(config: WatcherConfig, anew: Collection[str] = ()) -> None:
    """Import the functions of a watcher's section; may block, see hook_complaints().

    Args:
        anew: hooks whose modules are run again if they were imported before, so that what was edited counts.
            Everybody gets the new ones. The standard library and our own modules are left alone.

    Raises:
        ConfigError: a hook names no function; a module that can't be run again stays as it was.
    """
    _add_import_path(config.env)
    targets = [hook.target for name, hook in config.hooks.items() if name in anew]
    modules = {_imported(target) for target in targets if isinstance(target, str)}
    for module in modules - {""}:
        _run_again(config.name, module)
    check_hooks(config)


def _imported(target: str) -> str:
    """Return the name of the imported module that a dotted path is in; "" if none is to be run again."""
    parts = target.partition(":")[0].split(".")
    names = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    found = next((name for name in names if name in sys.modules), "")
    return "" if parts[0] in sys.stdlib_module_names or parts[0] == __name__.partition(".")[0] else found


def _run_again(watcher: str, name: str) -> None:
    """Put a new module in the place of one, when it has run to its end."""
    importlib.invalidate_caches()
    try:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        text = str(error) or type(error).__name__
        raise ConfigError(
            f"watcher {watcher!r}: importing '{name}' again failed, the old one stays: {text}"
        ) from error
    sys.modules[name] = module
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)


def hook_complaints(config: WatcherConfig) -> dict[str, str]:
    """Import the functions of a watcher's section; say which hooks name none, and why.

    May block: modules run when they are imported. The entries of PYTHONPATH in the watcher's environment are
    added to the import path first and stay there.
    """
    if not config.hooks:
        return {}
    _add_import_path(config.env)
    return {name: text for name, hook in config.hooks.items() if (text := _complaint(hook))}


def _complaint(hook: HookConfig) -> str:
    if callable(hook.target):
        return ""
    try:
        found = resolve_name(hook.target)
    except DriverError as error:
        return (
            f"{hook.target} can't be imported: {error}; "
            "its folder must be on the import path of circusd or in PYTHONPATH of the watcher's env section"
        )
    if callable(found):
        return ""
    return f"{hook.target} must be a function, it is of type {type(found).__name__}"


def _add_import_path(env: Mapping[str, str]) -> None:
    """Append what is not there yet and process its `.pth` files, as Python does for its own folders."""
    for entry in env.get("PYTHONPATH", "").split(os.pathsep):
        if entry and os.path.abspath(entry) not in sys.path:
            site.addsitedir(entry)


def _call(target: str | Callable[..., Any], *args: object, **kwargs: object) -> object:
    """Call a hook function; on a worker thread, since it may have to be imported, too."""
    function = target if callable(target) else resolve_name(target)
    return function(*args, **kwargs)


def _target(hook: HookConfig) -> str:
    if isinstance(hook.target, str):
        return hook.target
    return str(getattr(hook.target, "__qualname__", hook.target))
