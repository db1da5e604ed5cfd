"""The life of circusd: it reads its file, runs an arbiter, and after a restart in place the next one."""

from __future__ import annotations

import asyncio
import gc
import importlib
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from circus_core.arbiter import Arbiter
from circus_core.cli.daemonize import Background
from circus_core.cli.ending import EndSignals
from circus_core.cli.exit_status import ADDRESS_NOT_BOUND, CANNOT_START, OK
from circus_core.cli.logs import configure_logging, reopen_log_files
from circus_core.cli.pidfile import PidFile
from circus_core.cli.signals import SignalWatcher, signal_label
from circus_core.config.model import ArbiterConfig, Config
from circus_core.config.problems import Problem, raise_errors
from circus_core.control.endpoints import KeptEndpoints
from circus_core.drivers import Drivers
from circus_core.errors import CircusError, EndpointError, SocketError
from circus_core.library import control_with, plugins_with
from circus_core.loading import ConfigFile
from circus_core.plugins import HookPlugins, plugin_manager
from circus_core.records import dataclass, replace

__all__ = ["Daemon"]

log = logging.getLogger("circus")

_ENDING: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
_NOTED: Final = (signal.SIGWINCH, signal.SIGUSR2, signal.SIGALRM)
_ON_STANDARD_ERROR: Final = ("-", "stdout")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loaded:
    """A file that can be used, as it was when it was read; doubts are for the log."""

    config: Config
    plugins: HookPlugins
    file: ConfigFile
    doubts: tuple[Problem, ...]

    @property
    def arbiter(self) -> ArbiterConfig:
        return self.config.arbiter


