"""`circus.arbiter`: the arbiter of 0.19, with an arbiter of circus-core behind it while it runs."""

from __future__ import annotations

import asyncio
import inspect
import os
import socket
import threading
import warnings
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence, Set
from contextlib import suppress
from importlib.util import find_spec
from typing import Any, Final, Self, TypeVar

from tornado.ioloop import IOLoop

import circus_core
from circus._core import Core
from circus._gevent import refuse_patched
from circus._loops import done, on_loop, running_loop
from circus._overriding import warn_of_uncalled
from circus._published import EventSocket
from circus.config import config_of
from circus.controller import Controller
from circus.exc import AlreadyExist
from circus.sighandler import SysHandler
from circus.sockets import CircusSocket, CircusSockets
from circus.watcher import Watcher
from circus_core import ConfigError, UnknownWatcherError

__all__ = ["Arbiter", "CircusSocket", "ThreadedArbiter", "Watcher"]

_T = TypeVar("_T")

_SECTION: Final = (
    "check_delay", "statsd", "stats_endpoint", "statsd_close_outputs", "multicast_endpoint", "warmup_delay",
    "httpd", "httpd_host", "httpd_port", "httpd_close_outputs", "debug", "fqdn_prefix", "endpoint_owner",
)  # fmt: skip
"""Parameters that are options of the `[circus]` section."""

_UNCALLED: Final = frozenset(
    {
        "add_watcher", "get_watcher", "iter_watchers", "manage_watchers", "numprocesses", "numwatchers",
        "reap_processes", "reload_from_config", "restart", "rm_watcher", "start_io_loop", "start_watcher",
        "start_watchers", "statuses", "stop_controller_and_close_sockets", "stop_watchers",
    }
)  # fmt: skip
"""What its own start() and stop() and the commands of 0.19 called."""


