"""The arbiter for programs that embed it: in their own loop, in a thread, or as the whole program."""

from __future__ import annotations

import asyncio
import subprocess
import threading
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from types import MappingProxyType, TracebackType
from typing import Any, Self, TypeVar

from circus_core.arbiter import Arbiter, Control, ControlFactory, PluginBackends
from circus_core.backends import Backend, SpawnRequest
from circus_core.clock import SystemClock
from circus_core.commands.command import Command
from circus_core.config.mappings import watcher_from_mapping
from circus_core.config.model import Config, PluginConfig, SocketConfig, WatcherConfig
from circus_core.config.problems import raise_errors
from circus_core.control.controller import Controller
from circus_core.control.dispatch import Dispatcher
from circus_core.control.endpoints import KeptEndpoints
from circus_core.drivers import Drivers
from circus_core.errors import CommandError, UnknownDriverError
from circus_core.loading import ConfigFile, config_from_mappings
from circus_core.observed import Worker
from circus_core.plugin_watcher import IN_PROCESS
from circus_core.plugins import plugin_manager
from circus_core.process import Process
from circus_core.records import replace
from circus_core.spawning import StandardStreams, spawn_request
from circus_core.states import ProcessState

__all__ = [
    "EmbeddedArbiter",
    "arbiter_from_file",
    "control_with",
    "get_arbiter",
    "plan_process",
    "plugins_with",
    "start_process",
]

_T = TypeVar("_T")


class EmbeddedArbiter(Arbiter):
    """An arbiter that leaves its host alone: no signal handlers, no umask, and no foreign child is reaped.

    - `await arbiter.start()` ... `await arbiter.stop()` in a running loop, or `async with arbiter`.
    - `arbiter.start()` without a running loop: runs one, and returns when the arbiter has been stopped.
    - with background=True: start() returns when the watchers are being started, in a thread of their own;
      stop() waits for the end of that thread. `with arbiter` does both.

    It runs once: a second start() is a CommandError. Only call() and stop() may be used from another thread
    than that of its loop.
    """

    def __init__(
        self, config: Config, *, background: bool = False, with_endpoints: bool = True, **options: Any
    ) -> None:
        """Args:
        background: run in a thread.
        with_endpoints: open the control and event endpoints of the configuration.
        options: of Arbiter.
        """
        drivers = Drivers()
        control = control_with(drivers) if with_endpoints else None
        parts = {"drivers": drivers, "control": control, "plugin_backends": plugins_with(drivers)}
        super().__init__(config, **{"plugins": plugin_manager(), **parts, **options})
        self._background = background
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @classmethod
    def from_mappings(
        cls,
        watchers: Iterable[Mapping[str, Any] | WatcherConfig],
        *,
        plugins: Iterable[Mapping[str, Any] | PluginConfig] = (),
        sockets: Iterable[Mapping[str, Any] | SocketConfig] = (),
        arbiter: Mapping[str, Any] = MappingProxyType({}),
        **options: Any,
    ) -> Self:
        """Make one with what installed packages add; see get_arbiter. Raises ConfigError.

        Args:
            arbiter: options of the `[circus]` section.
            options: of the class.
        """
        hooks = plugin_manager()
        config = config_from_mappings(
            arbiter=arbiter, watchers=watchers, sockets=sockets, plugins=plugins, hooks=hooks
        )
        return cls(config, plugins=hooks, **options)

    @classmethod
    def from_file(cls, path: str, *, is_remade: bool = False, **options: Any) -> Self:
        """Make one from a configuration file. Raises ConfigError with every problem.

        Args:
            is_remade: who runs it makes a new one from the file when it has ended with `is_restarting`, as
                circusd does; otherwise a restart is one of its watchers.
            options: of the class.
        """
        hooks, drivers = plugin_manager(), Drivers()
        file = ConfigFile(path, plugins=hooks, drivers=drivers)
        result = file.read()
        raise_errors(result.problems)
        if result.config is None:
            raise AssertionError("a file without errors gives a configuration")
        if is_remade:
            options["check_config"] = lambda: _check_again(file)
        return cls(result.config, plugins=hooks, file=file, **options)

    def start(self) -> Awaitable[None] | None:
        """Begin. In a running loop: to be awaited, done when the watchers are being started."""
        if self._background:
            self._start_thread()
            return None
        loop = _running_loop()
        if loop is not None:
            return loop.create_task(self._open_here())
        asyncio.run(self._serve(lambda: None))
        return None

    def stop(self) -> Awaitable[None] | None:
        """End; harmless when it does not run. From any thread.

        In its loop it is to be awaited, and done when all has ended; a background arbiter has ended when this
        returns; from another thread than that of a loop it returns at once.
        """
        loop, running = self._loop, _running_loop()
        if running is not None and (loop is running or (loop is None and not self._background)):
            return running.create_task(self.close())
        if loop is not None:
            with suppress(RuntimeError):  # it has ended by itself, and its loop is closed
                loop.call_soon_threadsafe(self.request_stop)
        if self._thread is not None:
            self._thread.join()
        return None

    def call(self, function: Callable[[], Awaitable[_T]], timeout: float | None = None) -> _T:
        """Run `function` on the arbiter's loop and wait for what it returns to be done. From another thread.

        Args:
            timeout: seconds.

        Raises:
            TimeoutError: it took longer.
            RuntimeError: the arbiter does not run, or this is its own thread, which would wait for itself.
        """

        async def work() -> _T:
            return await function()

        if self._loop is None or self._loop.is_closed():
            raise RuntimeError("the arbiter does not run; call start() first")
        if self._loop is _running_loop():
            raise RuntimeError("call() is for other threads; on the arbiter's loop await the function")
        done: Future[_T] = asyncio.run_coroutine_threadsafe(work(), self._loop)
        return done.result(timeout)

    async def __aenter__(self) -> Self:
        await self._open_here()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    def __enter__(self) -> Self:
        self._start_thread()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.stop()

    async def _open_here(self) -> None:
        self._refuse_second_start(self._loop)
        self._loop = asyncio.get_running_loop()
        await self.open()

    def _refuse_second_start(self, first: object) -> None:
        if first is not None:
            raise CommandError("an arbiter runs once; make a new one")

    async def _serve(self, opened: Callable[[], None]) -> None:
        await self._open_here()
        opened()
        try:
            await self.wait_closed()
        except asyncio.CancelledError:  # Ctrl-C in asyncio.run
            await self.close()
            raise

    def _start_thread(self) -> None:
        self._refuse_second_start(self._thread)
        started: Future[None] = Future()

        def run() -> None:
            try:
                asyncio.run(self._serve(lambda: started.set_result(None)))
            except BaseException as error:
                if started.done():
                    raise
                started.set_exception(error)

        self._thread = threading.Thread(target=run, name="circus arbiter", daemon=True)
        self._thread.start()
        try:
            started.result()
        except BaseException:  # it could not open, or we were told not to wait
            self.stop()
            raise


