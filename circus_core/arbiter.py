"""All watchers and sockets of one daemon, from its start to its end."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import Any, Final, Protocol

from circus_core import events
from circus_core.accounts import to_uid
from circus_core.backends import Backend
from circus_core.backends.descriptors import ensure_descriptors
from circus_core.clock import Clock, SystemClock
from circus_core.config.check import CheckReport
from circus_core.config.model import ArbiterConfig, Config, WatcherConfig
from circus_core.drivers import Drivers
from circus_core.errors import AlreadyExistError, CommandError, ConfigError, UnknownWatcherError
from circus_core.gauge import Entries, Gauge
from circus_core.hooks import Hooks
from circus_core.loading import ConfigFile
from circus_core.observed import UNKILLABLE
from circus_core.output.outlets import WatcherOutput
from circus_core.output.pipes import Redirector
from circus_core.output.tail import Tails
from circus_core.plugin_watcher import IN_DAEMON, IN_PROCESS, plugin_command
from circus_core.plugins import HookPlugins
from circus_core.process import signal_descendants
from circus_core.reconfigure import READING, Hands, Outlook, Reconfiguration, Reload
from circus_core.roles import Roles
from circus_core.runtime import Runtime
from circus_core.section_hooks import SectionHooks, check_hooks, import_hooks
from circus_core.sockets import Sockets
from circus_core.views import WatcherView
from circus_core.watcher import Changes, Watcher
from circus_core.workers import Workers

__all__ = ["Arbiter", "Control", "ControlFactory", "PluginBackends"]

log = logging.getLogger("circus")

_REOPENING: Final = 2.0  # seconds to wait for files to be opened anew
_LAST_LINES: Final = 0.2  # seconds for those who follow output to ask for the last of it
_LAST_PATIENCE: Final = UNKILLABLE + 2.0  # seconds beyond all grace times before it ends without a process


class Control(Protocol):
    """What lets clients talk to the arbiter."""

    def bind(self) -> None:
        """Open the endpoints; raises EndpointError."""

    def publish(self, event: events.Event) -> None: ...

    def counters(self) -> Mapping[str, int]:
        """Return how much was dropped or refused so far, by what it was."""

    async def close(self) -> None:
        """Send what is still to be sent and close the endpoints."""


ControlFactory = Callable[["Arbiter"], Control]
PluginBackends = Callable[["Arbiter", str], Backend]
"""Makes the backend IN_PROCESS or IN_DAEMON."""


class Arbiter:
    """Runs on one loop and once, from open() to close(). Its sockets are made with it, not bound yet.

    Attributes:
        config: the `[circus]` section.
        sockets: all listening sockets.
        hooks: calls the plugins.
        is_restarting: it ends to be made anew from its configuration file.
        publish: tells everyone of an event; add to `listeners` to be told, on the loop.
        tails: the last output of all watchers.
    """

    def __init__(
        self,
        config: Config,
        *,
        plugins: HookPlugins,
        drivers: Drivers | None = None,
        clock: Clock | None = None,
        control: ControlFactory | None = None,
        plugin_backends: PluginBackends | None = None,
        subreaper: bool = False,
        file: ConfigFile | None = None,
        check_config: Callable[[], Callable[[], object]] | None = None,
        config_adopted: Callable[[Config], object] | None = None,
        reopen_logs: Callable[[], object] | None = None,
    ) -> None:
        """Args:
        plugins: the hook plugins, see plugin_manager().
        control: makes the control and event endpoints; None: there are none.
        plugin_backends: runs plugins; None: they are like other processes, and can't run in the daemon.
        subreaper: this program is a daemon of its own, see BackendFactory.
        file: where `config` was read from, to be read again; None: it was made otherwise.
        check_config: reads what a restart will use, on a thread, and returns what takes it over, to be called
            on the loop. Both raise CircusError if it can't be used.
        config_adopted: told of the configuration in force when it has changed.
        reopen_logs: opens the log files of this program anew; called when all watchers are reloaded, or all
            output is.
        """
        self.config: ArbiterConfig = config.arbiter
        self.sockets = Sockets(config.sockets)
        self.clock = clock or SystemClock()
        self.drivers = drivers or Drivers()
        self.listeners: list[events.Publish] = []
        self.tails = Tails()
        self.is_restarting = False
        self._workers = Workers()
        self.hooks = Hooks(plugins, publish=self.publish, clock=self.clock)
        section_hooks = SectionHooks(
            workers=self._workers, publish=self.publish, clock=self.clock, views=self.hooks.function_views
        )
        plugins.add(section_hooks, "section hooks")
        plugins.add(Roles(), "roles")
        self._gauge = Gauge(hooks=self.hooks, workers=self._workers)
        self._subreaper = subreaper
        self._check_config = check_config
        self._config_adopted = config_adopted
        self._reopen_logs = reopen_logs
        self._make_control = control
        self._make_plugin_backend = plugin_backends
        self._control: Control | None = None
        self._watchers: dict[str, Watcher] = {}  # by lower-case name, in order of registration
        self._retiring: set[Watcher] = set()  # removed, and still stopping
        self._abandoned: set[Watcher] = set()  # removed, and their processes still run
        self._dropped_bytes = 0  # of those that are gone
        self._backends: dict[str, Backend] = {}
        self._runtime: Runtime | None = None
        self._redirector: Redirector | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stopping: asyncio.Task[None] | None = None
        self._configuration = self._make_configuration(config, file)
        self._opened: asyncio.Future[None] | None = None  # done when open() is over, whatever came of it
        self._ended: asyncio.Future[None] | None = None

    # What can be seen

    @property
    def watchers(self) -> list[Watcher]:
        return self.iter_watchers()

    def iter_watchers(self) -> list[Watcher]:
        """Return the watchers, highest priority first, equal ones in order of registration."""
        return sorted(self._watchers.values(), key=lambda w: -w.config.priority)

    def get_watcher(self, name: str) -> Watcher:
        """Look up by name, in any case; raises UnknownWatcherError."""
        try:
            return self._watchers[name.lower()]
        except KeyError:
            raise UnknownWatcherError(name) from None

    async def reopen_output(self, watchers: Iterable[WatcherView] | None = None) -> None:
        """Have the streams of these watchers open their files anew; or all of them, and the daemon's log.

        Raises:
            CommandError: some have not done so in time; they try on.
        """
        chosen = self._chosen(watchers)
        if watchers is None:
            chosen += [*self._retiring, *self._abandoned]
            if self._reopen_logs is not None:
                self._reopen_logs()
        begun = {watcher: watcher.reopen_output() for watcher in chosen}
        futures = [future for each in begun.values() for future in each]
        if futures:
            await asyncio.wait(futures, timeout=_REOPENING)
        late = [watcher for watcher, each in begun.items() if not all(future.done() for future in each)]
        if late:
            raise CommandError(f"not opened yet, and tried on: {'; '.join(map(_why_late, late))}")

    def request_reopen(self) -> None:
        """Begin reopen_output() for all; troubles are logged by the streams themselves."""
        if self.is_running:
            self._task(self._reopen_all())

    async def _reopen_all(self) -> None:
        with suppress(CommandError):
            await self.reopen_output()

    def numwatchers(self) -> int:
        return len(self._watchers)

    def numprocesses(self) -> int:
        """Return how many processes run, over all watchers."""
        return sum(len(w.processes) for w in self._watchers.values())

    def statuses(self) -> dict[str, str]:
        """Return the state of each watcher by its name."""
        return {w.name: w.state.value for w in self._watchers.values()}

    def counters(self) -> dict[str, int]:
        """Return how much was dropped or refused since the start, by what it was."""
        counted = dict(self._control.counters()) if self._control is not None else {}
        known = (*self._watchers.values(), *self._retiring, *self._abandoned)
        lost = sum(watcher.dropped_bytes for watcher in known)
        return counted | {"output_bytes_dropped": self._dropped_bytes + lost}

    async def measure(
        self, watchers: Iterable[WatcherView] | None = None, *, extended: bool = False
    ) -> dict[str, Entries]:
        """Return what `stats` says of the processes of these watchers, or of all; by name.

        Args:
            extended: let the hook extended_stats add to the entries.

        Raises:
            CommandError: the system did not tell in time.
        """
        return await self._gauge.measure(self._chosen(watchers), extended=extended)

    async def measure_daemon(self) -> dict[str, Any]:
        """Return what `dstats` says of this process; raises CommandError as measure()."""
        return await self._gauge.measure_daemon()

    async def signal_descendants(self, pids: Iterable[int], signum: int, *, recursive: bool = False) -> None:
        """Send a signal to the direct children of processes, or to all their descendants."""
        found = list(pids)
        await self._workers.run(lambda: signal_descendants(found, signum, recursive=recursive))

    async def import_hooks(self, config: WatcherConfig, anew: Collection[str] = ()) -> None:
        """Import the functions of a section on a worker thread, before it is put in force.

        Args:
            anew: hooks whose modules are to be run again, because they may have been edited.

        Raises:
            ConfigError: a hook names no function, or its module did not come to its end in hook_timeout.
        """
        try:
            await self._workers.run(import_hooks, config, anew, timeout=config.hook_timeout)
        except TimeoutError:
            text = f"the modules of its hooks were not imported within {config.hook_timeout:g} s"
            raise ConfigError(f"watcher {config.name!r}: {text}") from None

    async def describe(self, watchers: Iterable[WatcherView]) -> list[dict[str, Any]]:
        """Return all that is known of these watchers; raises CommandError as measure()."""
        described = [watcher.describe() for watcher in self._chosen(watchers)]
        processes = [process for each in described for process in each["processes"]]
        usage = await self._gauge.usage([process["pid"] for process in processes])
        for process in processes:
            process.update(usage[process["pid"]])
        return described

    @property
    def is_running(self) -> bool:
        return self._runtime is not None and self._stopping is None and not self._has_ended

    @property
    def _has_ended(self) -> bool:
        return self._ended is not None and self._ended.done()

    # Life

    async def open(self) -> None:
        """Bind the sockets and endpoints, then begin to start the watchers; returns without waiting for them.

        Raises:
            SocketError, EndpointError: an address can't be bound; nothing was started.
            ConfigError: a hook or stream of a watcher can't be found.
            CommandError: it was opened, or told to stop, before.
        """
        if self._ended is not None or self._stopping is not None:
            raise CommandError("an arbiter runs once; make a new one")
        loop = asyncio.get_running_loop()
        self._opened, self._ended = loop.create_future(), loop.create_future()
        log.info("Starting master on pid %d", os.getpid())
        try:
            await self._prepare(loop)
        except BaseException:
            await self._give_up_opening(self._ended)
            raise
        finally:
            self._opened.set_result(None)
        if self._stopping is None:
            log.info("Arbiter now waiting for commands")
            self._task(self._report_started(self.start_watchers()))

    async def wait_closed(self) -> None:
        """Wait until it has ended."""
        if self._ended is not None:
            await asyncio.shield(self._ended)

    async def close(self) -> None:
        """Stop all watchers, as request_stop(), and wait for the end."""
        if self._ended is None:
            self.sockets.close_all()
        elif not self._ended.done():
            self.request_stop()
            await self.wait_closed()

    def request_stop(self) -> asyncio.Future[None]:
        """Begin the end: all watchers stop at the same time, whatever is under way.

        Done when no process is left; the endpoints close right after that. May be repeated, and may come
        before open() is over; a restart that was asked for before will not follow. Giving up waiting for it
        changes nothing.
        """
        self.is_restarting = False
        if self._stopping is None:
            self._stopping = self._task(self._stop_all())
            self._stopping.add_done_callback(lambda _: self._task(self._end()))
        return asyncio.shield(self._stopping)

    async def prepare_restart(self) -> None:
        """Read the configuration that a restart will use, off the loop: a file may be slow, or a pipe.

        Raises:
            CircusError: it can't be used, or the arbiter is about to end for good; nothing is done.
        """
        if self._check_config is None:
            return
        self._refuse_restart_at_the_end()
        try:
            take_over = await self._workers.run(self._check_config, timeout=READING)
        except TimeoutError:
            raise ConfigError(f"the configuration could not be read within {READING:g} s") from None
        self._refuse_restart_at_the_end()
        take_over()

    def request_restart(self) -> asyncio.Future[Any]:
        """Begin the end, to be made anew from what prepare_restart() has found.

        An arbiter without a file restarts its watchers instead.

        Raises:
            CommandError: it is about to end for good; nothing is done.
        """
        if self._check_config is None:
            return self.restart_watchers()
        self._refuse_restart_at_the_end()
        stopping = self.request_stop()
        self.is_restarting = True
        return stopping

    def _refuse_restart_at_the_end(self) -> None:
        if self._stopping is not None and not self.is_restarting:
            raise CommandError("it can't be restarted: the arbiter is about to end")

    def publish(self, event: events.Event) -> None:
        """Tell everyone; never raises."""
        if isinstance(event, events.HookFailed) and event.watcher.lower() in self._watchers:
            self._watchers[event.watcher.lower()].note_failure(event)
        if self._control is not None:
            self._control.publish(event)
        for listener in self.listeners:
            try:
                listener(event)
            except Exception:  # listeners come from anybody
                log.exception("a listener failed in event %s", event.topic)
        self.hooks.event(event)

    # The configuration file

    async def plan_config(self) -> Outlook:
        """Say what reload_config() would do. Raises CircusError: the file can't be used, with all reasons."""
        return await self._configuration.look()

    async def reload_config(self, *, force: bool = False) -> Reload:
        """Read the configuration file again and begin to do what changed there, and nothing else.

        Args:
            force: also if more than half of the running watchers, and at least three, are gone from it.

        Raises:
            CircusError: it can't be used, with all reasons, or is refused; nothing has changed.
        """
        return await self._configuration.reload(force=force)

    async def check_file(self, path: str | None = None) -> CheckReport:
        """Check a configuration file of this machine, the own one if None; nothing is changed."""
        return await self._configuration.check(path)

    # All watchers, or some. The wish changes at once, except that [circus] warmup_delay is waited in between.

    def start_watchers(self, watchers: Iterable[WatcherView] | None = None) -> asyncio.Future[list[Changes]]:
        """Start those with autostart among these, or among all; highest priority first."""
        return self._each([w for w in self._chosen(watchers) if w.config.autostart], Watcher.start)

    def stop_watchers(self, watchers: Iterable[WatcherView] | None = None) -> asyncio.Future[list[None]]:
        """Stop these, or all, at the same time; lowest priority first."""
        return asyncio.gather(*(w.stop() for w in reversed(self._chosen(watchers))))

    def restart_watchers(
        self, watchers: Iterable[WatcherView] | None = None
    ) -> asyncio.Future[list[Changes]]:
        """Stop and start these, or all; those that are idle only with autostart."""
        chosen = [w for w in self._chosen(watchers) if w.config.autostart or not w.is_idle]
        return self._each(chosen, Watcher.restart)

    def reload(
        self,
        graceful: bool = True,
        sequential: bool = False,
        watchers: Iterable[WatcherView] | None = None,
    ) -> asyncio.Future[list[Changes]]:
        """Reload those of these watchers, or of all, that are not stopped."""
        if self._reopen_logs is not None and watchers is None:
            self._reopen_logs()
        running = [w for w in self._chosen(watchers) if not w.is_idle]
        return self._each(running, lambda w: w.reload(graceful=graceful, sequential=sequential))

    def new_section(self, values: Mapping[str, Any]) -> WatcherConfig:
        """Make the section of a watcher to be added from its options, `name` and `cmd` among them.

        Options of installed packages count as in the file, and hook plugins may change it.

        Raises:
            ConfigError: an option is unknown or does not fit, or a hook plugin refuses it.
        """
        return self._configuration.new_section(values)

    def add_watcher(self, config: WatcherConfig) -> Watcher:
        """Register one more watcher, stopped. Only while it runs.

        Raises:
            AlreadyExistError: there is one of this name, in any case.
            CommandError: it is about to end.
            ConfigError: one of its hooks can't be found.
        """
        if self._stopping is not None:
            raise CommandError(f"watcher {config.name!r} can't be added: the arbiter is about to end")
        watcher = self._make_watcher(config)
        self._enlist(watcher)
        self._make_room()
        self.publish(events.Added(watcher=watcher.name, time=self.clock.wall()))
        self._task(self.hooks.watcher_added(watcher))
        return watcher

    def remove_watcher(self, watcher: WatcherView, *, nostop: bool = False) -> asyncio.Future[None]:
        """Forget a watcher and stop it; with `nostop` its processes go on, and nobody cares for them.

        Raises:
            UnknownWatcherError: there is none of this name.
        """
        retired = self.get_watcher(watcher.name)
        del self._watchers[watcher.name.lower()]
        self.publish(events.Removed(watcher=watcher.name, time=self.clock.wall()))
        if nostop:
            retired.abandon()
            self._task(self._see_out(retired))
            return asyncio.shield(self._task(self.hooks.watcher_removed(retired)))
        return self._send_off(retired)

    # Inside

    async def _prepare(self, loop: asyncio.AbstractEventLoop) -> None:
        """Make and bind everything; no watcher is started by this."""
        await self.hooks.arbiter_starting(self)
        await self._bind_sockets()
        self._runtime = self._make_runtime(loop)
        in_force = self._configuration.in_force
        for config in (*in_force.watchers, *(plugin_command(p, self.config) for p in in_force.plugins)):
            self._enlist(self._make_watcher(config))
        self._bind_control()
        self._make_room()

    async def _give_up_opening(self, ended: asyncio.Future[None]) -> None:
        try:
            await self.hooks.arbiter_stopped(self)
            await self._close_all()
        finally:
            ended.set_result(None)

    async def _bind_sockets(self) -> None:
        configs = self._configuration.in_force.sockets
        for config in configs:
            await self.hooks.before_bind(config)
        self.sockets.bind_all()
        for config in configs:
            await self.hooks.after_bind(config, self.sockets[config.name].fileno())
        if self.sockets:
            log.info("sockets started")

    def _bind_control(self) -> None:
        if self._make_control is not None:
            control = self._make_control(self)
            control.bind()
            self._control = control

    def _make_runtime(self, loop: asyncio.AbstractEventLoop) -> Runtime:
        self._redirector = Redirector(loop, self._workers, clock=self.clock)
        return Runtime(
            loop=loop,
            clock=self.clock,
            hooks=self.hooks,
            publish=self.publish,
            sockets=self.sockets,
            backend=self.backend,
            output=partial(self._output, self._redirector),
            make_room=self._make_room,
            endpoint_owner=self._endpoint_owner(),
        )

    def _endpoint_owner(self) -> int | None:
        """Return the uid of endpoint_owner; one who does not exist is told of when endpoints are bound."""
        owner = self.config.endpoint_owner
        try:
            return None if owner is None else to_uid(owner)
        except ValueError:
            return None

    def _make_room(self) -> None:
        """Have descriptors for as many processes as are wanted, as far as the hard limit lets."""
        ensure_descriptors(sum(map(_descriptors, self._watchers.values())))

    def backend(self, name: str) -> Backend:
        """Return the backend of this name, made at its first use. Raises DriverError."""
        if name not in self._backends:
            self._backends[name] = self._new_backend(name)
        return self._backends[name]

    def _new_backend(self, name: str) -> Backend:
        if name in (IN_PROCESS, IN_DAEMON) and self._make_plugin_backend is not None:
            return self._make_plugin_backend(self, name)
        if name == IN_PROCESS:
            return self.backend("local")
        factory = self.drivers.load("circus.backends", name)
        backend: Backend = factory(loop=asyncio.get_running_loop(), subreaper=self._subreaper)
        return backend

    @property
    def backends(self) -> Iterable[Backend]:
        """Those in use."""
        return self._backends.values()

    def _output(self, redirector: Redirector, watcher: WatcherView) -> WatcherOutput:
        return WatcherOutput(
            config=watcher.config,
            redirector=redirector,
            load_class=lambda name: self.drivers.load("circus.streams", name),
            source=lambda stream, config: self.hooks.output(watcher, stream, config),
            tail=self.tails.make(watcher.config.tail_bytes, self.clock.wall()),
            tell=partial(self._tell_trouble, watcher),
        )

    def _tell_trouble(self, watcher: WatcherView, kind: type[events.Event], /, **payload: Any) -> None:
        self.publish(kind(watcher=watcher.name, time=self.clock.wall(), **payload))

    def _make_configuration(self, config: Config, file: ConfigFile | None) -> Reconfiguration:
        hands = Hands(
            watchers=self.iter_watchers,
            find=self._watchers.get,
            make=self._make_watcher,
            enlist=self._welcome,
            retire=self._dismiss,
            start=lambda watchers: self._each(self._chosen(watchers), Watcher.start),
            adopt=self._adopt,
            task=self._task,
            is_ending=lambda: not self.is_running,
        )
        return Reconfiguration(
            config, file, hands=hands, sockets=self.sockets, hooks=self.hooks, workers=self._workers
        )

    def _adopt(self, config: Config) -> None:
        self.config = config.arbiter
        if self._config_adopted is not None:
            self._config_adopted(config)

    def _make_watcher(self, config: WatcherConfig) -> Watcher:
        check_hooks(config)
        if self._runtime is None:
            raise CommandError(f"watcher {config.name!r} can't be added: the arbiter is not open")
        return Watcher(config, self._runtime)

    def _enlist(self, watcher: Watcher) -> None:
        if watcher.name.lower() in self._watchers:
            raise AlreadyExistError(f"{watcher.name!r} already exist")
        self._watchers[watcher.name.lower()] = watcher

    def _welcome(self, watcher: Watcher) -> None:
        """Take one that the file has brought; nothing is published, as in 0.19."""
        self._enlist(watcher)
        self._make_room()
        self._task(self.hooks.watcher_added(watcher))

    def _dismiss(self, watcher: Watcher) -> asyncio.Future[None]:
        """Let one go that the file does not have any more; nothing is published, as in 0.19."""
        del self._watchers[watcher.name.lower()]
        return self._send_off(watcher)

    def _send_off(self, watcher: Watcher) -> asyncio.Future[None]:
        self._retiring.add(watcher)
        return asyncio.shield(self._task(self._retire(watcher, watcher.retire())))

    def _chosen(self, watchers: Iterable[WatcherView] | None) -> list[Watcher]:
        """These watchers, or all, highest priority first."""
        names = None if watchers is None else {w.name for w in watchers}
        return [w for w in self.iter_watchers() if names is None or w.name in names]

    def _each(
        self, watchers: Sequence[Watcher], action: Callable[[Watcher], Awaitable[Changes]]
    ) -> asyncio.Future[list[Changes]]:
        if self.config.warmup_delay > 0:
            return asyncio.shield(self._task(self._one_after_the_other(watchers, action)))
        return asyncio.gather(*(action(w) for w in watchers))

    async def _one_after_the_other(
        self, watchers: Sequence[Watcher], action: Callable[[Watcher], Awaitable[Changes]]
    ) -> list[Changes]:
        """Begin each after the pause; a slow one does not hold up the next.

        Those that are told to stop before it is their turn are left out, and the arbiter's end stops it all.
        """
        begun: list[Awaitable[Changes]] = []
        stops = [watcher.stops for watcher in watchers]
        for watcher, stops_before in zip(watchers, stops, strict=True):
            if begun:
                await asyncio.sleep(self.config.warmup_delay)
            if self._stopping is not None:
                break
            if watcher.stops == stops_before:
                begun.append(action(watcher))
        return await asyncio.gather(*begun)

    async def _report_started(self, started: asyncio.Future[list[Changes]]) -> None:
        await started
        if self._stopping is None:
            await self.hooks.arbiter_started(self)

    async def _retire(self, watcher: Watcher, stopped: asyncio.Future[None]) -> None:
        await self.hooks.watcher_removed(watcher)
        await stopped
        if watcher.processes:
            return  # not even ended by SIGKILL: it goes with the arbiter
        await watcher.close()
        self._retiring.discard(watcher)
        self._dropped_bytes += watcher.dropped_bytes

    async def _see_out(self, watcher: Watcher) -> None:
        """Take what abandoned processes write until they have ended."""
        self._abandoned.add(watcher)
        await watcher.wait_output_over()
        await watcher.close()
        self._abandoned.discard(watcher)
        self._dropped_bytes += watcher.dropped_bytes

    async def _stop_all(self) -> None:
        if self._opened is not None:
            await asyncio.shield(self._opened)
        if self._ended is None or self._ended.done():
            return  # it never ran
        log.info("Arbiter exiting")
        await self.hooks.arbiter_stopping(self)
        last = [*self._retiring, *reversed(self.iter_watchers())]
        patience = _LAST_PATIENCE + max(map(_longest_stop, last), default=0.0)
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await asyncio.gather(*(watcher.retire() for watcher in last))
        if left := sorted(pid for watcher in last for pid in watcher.processes):
            log.error("left behind, they do not even end by SIGKILL: %s", ", ".join(map(str, left)))
        await self.hooks.arbiter_stopped(self)

    async def _end(self) -> None:
        if self._has_ended:
            return
        try:
            await self._close_all()
        finally:
            if self._ended is not None:
                self._ended.set_result(None)

    async def _close_all(self) -> None:
        """Give back everything, from the bottom of this list to its top; a failure does not keep the rest."""
        async with AsyncExitStack() as held:
            held.callback(self._cancel_tasks)
            held.callback(self._workers.close)
            for backend in self._backends.values():
                held.callback(backend.close)
            held.callback(self.sockets.close_all)
            for config in reversed(self._configuration.in_force.sockets):
                held.push_async_callback(self.hooks.before_close, config)
            if self._redirector is not None:
                held.push_async_callback(self._redirector.close)
            held.push_async_callback(self._close_watchers)
            held.push_async_callback(self._close_control)

    async def _close_watchers(self) -> None:
        everyone = (*self._watchers.values(), *self._retiring, *self._abandoned)
        await asyncio.gather(*(w.close() for w in everyone))

    async def _close_control(self) -> None:
        self.tails.finish()  # who waits for output is answered, and holds up nothing
        if self.tails.are_awaited(asyncio.get_running_loop().time()):
            await asyncio.sleep(_LAST_LINES)
        control, self._control = self._control, None
        if control is not None:
            await control.close()

    def _cancel_tasks(self) -> None:
        for task in self._tasks - {asyncio.current_task(), self._stopping}:
            task.cancel()

    def _task(self, work: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)
        return task

    def _task_done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("an internal task failed", exc_info=task.exception())


def _why_late(watcher: Watcher) -> str:
    reasons = dict.fromkeys(watcher.output_problems().values())
    return f"{watcher.name}: {', '.join(reasons) or 'its stream is at work'}"


def _longest_stop(watcher: Watcher) -> float:
    return watcher.config.graceful_timeout + watcher.config.hook_timeout


def _descriptors(watcher: Watcher) -> int:
    """How many descriptors the processes of a watcher take: a pidfd and the pipes."""
    config = watcher.config
    streams = (config.stdout_stream is not None) + (config.stderr_stream is not None)
    return watcher.numprocesses * (1 + streams)
