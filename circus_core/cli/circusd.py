"""circusd: the daemon, started from a file. This is its command line; what takes long is imported later."""

from __future__ import annotations

import argparse
import gc
import signal
import sys
from collections.abc import Sequence
from typing import Final

from circus_core.cli.ending import EndSignals
from circus_core.cli.exit_status import CANNOT_START, INTERRUPTED
from circus_core.cli.late_modules import load_late

__all__ = ["main"]

_EXIT_STATUS: Final = """\
exit status:
  0  ended as it was told to; with --daemon: it runs; with --check: the file is fine
  1  can't start: configuration, logging, plugin or pid file; with --check: problems were found
  2  wrong command line
  3  an endpoint or a socket can't be bound, for example because another circusd runs
"""
_LEVELS: Final = ("critical", "error", "warning", "info", "debug")
_ENDING: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
_SELDOM_USED: Final = (
    *("asyncio.sslproto", "hashlib", "ssl"),  # 2 MiB, and 4 of libcrypto
    *("importlib.metadata._adapters", "psutil"),  # 2 MiB
    *("csv", "importlib.resources"),  # what importlib.metadata takes along, with tempfile
)
_HARMLESS: Final = (signal.SIGHUP, signal.SIGWINCH, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM)


def main(argv: Sequence[str] | None = None) -> int:
    """Run circusd; returns its exit status, listed in --help."""
    options = _parse(argv)
    if options.check:
        return _check(options)
    try:
        return _run(options)
    except OSError as error:  # no process or descriptor for --daemon
        print(f"circusd: can't start: {(error.strerror or str(error)).lower()}", file=sys.stderr)
        return CANNOT_START


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = _parser()
    options = parser.parse_args(argv)
    if options.config is None:
        parser.error("name a configuration file")
    if options.json and not options.check:
        parser.error("--json goes with --check only")
    return options


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
    add("--daemon", action="store_true", help="run in the background; returns once everything is bound")
    add("--pidfile", metavar="FILE", help="where to write the pid")
    add("--check", action="store_true", help="only report what is wrong with the configuration file")
    add("--json", action="store_true", help="with --check: problems and resolved configuration as JSON")
    add("--version", action=_Version, nargs=0, help="print the version")
    return parser


class _Version(argparse.Action):
    """Look the version up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(version("circus-core"))
        parser.exit()


def _check(options: argparse.Namespace) -> int:
    try:
        from circus_core.config.check import CheckReport
        from circus_core.loading import check_config

        result = check_config(options.config)
    except KeyboardInterrupt:
        return INTERRUPTED
    report = CheckReport.of(options.config, result)
    print(report.json() if options.json else report.text())
    return report.exit_code


def _run(options: argparse.Namespace) -> int:
    background = None
    if options.daemon:
        from circus_core.cli.daemonize import daemonize

        background = daemonize()
    signals = EndSignals(ending=_ENDING, harmless=_HARMLESS)
    with signals.ending_at_once(lambda: None):
        gc.disable()  # imports leave no garbage worth looking for: 6 % of their time
        load_late(*_SELDOM_USED)
        from circus_core.cli.daemon import Daemon
        from circus_core.cli.heap import share_heap

        share_heap()
        gc.freeze()  # nor will what was imported become garbage
        gc.enable()
    given = {
        "loglevel": options.log_level and options.log_level.lower(),
        "logoutput": options.log_output,
        "loggerconfig": options.logger_config,
        "pidfile": options.pidfile,
    }
    overrides = {name: value for name, value in given.items() if value is not None}
    status = Daemon(options.config, overrides=overrides, signals=signals, background=background).run()
    signals.finish(status)
    return status


if __name__ == "__main__":
    sys.exit(main())