def get_arbiter(
    watchers: Iterable[Mapping[str, Any]] | str,
    controller: str | None = None,
    pubsub_endpoint: str | None = None,
    *,
    background: bool = False,
    plugins: Iterable[Mapping[str, Any]] = (),
    sockets: Iterable[Mapping[str, Any]] = (),
    arbiter: Mapping[str, Any] | None = None,
    with_endpoints: bool = True,
    **options: Any,
) -> EmbeddedArbiter:
    """Make an arbiter from mappings; their keys are the options of the sections of a configuration file.

    Args:
        watchers: a mapping per watcher, `cmd` at least; or one command line, whose further options are
            `options`: `get_arbiter("myprogram", numprocesses=3)`.
        controller, pubsub_endpoint: default tcp://127.0.0.1:5555 and :5556.
        background: run in a thread.
        plugins: a mapping per plugin, `use` at least.
        sockets: a mapping per socket, `name` at least.
        arbiter: further options of the `[circus]` section, also those of installed packages.
        with_endpoints: False: nothing is bound, the arbiter is driven from this program only.

    Raises:
        ConfigError: with every problem.
    """
    if isinstance(watchers, str):
        watchers, options = [{"cmd": watchers, **options}], {}
    section = {**(arbiter or {}), **options}
    if controller is not None:
        section["endpoint"] = controller
    if pubsub_endpoint is not None:
        section["pubsub_endpoint"] = pubsub_endpoint
    return EmbeddedArbiter.from_mappings(
        watchers,
        plugins=plugins,
        sockets=sockets,
        arbiter=section,
        background=background,
        with_endpoints=with_endpoints,
    )


def arbiter_from_file(path: str, *, background: bool = False, **options: Any) -> EmbeddedArbiter:
    """Make an arbiter from a configuration file. Raises ConfigError with every problem."""
    return EmbeddedArbiter.from_file(path, background=background, **options)