class Daemon:
    """One process of circusd. Everything it says before its log is open goes to standard error."""

    def __init__(
        self, path: str, *, overrides: Mapping[str, str], signals: EndSignals, background: Background | None
    ) -> None:
        """Args:
        path: the configuration file.
        overrides: options of [circus] that the command line sets.
        background: the process that waits until we are ready, if there is one.
        """
        self._path = path
        self._overrides = dict(overrides)
        self._signals = signals
        self._background = background
        self._drivers = Drivers()
        self._umask = _current_umask()
        self._pidfiles: dict[str, PidFile] = {}
        self._logs: tuple[str, str, str | None] | None = None  # the configuration of logging in force
        self._in_force: Config | None = None
        self._next: _Loaded | None = None  # what a restart will use
        self._endpoints = KeptEndpoints()

    def run(self) -> int:
        """Run until the end; returns the exit status. Errors are told, none is raised."""
        _set_process_title()
        try:
            self._run_with_pidfiles()
        except (EndpointError, SocketError) as error:
            return self._fail(str(error), ADDRESS_NOT_BOUND)
        except CircusError as error:
            return self._fail(str(error), CANNOT_START)
        except OSError as error:  # no descriptor, no working directory
            return self._fail(f"can't run: {(error.strerror or str(error)).lower()}", CANNOT_START)
        except Exception:  # noqa: BLE001  it is told, with its traceback
            return self._fail(f"this is a mistake in circusd:\n{traceback.format_exc()}", CANNOT_START)
        if self._background is not None and self._background.is_waited_for:
            self._background.failed(CANNOT_START, "circusd: told to end before it was ready")
        return OK

    # One arbiter after the other

    def _run_with_pidfiles(self) -> None:
        try:
            self._run()
        finally:
            self._remove_pidfiles()

    def _leave_nothing(self) -> None:
        """Delete what is on disk, from any thread: the program ends between two arbiters."""
        self._endpoints.remove_traces()
        self._remove_pidfiles()

    def _remove_pidfiles(self) -> None:
        for pidfile in self._pidfiles.values():
            pidfile.unlink()

    def _run(self) -> None:
        with self._signals.ending_at_once(self._leave_nothing):  # a file may be a pipe that nobody writes to
            current = self._load()
        with asyncio.Runner() as runner:  # one loop for all, since the endpoints stay with it
            try:
                self._run_arbiters(current, runner)
            finally:
                runner.run(self._endpoints.close())

    def _run_arbiters(self, current: _Loaded, runner: asyncio.Runner) -> None:
        previous: _Loaded | None = None
        while True:
            try:
                self._apply(current)
                is_restarting = self._serve(current, runner)
            except CircusError as error:
                if previous is None:
                    raise
                log.error("%s\ncan't restart with that, going on with the configuration of before", error)
                current, previous = self._made_anew(previous), None
                continue
            if not is_restarting or self._next is None or self._signals.is_told:
                return
            previous = replace(current, config=self._in_force or current.config)
            current, self._next = self._next, None

    def _load(self) -> _Loaded:
        """Read the file; raises CircusError with everything that is wrong."""
        plugins = plugin_manager()
        file = self._file(plugins)
        result = file.read()
        raise_errors(result.problems)
        if result.config is None:
            raise AssertionError("a file without errors gives a configuration")
        return _Loaded(config=result.config, plugins=plugins, file=file, doubts=result.problems)

    def _file(self, plugins: HookPlugins) -> ConfigFile:
        return ConfigFile(self._path, plugins=plugins, drivers=self._drivers, overrides=self._overrides)

    def _made_anew(self, loaded: _Loaded) -> _Loaded:
        """The same configuration for one more arbiter: hook plugins serve one."""
        plugins = plugin_manager()
        return replace(loaded, plugins=plugins, file=self._file(plugins))

    def _apply(self, loaded: _Loaded) -> None:
        """Make the process what the [circus] section says. The log is opened with the umask from before."""
        if self._logs != _logs(loaded.arbiter):
            with self._signals.ending_at_once(self._leave_nothing):
                self._open_logs(loaded.arbiter)
        os.umask(self._umask if loaded.arbiter.umask is None else loaded.arbiter.umask)
        gc.set_debug(gc.DEBUG_LEAK if loaded.arbiter.debug_gc else 0)
        self._hold_pidfile(loaded.arbiter.pidfile)
        for path in self._pidfiles.keys() - {loaded.arbiter.pidfile}:
            self._pidfiles.pop(path).unlink()
        for doubt in loaded.doubts:
            log.warning("%s", doubt)

    def _open_logs(self, arbiter: ArbiterConfig) -> None:
        configure_logging(*_logs(arbiter))
        self._logs = _logs(arbiter)

    def _hold_pidfile(self, path: str | None) -> None:
        if path is not None and path not in self._pidfiles:
            pidfile = PidFile(path)
            pidfile.create()
            self._pidfiles[path] = pidfile

    def _serve(self, loaded: _Loaded, runner: asyncio.Runner) -> bool:
        """Run one arbiter until it has ended; True if that was to make a new one."""
        with self._signals.ending_at_once(self._leave_nothing):  # hosts of sockets are looked up
            arbiter = Arbiter(
                loaded.config,
                plugins=loaded.plugins,
                drivers=self._drivers,
                control=control_with(self._drivers, self._endpoints),
                plugin_backends=plugins_with(self._drivers),
                subreaper=True,
                file=loaded.file,
                check_config=lambda: self._check_restart(loaded),
                config_adopted=self._adopt,
                reopen_logs=reopen_log_files,
            )
        self._in_force = loaded.config
        self._endpoints.following = None
        runner.run(self._live(arbiter))
        return arbiter.is_restarting

    def _adopt(self, config: Config) -> None:
        """The file was read again and is in force now, less what only a restart can apply."""
        self._in_force = config
        if self._logs is not None and config.arbiter.loggerconfig is None:
            logging.getLogger().setLevel(config.arbiter.loglevel.upper())
            self._logs = _logs(config.arbiter)

    def _check_restart(self, current: _Loaded) -> Callable[[], None]:
        """Read the file again, on a thread; what is returned makes sure of its log and pid file, on the loop.

        What was read now is what the restart uses, whatever becomes of the file until all have stopped.
        """
        following = self._load()
        return lambda: self._prepare_restart(current, following)

    def _prepare_restart(self, current: _Loaded, following: _Loaded) -> None:
        """Make sure of the log and the pid file; raises CircusError, and all is as before."""
        self._hold_pidfile(following.arbiter.pidfile)
        try:
            self._open_logs(following.arbiter)
        except CircusError:
            self._open_logs((self._in_force or current.config).arbiter)  # what failed may have closed it
            raise
        self._next = following
        self._endpoints.following = following.arbiter

    # On the loop

    async def _live(self, arbiter: Arbiter) -> None:
        log.info("Registering signals...")
        opening = asyncio.ensure_future(arbiter.open())

        def end() -> None:
            self._signals.is_told = True
            if opening.done():
                arbiter.request_stop()
            else:
                opening.cancel()

        signals = SignalWatcher(asyncio.get_running_loop(), _reactions(arbiter, end))
        try:
            if self._signals.is_told:
                end()
            if await self._has_opened(opening):
                self._begin(arbiter)
                await arbiter.wait_closed()
        finally:
            self._signals.is_told |= not signals.close().isdisjoint(_ENDING)

    async def _has_opened(self, opening: asyncio.Future[None]) -> bool:
        try:
            await opening
        except asyncio.CancelledError:
            if not self._signals.is_told:
                raise
            return False
        return True

    def _begin(self, arbiter: Arbiter) -> None:
        if os.getpid() == 1:
            arbiter.backend("local")  # reaps orphans, also while no watcher has run
        if self._signals.is_told:
            arbiter.request_stop()
        elif self._is_waited_for_in_vain():
            log.warning("the process that waited for this start has ended: so does this one")
            arbiter.request_stop()

    def _is_waited_for_in_vain(self) -> bool:
        """Tell whoever waits for this start that it succeeded; True if they have ended meanwhile."""
        background = self._background
        return background is not None and background.is_waited_for and not background.ready()

    def _fail(self, message: str, status: int) -> int:
        text = "\n".join(f"circusd: {line}" for line in message.splitlines())
        if self._background is not None and self._background.is_waited_for:
            self._background.failed(status, text)
        else:
            print(text, file=sys.stderr)
        if self._logs is not None and not _shows_on_standard_error(self._logs):
            log.error("%s", message)
        return status


