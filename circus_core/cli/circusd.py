"""circusd: the daemon. Builds the arbiter from a file and runs it until it is told to end."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Final

from circus_core.arbiter import Arbiter
from circus_core.config.check import check
from circus_core.config.load import LoadResult
from circus_core.config.model import Config
from circus_core.config.problems import raise_errors
from circus_core.daemonize import Background, daemonize
from circus_core.drivers import Drivers
from circus_core.errors import CircusError, EndpointError, SocketError
from circus_core.library import control_with
from circus_core.loading import load_config, load_options
from circus_core.logs import configure_logging
from circus_core.pidfile import PidFile
from circus_core.plugins import HookPlugins, plugin_manager
from circus_core.signals import SignalWatcher, signal_label

__all__ = ["main"]

log = logging.getLogger("circus")

OK: Final = 0
CANNOT_START: Final = 1
WRONG_USAGE: Final = 2
ADDRESS_NOT_BOUND: Final = 3

_EXIT_STATUS: Final = """\
exit status:
  0  ended as it was told to; with --check: the file is fine
  1  can't start: configuration, logging, plugin or pid file; with --check: problems were found
  2  wrong command line
  3  an endpoint or a socket can't be bound, for example because another circusd runs
"""
_LEVELS: Final = ("critical", "error", "warning", "info", "debug")
_ENDING: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
_IGNORED: Final = (signal.SIGWINCH, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM)


def main(argv: Sequence[str] | None = None) -> int:
    """Run circusd; returns its exit status, listed in --help."""
    parser = _parser()
    options = parser.parse_args(argv)
    if options.config is None:
        parser.print_usage(sys.stderr)
        sys.stderr.write("circusd: name a configuration file\n")
        return WRONG_USAGE
    try:
        return _check(options) if options.check else _Daemon(options).run()
    except CircusError as error:
        sys.stderr.write(_complaint(error) + "\n")
        return CANNOT_START


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="circusd",
        description="Start processes and sockets from a file and keep them alive.",
        epilog=_EXIT_STATUS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("config", nargs="?", help="configuration file (ini or toml)")
    add("--log-level", choices=[*_LEVELS, *map(str.upper, _LEVELS)], metavar="LEVEL", help=", ".join(_LEVELS))
    add("--log-output", metavar="FILE", help="file, - for standard error, or syslog://HOST[:PORT]?FACILITY")
    add("--logger-config", metavar="FILE", help="logging configuration (ini, json or yaml)")
    add("--daemon", action="store_true", help="run in the background, once everything is bound")
    add("--pidfile", metavar="FILE", help="where to write the pid")
    add("--check", action="store_true", help="only report what is wrong with the configuration file")
    add("--json", action="store_true", help="with --check: problems and resolved configuration as JSON")
    add("--version", action="version", version=version("circus-core"), help="print the version")
    return parser


def _check(options: argparse.Namespace) -> int:
    report = check(options.config, **load_options(plugins=plugin_manager(), drivers=Drivers()))
    sys.stdout.write((report.json() if options.json else report.text()) + "\n")
    return report.exit_code


class _Daemon:
    """One run of the program; a restart in place makes a new arbiter in it."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._drivers = Drivers()
        self._background: Background | None = None

    def run(self) -> int:
        plugins = plugin_manager()
        loaded = self._load(plugins)
        if self._options.daemon:
            self._background = daemonize()
        try:
            return self._run_with_pidfile(plugins, loaded)
        except CircusError as error:
            status = ADDRESS_NOT_BOUND if isinstance(error, EndpointError | SocketError) else CANNOT_START
            return self._failed(error, status)

    def _run_with_pidfile(self, plugins: HookPlugins, loaded: LoadResult) -> int:
        config = _ready(loaded)
        configure_logging(config.arbiter.loglevel, config.arbiter.logoutput, config.arbiter.loggerconfig)
        if config.arbiter.umask is not None:
            os.umask(config.arbiter.umask)
        pidfile = PidFile(config.arbiter.pidfile) if config.arbiter.pidfile else None
        if pidfile is not None:
            pidfile.create()
        try:
            while asyncio.run(self._run_once(plugins, loaded)):
                plugins = plugin_manager()
                loaded = self._load(plugins)
        finally:
            if pidfile is not None:
                pidfile.unlink()
        return OK

    def _load(self, plugins: HookPlugins) -> LoadResult:
        """Read the file and let the command line win; raises ConfigError with all that is wrong."""
        loaded = load_config(self._options.config, plugins=plugins, drivers=self._drivers)
        raise_errors(loaded.problems)
        return replace(loaded, config=_with_command_line(_ready(loaded), self._options))

    async def _run_once(self, plugins: HookPlugins, loaded: LoadResult) -> bool:
        """Run one arbiter until it ends; True if the configuration shall be read again."""
        config = _ready(loaded)
        if config.arbiter.debug_gc:
            gc.set_debug(gc.DEBUG_LEAK)
        for problem in loaded.problems:
            log.warning("%s", problem)
        arbiter = Arbiter(
            config,
            plugins=plugins,
            drivers=self._drivers,
            control=control_with(self._drivers),
            subreaper=True,
            check_config=lambda: self._load(plugin_manager()),
        )
        signals = SignalWatcher(asyncio.get_running_loop(), _signal_callbacks(arbiter))
        try:
            await arbiter.open()
            if self._background is not None:
                self._background.ready()
            await arbiter.wait_closed()
        finally:
            signals.close()
        return arbiter.is_restarting

    def _failed(self, error: CircusError, status: int) -> int:
        if self._background is not None:
            self._background.failed(status, _complaint(error))
        log.error("%s", error)
        return status


def _ready(loaded: LoadResult) -> Config:
    if loaded.config is None:
        raise AssertionError("a file without errors gives a configuration")
    return loaded.config


def _with_command_line(config: Config, options: argparse.Namespace) -> Config:
    given = {
        "loglevel": options.log_level,
        "logoutput": options.log_output,
        "loggerconfig": options.logger_config,
        "pidfile": options.pidfile,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    return replace(config, arbiter=replace(config.arbiter, **changes))


def _signal_callbacks(arbiter: Arbiter) -> dict[int, Callable[[], None]]:
    """SIGHUP reloads, SIGCHLD looks for orphans, TERM, INT and QUIT end; others are noted and do no harm."""

    def noted(signum: int, react: Callable[[], object]) -> Callable[[], None]:
        def callback() -> None:
            log.info("Got signal %s", signal_label(signum))
            react()

        return callback

    def reap_orphans() -> None:
        for backend in arbiter.backends:
            backend.reap_orphans()

    return {
        **{signum: noted(signum, arbiter.request_stop) for signum in _ENDING},
        **{signum: noted(signum, lambda: None) for signum in _IGNORED},
        signal.SIGHUP: noted(signal.SIGHUP, arbiter.reload),
        signal.SIGCHLD: reap_orphans,
    }


def _complaint(error: CircusError) -> str:
    return f"circusd: {error}"


if __name__ == "__main__":
    sys.exit(main())