def start_process(
    cmd: str,
    *,
    wid: int = 1,
    stdin: int | None = None,
    stdout: int | None = None,
    stderr: int | None = None,
    sockets: Mapping[str, int] = MappingProxyType({}),
    pass_fds: Collection[int] = (),
    **options: Any,
) -> Process:
    """Start one process without a watcher or a loop; it is not kept alive.

    Args:
        wid: what `$(circus.wid)` stands for.
        stdin, stdout, stderr: a descriptor, or subprocess.DEVNULL; None: this program's own, except that
            stdin is closed unless close_child_stdin is False.
        sockets: descriptors by lower-case name, for `$(circus.sockets.NAME)` and use_sockets.
        pass_fds: descriptors that it inherits under their number.
        options: of a `[watcher:NAME]` section, such as `env`, `shell` or `working_dir`.

    Raises:
        ConfigError, SpawnError: an option does not fit, or it can't be started.
    """
    config = watcher_from_mapping({"cmd": cmd, **options})
    request = _request(config, wid, stdin=stdin, stdout=stdout, stderr=stderr, sockets=sockets)
    request = replace(request, pass_fds=(*request.pass_fds, *pass_fds))
    backend: Backend = Drivers().load("circus.backends", config.backend)(loop=None, subreaper=False)
    clock = SystemClock()
    worker = Worker(wid=wid, serial=0, generation=1, state=ProcessState.RUNNING, started=clock.monotonic())
    process = Process(config, worker, backend=backend, clock=clock)
    process.spawn(request)
    return process


def plan_process(
    cmd: str, *, wid: int = 1, sockets: Mapping[str, int] = MappingProxyType({}), **options: Any
) -> SpawnRequest:
    """Return what start_process() would start, with all variables substituted. Raises as it does."""
    return _request(watcher_from_mapping({"cmd": cmd, **options}), wid, sockets=sockets)


def _request(
    config: WatcherConfig,
    wid: int,
    *,
    stdin: int | None = None,
    stdout: int | None = None,
    stderr: int | None = None,
    sockets: Mapping[str, int],
) -> SpawnRequest:
    if stdin is None and config.close_child_stdin:
        stdin = subprocess.DEVNULL
    streams = StandardStreams(stdin=stdin, stdout=stdout, stderr=stderr)
    return spawn_request(config, wid, env=config.env, sockets=sockets, streams=streams)


def control_with(drivers: Drivers, kept: KeptEndpoints | None = None) -> ControlFactory:
    """Return what makes the endpoints of an arbiter, with the commands that are installed.

    Args:
        kept: where endpoints go from one arbiter to the next.
    """

    def control(arbiter: Arbiter) -> Control:
        return Controller(
            arbiter,
            endpoint=arbiter.config.endpoint,
            pubsub_endpoint=arbiter.config.pubsub_endpoint,
            commands=_commands(drivers),
            hooks=arbiter.hooks,
            clock=arbiter.clock,
            loop=asyncio.get_running_loop(),
            kept=kept,
        )

    return control


def plugins_with(drivers: Drivers) -> PluginBackends:
    """Return what runs the plugins of an arbiter, with the classes and commands that are installed.

    Their hosts, and Tornado with them, are imported when the first plugin needs them.
    """

    def backend(arbiter: Arbiter, name: str) -> Backend:
        loop = asyncio.get_running_loop()
        if name == IN_PROCESS:
            from circus_core.plugin.processes import PluginProcesses

            local = arbiter.backend("local")
            return PluginProcesses(local, loop=loop, publish=arbiter.publish, clock=arbiter.clock)
        from circus_core.plugin.lookup import load_plugin
        from circus_core.plugin.threads import PluginThreads

        dispatcher = Dispatcher(
            arbiter,
            commands=_commands(drivers),
            hooks=arbiter.hooks,
            clock=arbiter.clock,
            loop=loop,
        )
        return PluginThreads(
            loop=loop,
            load=lambda use: load_plugin(drivers, use),
            config=lambda: arbiter.config,
            listeners=arbiter.listeners,
            publish=arbiter.publish,
            dispatcher=dispatcher,
            clock=arbiter.clock,
        )

    return backend


def _commands(drivers: Drivers) -> Callable[[str], Command[Any, Any]]:
    """Return what finds the commands of clients: to whom nobody explains what else is installed."""

    def find(name: str) -> Command[Any, Any]:
        if not drivers.is_provided("circus.commands", name):
            raise UnknownDriverError(name)
        command: Command[Any, Any] = drivers.load("circus.commands", name)()
        return command

    return find


def _check_again(file: ConfigFile) -> Callable[[], None]:
    raise_errors(file.read().problems)
    return lambda: None


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