def _reactions(arbiter: Arbiter, end: Callable[[], None]) -> dict[int, Callable[[], None]]:
    """TERM, INT and QUIT end, HUP reloads, USR1 reopens, CHLD looks for orphans; others do no harm."""

    def noted(signum: int, react: Callable[[], object]) -> Callable[[], None]:
        def callback() -> None:
            log.info("Got signal %s", signal_label(signum))
            react()

        return callback

    def reap_orphans() -> None:
        for backend in arbiter.backends:
            backend.reap_orphans()

    def reload() -> None:
        if arbiter.is_running:
            arbiter.reload()

    return {
        **{signum: noted(signum, end) for signum in _ENDING},
        **{signum: noted(signum, lambda: None) for signum in _NOTED},
        signal.SIGHUP: noted(signal.SIGHUP, reload),
        signal.SIGUSR1: noted(signal.SIGUSR1, arbiter.request_reopen),
        signal.SIGCHLD: reap_orphans,
    }


def _logs(arbiter: ArbiterConfig) -> tuple[str, str, str | None]:
    return arbiter.loglevel, arbiter.logoutput, arbiter.loggerconfig


def _shows_on_standard_error(logs: tuple[str, str, str | None]) -> bool:
    _, output, loggerconfig = logs
    return loggerconfig is None and output in _ON_STANDARD_ERROR


def _current_umask() -> int:
    umask = os.umask(0o077)  # there is no other way to read it: umask(2)
    os.umask(umask)
    return umask


def _set_process_title() -> None:
    """As 0.19: if the package setproctitle is there."""
    with suppress(ImportError):
        module: Any = importlib.import_module("setproctitle")
        module.setproctitle("circusd")
