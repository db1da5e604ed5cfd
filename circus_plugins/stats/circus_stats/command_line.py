"""`circusd-stats`: reads its arguments, runs the service, explains how it ended."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Final

from circus_core import ArbiterConfig, CircusError, add_log_options, configure_logging
from circus_stats.names import HISTORY_VARIABLE
from circus_stats.settings import Settings

__all__ = ["run_circusd_stats"]

log = logging.getLogger("circus")

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)


def run_circusd_stats(argv: Sequence[str] | None = None) -> int:
    """Run circusd-stats; returns its exit status."""
    parser = _parser()
    options = parser.parse_args(argv)
    if options.ssh is not None:
        parser.error(
            "circusd-stats looks at processes of its own machine: run it there, and circus-top --ssh here"
        )
    try:
        configure_logging(options.log_level, options.log_output)
    except CircusError as error:
        parser.error(str(error))
    try:
        asyncio.run(_run(_settings(options)))
    except CircusError as error:
        log.error("circusd-stats ends: %s", error)
        return 1
    return 0


async def _run(settings: Settings) -> None:
    from circus_stats.service import Service

    service = Service(settings)
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, service.stop)
    await service.run()


def _settings(options: argparse.Namespace) -> Settings:
    return Settings(
        endpoint=options.endpoint,
        pubsub=options.pubsub,
        statspoint=options.statspoint,
        interval=options.interval,
        share=options.max_cpu / 100,
        with_pss=options.pss,
        access=ArbiterConfig(
            auth=options.auth,
            endpoint_owner=options.endpoint_owner,
            allow_full=tuple(map(_user, options.allow_full)),
            allow_read=tuple(map(_user, options.allow_read)),
        ),
        fds=tuple(options.fd),
        history=os.environ.pop(HISTORY_VARIABLE, None),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="circusd-stats",
        description="Publishes what the processes of a circusd cost.",
        epilog="Exit status: 0 it was told to end, or circusd has; 1 no circusd, or a wrong endpoint; "
        "2 the command line can't be understood.",
    )
    add = parser.add_argument
    add("--endpoint", default="tcp://127.0.0.1:5555", help="control endpoint of circusd (%(default)s)")
    add("--pubsub", default="tcp://127.0.0.1:5556", help="event endpoint of circusd (%(default)s)")
    add("--statspoint", default="tcp://127.0.0.1:5557", help="where to publish (%(default)s)")
    add(
        "--interval",
        type=_seconds,
        default=1.0,
        metavar="SECONDS",
        help="how often to look, at least 0.1 (%(default)s)",
    )
    add(
        "--max-cpu",
        type=_percent,
        default=25.0,
        metavar="PERCENT",
        help="of a core that looking may take: with many processes it is done less often (%(default)s)",
    )
    add("--pss", action="store_true", help="find out PSS and USS, which costs much more")
    add(
        "--fd",
        type=int,
        metavar="NUMBER",
        action="append",
        default=[],
        help="a socket inherited from circusd, to count arrivals; may be repeated",
    )
    add("--auth", choices=("auto", "curve", "none"), default="auto", help="as in [circus] (%(default)s)")
    add("--endpoint-owner", metavar="USER", help="as in [circus]")
    add("--allow-full", metavar="USER", action="append", default=[], help="as in [circus]; may be repeated")
    add("--allow-read", metavar="USER", action="append", default=[], help="as in [circus]; may be repeated")
    add_log_options(parser)
    add("--ssh", metavar="USER@HOST:PORT", help="not possible: run it where circusd runs")
    add("--version", action="version", version=version("circus-stats"))
    return parser


def _seconds(text: str) -> float:
    return _number(text, 3600, "seconds")


def _percent(text: str) -> float:
    return _number(text, 100, "a number")


def _number(text: str, highest: int, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.1 <= value <= highest:
        raise argparse.ArgumentTypeError(f"must be {what} from 0.1 to {highest}, got '{text}'")
    return value


def _user(text: str) -> str | int:
    return int(text) if text.isdecimal() else text


if __name__ == "__main__":
    sys.exit(run_circusd_stats())