class Arbiter:
    """Runs watchers, sockets and plugins; made by hand, from a file, or by get_arbiter().

    Without a loop start() runs one and returns when all has ended; in the main thread SIGTERM, SIGINT and
    SIGQUIT end it meanwhile, SIGHUP reloads. With a loop, given or running, it leaves loop and signals to its
    host.

    What is marked F returns a future: on the loop an asyncio one, which may be awaited or yielded, and in
    another thread one of concurrent.futures. It may be started again when it has ended.

    Of what a subclass overrides, initialize() is called at every start, stop() at every end that the program
    or somebody else asks for, and reload() at SIGHUP; a warning tells of what is not called.

    Attributes:
        config_file: the file it was made from, or None.
    """

    config_file: str | None = None

    def __init__(
        self,
        watchers: Iterable[Watcher],
        endpoint: str,
        pubsub_endpoint: str,
        check_delay: float = 1.0,
        prereload_fn: Callable[[Any], object] | None = None,
        context: Any = None,
        loop: IOLoop | None = None,
        statsd: bool = False,
        stats_endpoint: str | None = None,
        statsd_close_outputs: bool = False,
        multicast_endpoint: str | None = None,
        plugins: Sequence[Mapping[str, Any]] | None = None,
        sockets: Iterable[circus_core.CircusSocket] | None = None,
        warmup_delay: float = 0,
        httpd: bool = False,
        httpd_host: str = "localhost",
        httpd_port: int = 8080,
        httpd_close_outputs: bool = False,
        debug: bool = False,
        debug_gc: bool = False,
        ssh_server: str | None = None,
        proc_name: str = "circusd",
        pidfile: str | None = None,
        loglevel: str | None = None,
        logoutput: str | None = None,
        loggerconfig: str | None = None,
        fqdn_prefix: str | None = None,
        umask: int | None = None,
        endpoint_owner: str | None = None,
        *,
        with_endpoints: bool = True,
    ) -> None:
        """Args:
        sockets: those of circus.sockets, not bound yet; or a mapping of them.
        context, proc_name: not used; endpoints have a context of their own, and the title of the process is
            the program's.
        pidfile, loglevel, logoutput, loggerconfig: for the program that makes it; nothing is done with them.
        umask: set when it runs a loop of its own.
        with_endpoints: False: nothing is bound; new.

        Raises:
            RuntimeError: gevent has patched what it runs on.
        """
        refuse_patched()
        self._given = watchers if isinstance(watchers, list) else list(watchers)
        self.endpoint = endpoint
        self.pubsub_endpoint = pubsub_endpoint
        self.check_delay = check_delay
        self.prereload_fn = prereload_fn
        self.context = context
        self.statsd = statsd
        self.stats_endpoint = stats_endpoint
        self.statsd_close_outputs = statsd_close_outputs
        self.multicast_endpoint = multicast_endpoint
        self.plugins = list(plugins or ())
        self._sockets = CircusSockets(sockets.values() if isinstance(sockets, Mapping) else sockets)
        self.warmup_delay = warmup_delay
        self.httpd = httpd
        self.httpd_host = httpd_host
        self.httpd_port = httpd_port
        self.httpd_close_outputs = httpd_close_outputs
        self.debug = debug
        self.debug_gc = debug_gc
        self.ssh_server = ssh_server
        self.proc_name = proc_name
        self.pidfile = pidfile
        self.loglevel = loglevel
        self.logoutput = logoutput
        self.loggerconfig = loggerconfig
        self.fqdn_prefix = fqdn_prefix
        self.umask = umask
        self.endpoint_owner = endpoint_owner
        self.pid = os.getpid()
        self.socket_event = False
        self._restarting = False
        self._has_endpoints = with_endpoints
        self._io_loop = loop
        self._is_loop_given = loop is not None
        self._behind: circus_core.Arbiter | None = None
        self._faces: dict[circus_core.Watcher, Watcher] = {}
        self._waiting: dict[str, Watcher] = {}  # by lower-case name: made here, and not known to _behind yet
        self._life: Any = None  # the task of one run
        self._work: set[Any] = set()  # what is under way
        self._is_ending = False  # by the program's own wish
        self._up: asyncio.Event | None = None  # set when all watchers have been started
        self.ctrl = Controller(endpoint, multicast_endpoint, context, loop, self, check_delay, endpoint_owner)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Warn of overridden methods that nobody calls."""
        super().__init_subclass__(**kwargs)
        warn_of_uncalled(cls, _UNCALLED, "use hooks, events, or initialize(), stop() and start(cb)")

    @classmethod
    def load_from_config(cls, config_file: str, loop: IOLoop | None = None) -> Self:
        """Make it from a configuration file; raises OSError, ConfigError as circus.config.get_config()."""
        config = config_of(config_file)
        section = config.arbiter
        arbiter = cls(
            [Watcher.of_config(each) for each in config.watchers],
            section.endpoint,
            section.pubsub_endpoint,
            check_delay=section.check_delay,
            loop=loop,
            multicast_endpoint=section.multicast_endpoint,
            warmup_delay=section.warmup_delay,
            debug=section.debug,
            debug_gc=section.debug_gc,
            pidfile=section.pidfile,
            loglevel=section.loglevel,
            logoutput=section.logoutput,
            loggerconfig=section.loggerconfig,
            fqdn_prefix=section.fqdn_prefix,
            umask=section.umask,
            endpoint_owner=section.endpoint_owner,
        )
        arbiter.config_file = str(config_file)
        return arbiter

    @classmethod
    def of_daemon(cls, behind: circus_core.Arbiter) -> Self:
        """Return what shows an arbiter that runs already, to hook functions."""
        section = behind.config
        face = cls([], section.endpoint, section.pubsub_endpoint, check_delay=section.check_delay)
        face.warmup_delay, face.debug, face.pidfile = section.warmup_delay, section.debug, section.pidfile
        face.endpoint_owner = section.endpoint_owner
        face._io_loop = IOLoop.current()  # hooks are asked on the loop
        face._behind = behind
        return face

    # What can be seen

    @property
    def loop(self) -> Any:
        """The tornado loop it runs on; if none was given, the current one of the first thread that asks."""
        if self._io_loop is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # that there is none so far
                self._io_loop = IOLoop.current()
        return self._io_loop

    @loop.setter
    def loop(self, loop: IOLoop | None) -> None:
        self._io_loop = loop

    def _ensure_ioloop(self) -> None:
        """Have a loop: subclasses with a thread set `loop` to None there and call this."""
        self.loop = self.loop

    @property
    def sockets(self) -> CircusSockets:
        """By name; while it runs also those of the configuration file."""
        if self._behind is not None and self._behind.is_running:
            now = {each.name: each for each in self._behind.sockets.values()}
            for name in self._sockets.keys() - now:
                del self._sockets[name]
            self._sockets.update(now)
        return self._sockets

    @property
    def running(self) -> bool:
        return self._behind is not None and self._behind.is_running

    @property
    def watchers(self) -> list[Watcher]:
        """The list it was made with, without those that are gone, and with those that came later."""
        self._note_watchers()
        return self._given

    @watchers.setter
    def watchers(self, watchers: Iterable[Watcher]) -> None:
        self._given = list(watchers)

    @property
    def _watchers_names(self) -> dict[str, Watcher]:
        return {each.name.lower(): each for each in self.watchers}

    @property
    def _exclusive_running_command(self) -> None:
        """Always None: no operation keeps another one from being begun."""

    @property
    def _stopping(self) -> bool:
        return self._behind is not None and not self._behind.is_running

    @property
    def evpub_socket(self) -> EventSocket | None:
        return None if self._behind is None else EventSocket(self._behind.publish)

    @property
    def endpoint_owner_mode(self) -> bool:
        return self.endpoint_owner is not None and self.endpoint.startswith("ipc://")

    @property
    def fqdn(self) -> str:
        """The full name of this machine; may ask a name server."""
        name = socket.getfqdn()
        return name if self.fqdn_prefix is None else f"{self.fqdn_prefix}@{name}"

    def iter_watchers(self, reverse: bool = True) -> list[Watcher]:
        """Return the watchers by priority, the highest first."""
        return sorted(self.watchers, key=lambda each: each.priority, reverse=reverse)

    def get_watcher(self, name: str) -> Watcher:
        """Look up by name, in any case; raises KeyError."""
        if self._behind is None:
            return self._watchers_names[name.lower()]
        try:
            return self.face_of(self._behind.get_watcher(name))
        except UnknownWatcherError:
            raise KeyError(name) from None

    def get_socket(self, name: str) -> circus_core.CircusSocket | None:
        return self.sockets.get(name)

    def numprocesses(self) -> int:
        return sum(map(len, self.watchers))

    def numwatchers(self) -> int:
        return len(self.watchers)

    def statuses(self) -> dict[str, str]:
        return {each.name: each.status() for each in self.watchers}

    # Its life

    def start(self, cb: Callable[[Any], object] | None = None) -> Any:
        """Begin; errors are in the future that it returns.

        Without a loop: run until all has ended; the result tells whether a restart was asked for. With a
        loop, given or running: F, done when all watchers have been started.

        Args:
            cb: called with a future when all watchers have been started.
        """
        if self._is_loop_given:
            return self._on_loop(lambda: self._begin(cb))
        if running_loop() is not None:
            self._io_loop = IOLoop.current()
            return self._on_loop(lambda: self._begin(cb))
        return self._run(cb)

    def stop(self) -> Any:
        """F: end; done when no process is left. Harmless when it does not run. From any thread."""
        return self._on_loop(self._close) if self._is_begun() else done(None)

    def restart(
        self, inside_circusd: bool = False, watcher_iter_func: Callable[..., Iterable[Watcher]] | None = None
    ) -> Any:
        """F: stop and start all watchers, or these.

        Args:
            inside_circusd: end instead, with `_restarting` set, so that who runs this makes a new one.
        """
        if inside_circusd:
            self._restarting = True
            return self.stop()
        return self._order(lambda: self._running().restart_watchers(self._chosen(watcher_iter_func)))

    def reload(self, graceful: bool = True, sequential: bool = False) -> Any:
        """F: call prereload_fn and replace the processes of all watchers."""
        return self._order(lambda: self._running().reload(graceful, sequential))

    def reload_from_config(self, config_file: str | None = None, inside_circusd: bool = False) -> Any:
        """F: read the configuration file again and do what has changed there; raises CircusError.

        Raises:
            ValueError: it was not made from this file.
        """
        if self.config_file is None or config_file not in (None, self.config_file):
            raise ValueError(
                f"this arbiter was made from {self.config_file or 'no file'}, not from {config_file}"
            )

        async def work() -> None:
            reload = await self._running().reload_config()
            await reload.followed

        return self._order(work)

    def start_watchers(self, watcher_iter_func: Callable[..., Iterable[Watcher]] | None = None) -> Any:
        """F: start those with autostart among all watchers, or these."""
        return self._order(lambda: self._running().start_watchers(self._chosen(watcher_iter_func)))

    def stop_watchers(self, watcher_iter_func: Callable[..., Iterable[Watcher]] | None = None) -> Any:
        """F: stop all watchers, or these, at the same time."""
        return self._order(lambda: self._running().stop_watchers(self._chosen(watcher_iter_func)))

    def start_watcher(self, watcher: Watcher) -> Any:
        """F: start it, if it has autostart."""
        return self.start_watchers(lambda: [watcher])

    def reap_processes(self) -> None:
        """Do nothing: the end of a process is noticed when it happens."""

    def manage_watchers(self) -> Any:
        """F: wait until all watchers have as many processes as they want. They come to that by themselves."""

        async def work() -> None:
            await asyncio.gather(*(each.manage_processes() for each in self.watchers))

        return self._order(work)

    def _emergency_stop(self) -> Any:
        """F: end, without grace for the processes."""

        async def work() -> None:
            behind = self._behind
            if behind is None:
                return
            self._is_ending = True
            ending = behind.request_stop()
            for watcher in behind.iter_watchers():
                for process in watcher.processes.values():
                    process.kill()
            await ending
            await self._close()

        return self._on_loop(work) if self._is_begun() else done(None)

    # Its watchers

    def add_watcher(self, name: str, cmd: str, **kw: Any) -> Watcher:
        """Make and register one more watcher, stopped. From any thread.

        Raises:
            AlreadyExist: there is one of this name, in any case.
            ValueError: the name is empty, or an option does not fit.
        """
        if not name:
            raise ValueError("name must not be empty")
        if name.lower() in self._watchers_names:
            raise AlreadyExist(f"{name!r} already exist")
        watcher = Watcher(name, cmd, **kw)
        self._given.append(watcher)
        if self._behind is not None:
            self._waiting[name.lower()] = watcher
            self._now(lambda: self.face_of(self._running().add_watcher(watcher.final_config())))
        return watcher

    def rm_watcher(self, name: str, nostop: bool = False) -> Any:
        """F: forget a watcher and stop it; with `nostop` its processes run on. KeyError: it is unknown."""
        watcher = self.get_watcher(name)
        if self._behind is None:
            self._given.remove(watcher)
            return done(None)
        return self._order(lambda: self._removed(name, nostop))

    async def _removed(self, name: str, nostop: bool) -> None:
        core = self._running()
        await core.remove_watcher(core.get_watcher(name), nostop=nostop)

    # What starts and stops are made of

    def initialize(self) -> None:
        """Make the arbiter of circus-core; nothing is bound or started yet. Raises ConfigError."""
        self._check_dashboard()
        if self.config_file is not None:
            core = Core.from_file(
                self.config_file, face=self, is_remade=True, with_endpoints=self._has_endpoints
            )
        else:
            core = Core.from_mappings(
                [each.final_config() for each in self._given],
                plugins=self.plugins,
                arbiter=self._section(),
                face=self,
                with_endpoints=self._has_endpoints,
            )
        for name, each in self._sockets.items():
            if each.fileno() == -1:  # it was closed at the end of an earlier run
                self._sockets[name] = each.renew()
            if each.name.lower() not in core.sockets:
                core.sockets.add(self._sockets[name])
        self._waiting = {each.name.lower(): each for each in self._given}
        self._behind = core

    def start_io_loop(self) -> None:
        """Run the loop until somebody stops it."""
        self.loop.start()

    def stop_controller_and_close_sockets(self) -> Any:
        """F: as stop()."""
        return self.stop()

    def _note_open(self) -> None:
        """Sockets and endpoints are bound."""

    def all_started(self) -> None:
        """Note that all watchers have been started."""
        if self._up is not None:
            self._up.set()

    def note_end(self) -> None:
        """Call stop(), as a subclass has it to clean up, if it was not the program that ended it."""
        if not self._is_ending and not self._running().is_restarting:
            self.stop()

    def face_of(self, core: circus_core.Watcher) -> Watcher:
        """Return what shows a watcher of circus-core, always the same."""
        if core not in self._faces:
            mine = self._waiting.pop(core.name.lower(), None)
            face = self._faces.setdefault(core, mine or Watcher.of_config(core.config))
            face.attach(core, self)
        return self._faces[core]

    def _check_dashboard(self) -> None:
        if self.httpd and find_spec("circus_httpd") is None:
            raise ConfigError("httpd = True needs the dashboard; pip install 'circus-core[httpd]'")

    def _section(self) -> dict[str, Any]:
        """The options of [circus]; what has its default is not said, since its package may not be there."""
        endpoints = {"endpoint": self.endpoint, "pubsub_endpoint": self.pubsub_endpoint}
        defaults = inspect.signature(Arbiter).parameters
        given = {key: getattr(self, key) for key in _SECTION}
        said = {key: value for key, value in given.items() if value not in (None, defaults[key].default)}
        return (endpoints if self._has_endpoints else {}) | {"check_delay": self.check_delay} | said

    # One run

    def _run(self, cb: Callable[[Any], object] | None) -> asyncio.Future[bool]:
        """Run the loop until all has ended."""
        loop = self.loop
        outcome: asyncio.Future[bool] = loop.asyncio_loop.create_future()
        task = loop.asyncio_loop.create_task(self._live(cb))
        handler = SysHandler(self.ctrl) if _is_main_thread() else None
        is_inside = True

        def leave(_: object) -> None:
            if is_inside:  # not when an interrupt has left the loop before
                loop.stop()

        task.add_done_callback(leave)
        before = None if self.umask is None else os.umask(self.umask)
        try:
            loop.start()
        finally:
            is_inside = False
            error = _failure(task)
            if handler is not None:
                handler.stop()
            if before is not None:
                os.umask(before)
        if not task.done():  # somebody stopped the loop
            loop.run_sync(self._close)
            loop.asyncio_loop.run_until_complete(asyncio.wait([task]))
            error = _failure(task)
        if error is not None:
            outcome.set_exception(error)
        else:
            outcome.set_result(self._restarting)
        return outcome

    async def _live(self, cb: Callable[[Any], object] | None) -> None:
        await self._begin(cb)
        await self._life

    async def _begin(self, cb: Callable[[Any], object] | None) -> bool:
        """Open, and wait until all watchers have been started, or it ends before that."""
        if self._behind is not None:
            raise RuntimeError("the arbiter runs already")
        self._restarting = self._is_ending = False
        self._up = asyncio.Event()
        try:
            self.initialize()
            behind = self._running()
            await behind.open()
        except BaseException:
            self._ended()
            raise
        self._note_open()
        self._life = asyncio.ensure_future(self._see_off(behind))
        self._note_watchers()
        self._add_what_the_file_has_not()
        await self._wait_started(behind)
        if cb is not None and self._up.is_set():
            asyncio.get_running_loop().call_soon(cb, done(None))  # what it raises is its own
        return self._restarting

    def _add_what_the_file_has_not(self) -> None:
        for face in list(self._waiting.values()):
            self._running().add_watcher(face.final_config()).start()
        self._note_watchers()

    async def _wait_started(self, behind: circus_core.Arbiter) -> None:
        if self._up is None:
            return
        waits = [asyncio.ensure_future(self._up.wait()), asyncio.ensure_future(behind.wait_closed())]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    async def _see_off(self, behind: circus_core.Arbiter) -> None:
        await behind.wait_closed()
        self._restarting = self._restarting or behind.is_restarting
        self._ended()

    def _ended(self) -> None:
        self._note_watchers()
        for face in self._faces.values():
            face.detach()
        self._faces.clear()
        self._behind = None

    def _is_begun(self) -> bool:
        return self._behind is not None or bool(self._work)

    async def _close(self) -> None:
        self._is_ending = True
        if self._behind is not None:
            await self._behind.close()
        if self._life is not None and self._life is not asyncio.current_task():
            await asyncio.shield(self._life)

    def _note_watchers(self) -> None:
        """Make the program's list what the arbiter has, as long as it runs."""
        if self._behind is not None:
            cores = self._behind.iter_watchers()
            known = dict.fromkeys(self.face_of(core) for core in cores)
            waiting = set(self._waiting.values())
            mine = dict.fromkeys(each for each in self._given if each in known or each in waiting)
            self._given[:] = mine | known
            self._forget_those_that_ended(set(cores))

    def _forget_those_that_ended(self, known: Set[circus_core.Watcher]) -> None:
        for core in [each for each in list(self._faces) if each not in known and each.is_idle]:
            self._faces.pop(core).detach()

    def _running(self) -> circus_core.Arbiter:
        if self._behind is None:
            raise RuntimeError("the arbiter does not run; call start() first")
        return self._behind

    def _chosen(self, choose: Callable[..., Iterable[Watcher]] | None) -> list[Any] | None:
        if choose is None:
            return None
        running = self._running()
        return [running.get_watcher(each.name) for each in choose()]

    def _on_loop(self, work: Callable[[], Awaitable[_T]]) -> Any:
        begun = on_loop(self.loop.asyncio_loop, work)
        self._work.add(begun)
        begun.add_done_callback(self._work.discard)
        return begun

    def _order(self, work: Callable[[], Awaitable[_T]]) -> Any:
        """As _on_loop(), for what needs an arbiter that runs; RuntimeError if there is none."""
        if not self._is_begun():
            raise RuntimeError("the arbiter does not run; call start() first")
        return self._on_loop(work)

    def _now(self, work: Callable[[], _T]) -> _T:
        """Call something on the loop, and wait for it if this is another thread."""
        loop = self.loop.asyncio_loop
        if running_loop() is loop or not loop.is_running():
            return work()

        async def there() -> _T:
            return work()

        result: _T = asyncio.run_coroutine_threadsafe(there(), loop).result()
        return result


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _failure(task: asyncio.Task[Any]) -> BaseException | None:
    return task.exception() if task.done() and not task.cancelled() else None


