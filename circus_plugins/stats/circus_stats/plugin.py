"""What the package does in circusd: nothing, unless statistics are wanted. Then it adds their watcher."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import logging
import os
import re
import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from circus_core import (
    ArbiterConfig,
    Config,
    ConfigError,
    Option,
    ProcessView,
    WatcherConfig,
    WatcherView,
    hookimpl,
    reachable,
)
from circus_stats.names import HISTORY_VARIABLE, WATCHER
from circus_stats.options import OPTIONS

__all__ = [
    "config_diff",
    "config_loaded",
    "extended_stats",
    "register_options",
]

log = logging.getLogger("circus")

_DEFAULT: Final = "tcp://127.0.0.1:5557"
_HERE: Final = "tcp://127.0.0.1:0"
_KEYS: Final = "CIRCUS_KEYS"
_NAME: Final = re.compile(r"[a-z0-9_.-]+")


@hookimpl
def register_options() -> Iterable[Option]:
    return OPTIONS


@hookimpl
def config_loaded(config: Config) -> Config:
    options = dict(config.arbiter.options)
    endpoint = options.get("stats_endpoint")
    is_wanted = bool(options.get("statsd"))
    if endpoint and not is_wanted:
        log.warning("stats_endpoint is given without statsd: statistics are on; write statsd = True too")
        is_wanted = True
    options |= {"statsd": is_wanted, "stats_endpoint": endpoint or _DEFAULT}  # clients may ask for it
    config = dataclasses.replace(config, arbiter=dataclasses.replace(config.arbiter, options=options))
    if not is_wanted:
        return config
    if any(watcher.name.lower() == WATCHER for watcher in config.watchers):
        raise ConfigError(f"watcher '{WATCHER}': statsd = True makes a watcher of this name; rename yours")
    watcher = _watcher(config.arbiter, [socket.name for socket in config.sockets if not socket.so_reuseport])
    return dataclasses.replace(config, watchers=(*config.watchers, watcher))


@hookimpl
def config_diff(old: Config, new: Config) -> Iterable[str] | None:
    """A process gets sockets when it is started, so that of statistics is made anew when they change."""
    return [WATCHER] if old.sockets != new.sockets else None


@hookimpl
async def extended_stats(watcher: WatcherView, process: ProcessView, stats: dict[str, Any]) -> None:
    figures = await asyncio.to_thread(_figures, process.pid)
    if figures is not None:
        stats["figures"] = figures


def _figures(pid: int) -> dict[str, Any] | None:
    from circus_stats.one_process import read_figures  # only who asks pays for it

    return read_figures(pid)


def _watcher(arbiter: ArbiterConfig, sockets: Sequence[str]) -> WatcherConfig:
    """`sockets`: those that are inherited to count what arrives.

    One of so_reuseport is not: each process gets one of its own, with a share of the connections.
    """
    options = arbiter.options
    is_closed = bool(options.get("statsd_close_outputs"))
    return WatcherConfig(
        name=WATCHER,
        cmd=shlex.join([sys.executable, "-m", "circus_stats.command_line"]),
        args=(*_arguments(arbiter), *_descriptors(sockets)),
        env=_environment(arbiter),
        copy_env=True,
        copy_path=True,
        singleton=True,
        use_sockets=bool(sockets),
        close_child_stdout=is_closed,
        close_child_stderr=is_closed,
        graceful_timeout=5.0,
    )


def _arguments(arbiter: ArbiterConfig) -> Iterator[str]:
    options = arbiter.options
    yield from ("--endpoint", reachable(arbiter.endpoint, _HERE))
    yield from ("--pubsub", reachable(arbiter.pubsub_endpoint, _HERE))
    yield from ("--statspoint", str(options["stats_endpoint"]))
    yield from ("--interval", f"{options.get('stats_interval', 1.0):g}")
    yield from ("--max-cpu", f"{options.get('stats_max_cpu', 25.0):g}")
    if options.get("stats_pss"):
        yield "--pss"
    yield from ("--auth", arbiter.auth)
    if arbiter.endpoint_owner is not None:
        yield from ("--endpoint-owner", arbiter.endpoint_owner)
    for user in arbiter.allow_full:
        yield from ("--allow-full", str(user))
    for user in arbiter.allow_read:
        yield from ("--allow-read", str(user))
    yield from ("--log-level", "debug" if arbiter.debug else arbiter.loglevel)
    yield from ("--log-output", arbiter.logoutput)


def _descriptors(sockets: Sequence[str]) -> Iterator[str]:
    """Name the sockets, so that they keep their numbers."""
    for name in sockets:
        if _NAME.fullmatch(name):
            yield from ("--fd", f"$(circus.sockets.{name})")


def _environment(arbiter: ArbiterConfig) -> dict[str, str]:
    env = dict(os.environ) | {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    if arbiter.keys is not None:
        env[_KEYS] = os.path.abspath(os.path.expanduser(arbiter.keys))
    name = _history_name()
    return env if name is None else env | {HISTORY_VARIABLE: name}


def _history_name() -> str | None:
    """Return a name that no other daemon of this machine has, and this one always has.

    None where there are no abstract names.
    """
    try:
        space = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return None
    return "circus-stats-" + hashlib.sha256(f"{space} {os.getpid()}".encode()).hexdigest()[:32]
