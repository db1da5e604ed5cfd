"""circus-plugin: run one plugin in a process of its own, against a daemon here or elsewhere."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from typing import Any

from circus_core.cli.log_options import add_log_options
from circus_core.cli.logs import configure_logging
from circus_core.drivers import Drivers
from circus_core.errors import ConfigError
from circus_core.plugin.base import CircusPlugin, explain, explains_itself
from circus_core.plugin.lookup import load_plugin
from circus_core.plugin_watcher import (
    ALIVE,
    CONFIG_VARIABLE,
    DAEMON_VARIABLE,
    HANG_VARIABLE,
    LIFE_VARIABLE,
    READY,
)

__all__ = ["main"]

_logger = logging.getLogger("circus")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the plugin until it ends, SIGINT or SIGTERM comes, or the daemon that started it has gone.

    Returns:
        Exit status: 0 for an orderly end, 1 for a plugin that can't run, 2 for a wrong command line.
    """
    parser = _parser()
    options = parser.parse_args(argv)
    if options.plugin is None:
        parser.print_usage(sys.stderr)
        sys.stderr.write("circus-plugin: name a plugin, for example mypackage.plugins.Logger\n")
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # until the loop runs it ends us as Ctrl-C does
    try:
        configure_logging(options.log_level, options.log_output, None)
        _run(options)
    except KeyboardInterrupt:
        _logger.debug("interrupted before the plugin was ready")
    except Exception as error:
        _logger.error("%s", _explain(error))
        _logger.debug("where it happened:", exc_info=True)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="circus-plugin",
        description="Runs one plugin.",
        epilog="Started by circusd, a plugin gets its options through the environment instead of --config.",
    )
    add = parser.add_argument
    add("plugin", nargs="?", help="name of an installed plugin, or dotted path of its class: a.b.C or a.b:C")
    add("--endpoint", default="tcp://127.0.0.1:5555", help="control endpoint of circusd (%(default)s)")
    add("--pubsub", default="tcp://127.0.0.1:5556", help="event endpoint of circusd (%(default)s)")
    add("--config", default="", metavar="K:V[:::K:V...]", help="options of the plugin")
    add("--check-delay", type=float, default=5.0, metavar="SECONDS", help="told to the plugin (%(default)s)")
    add_log_options(parser)
    add("--ssh", metavar="USER@HOST:PORT", help="reach both endpoints through this host")
    add("--version", action="version", version=version("circus-core"))
    return parser


def _run(options: argparse.Namespace) -> None:
    config = {**_config_from_daemon(), **parse_config(options.config)}
    daemon_pid = _daemon_pid()
    _logger.info("Loading the plugin...")
    plugin_class = load_plugin(Drivers(), options.plugin)
    _logger.info("Endpoint: %r", options.endpoint)
    _logger.info("Pub/sub: %r", options.pubsub)
    plugin = plugin_class(options.endpoint, options.pubsub, options.check_delay, options.ssh, **config)
    _show_life_to_the_daemon(plugin)
    plugin.asyncio_loop.call_soon(_stop_on_signals, plugin)
    if daemon_pid is not None:
        _stop_without_daemon(plugin, daemon_pid)
    _logger.info("Starting")
    try:
        plugin.start()
    finally:
        _logger.info("Stopping")


def parse_config(text: str) -> dict[str, str]:
    """Read `key:value:::key:value`; blanks around both are dropped, and so is a part without a colon."""
    pairs = [part.partition(":") for part in text.split(":::")]
    return {key.strip(): value.strip() for key, colon, value in pairs if colon}


def _config_from_daemon() -> dict[str, Any]:
    """Take the options that circusd put into the environment out of it, so that no child inherits them."""
    text = os.environ.pop(CONFIG_VARIABLE, "{}")
    try:
        config = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"{CONFIG_VARIABLE} is not JSON: {error}") from error
    if not isinstance(config, dict):
        raise ConfigError(f"{CONFIG_VARIABLE} is not a JSON object")
    return config


def _daemon_pid() -> int | None:
    text = os.environ.pop(DAEMON_VARIABLE, "")
    return int(text) if text.isdecimal() else None


def _show_life_to_the_daemon(plugin: CircusPlugin) -> None:
    """Write to the pipe that circusd gave us, if it did; it is not inherited any further."""
    os.environ.pop(HANG_VARIABLE, None)
    number, _, every = os.environ.pop(LIFE_VARIABLE, "").partition(":")
    if not number.isdecimal():
        return
    pipe = int(number)
    os.set_inheritable(pipe, False)
    os.set_blocking(pipe, False)

    def show(is_ready: bool) -> None:
        with suppress(OSError):  # nobody reads: the daemon stands still, or has gone
            os.write(pipe, READY if is_ready else ALIVE)

    plugin.attach(show_life=show, every=float(every or 0))


def _stop_on_signals(plugin: CircusPlugin) -> None:
    """Let the first SIGINT or SIGTERM end the plugin in an orderly way, and the next one at once."""
    loop = plugin.asyncio_loop
    numbers = (signal.SIGINT, signal.SIGTERM)

    def stop() -> None:
        for number in numbers:
            loop.remove_signal_handler(number)
        _stop(plugin)

    for number in numbers:
        loop.add_signal_handler(number, stop)


def _stop(plugin: CircusPlugin) -> None:
    """Stop the plugin, and end this process if a handle_stop or a thread of the plugin keeps it from ending.

    Circus 0.19 ran no handle_stop when the daemon ended a plugin: nobody noticed one that never returns.
    """
    seconds = plugin.stop_timeout

    def end() -> None:
        _logger.warning("the plugin was stopped %g s ago and has not ended; it is ended now", seconds)
        os._exit(1)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    plugin.stop()


def _stop_without_daemon(plugin: CircusPlugin, pid: int) -> None:
    """End the plugin when the daemon's process ends; where there is no pidfd_open(2) it lives on."""
    if not hasattr(os, "pidfd_open"):
        return

    def gone() -> None:
        if daemon != -1:
            plugin.asyncio_loop.remove_reader(daemon)
        _logger.warning("circusd (pid %d) has gone", pid)
        _stop(plugin)

    daemon = -1
    try:
        daemon = os.pidfd_open(pid)  # readable once it has ended; closed with this process
    except ProcessLookupError:
        plugin.asyncio_loop.call_soon(gone)
    else:
        plugin.asyncio_loop.add_reader(daemon, gone)


def _explain(error: Exception) -> str:
    where = "" if explains_itself(error) else "; --log-level debug shows where"
    return f"{explain(error)}{where}"


if __name__ == "__main__":
    sys.exit(main())