class ThreadedArbiter(threading.Thread, Arbiter):
    """An arbiter with a thread and a loop of its own."""

    def __init__(self, *args: Any, **kw: Any) -> None:
        """Take the parameters of Arbiter."""
        threading.Thread.__init__(self, name="circus arbiter", daemon=True)
        Arbiter.__init__(self, *args, **kw)
        self._opened = threading.Event()
        self._failure: BaseException | None = None

    def start(self, cb: Callable[[Any], object] | None = None) -> None:
        """Begin; returns when sockets and endpoints are bound, or raises what went wrong.

        Args:
            cb: called in the thread of the arbiter when all watchers have been started.
        """
        self._cb = cb
        threading.Thread.start(self)
        self._opened.wait()
        if self._failure is not None:
            self.join()
            raise self._failure

    def _note_open(self) -> None:
        self._opened.set()

    def run(self) -> None:
        self.loop = self.ctrl.loop = IOLoop(make_current=True)
        try:
            future = Arbiter.start(self, self._cb)
            self._failure = future.exception()
        finally:
            self._opened.set()
            self.loop.close()

    def stop(self) -> Any:
        """End, and wait until the thread has ended; on the thread of the arbiter F."""
        if threading.current_thread() is self:
            return Arbiter.stop(self)
        with suppress(RuntimeError):  # it has ended by itself, and its loop is closed
            if self.is_alive():
                Arbiter.stop(self)
        if self.is_alive():
            self.join()
        return None
