"""A `[plugin:NAME]` section -> the watcher that runs the plugin in a process of its own."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Mapping
from typing import Any, Final

from circus_core.access.keys import FOLDER_VARIABLE, key_folder
from circus_core.backends import SpawnRequest
from circus_core.config.model import ArbiterConfig, PluginConfig, WatcherConfig
from circus_core.config.units import BOOL, to_text
from circus_core.records import replace

__all__ = [
    "ALIVE",
    "CONFIG_VARIABLE",
    "DAEMON_VARIABLE",
    "HANG_VARIABLE",
    "IN_DAEMON",
    "IN_PROCESS",
    "LIFE_VARIABLE",
    "READY",
    "plugin_command",
    "plugin_keywords",
    "watcher_of",
]

IN_PROCESS: Final = "plugin-process"
"""Backend of plugins in processes of their own."""

IN_DAEMON: Final = "plugin-thread"
"""Backend of plugins in the daemon."""

CONFIG_VARIABLE: Final = "CIRCUS_PLUGIN_CONFIG"
"""Environment variable with the keywords of the plugin class, a JSON object: any value arrives as it was
written, and none shows in the list of processes."""

DAEMON_VARIABLE: Final = "CIRCUS_DAEMON_PID"
"""Environment variable with the pid of the daemon: the plugin ends when that process does."""


HANG_VARIABLE: Final = "CIRCUS_PLUGIN_HANG_TIMEOUT"
"""Environment variable for the backend: seconds without a sign of life that are too many."""

LIFE_VARIABLE: Final = "CIRCUS_PLUGIN_LIFE"
"""Environment variable `DESCRIPTOR:SECONDS`: where the plugin shows that it lives, and how often."""

ALIVE: Final = b"."
"""Written there: the loop of the plugin turns."""

READY: Final = b"+"
"""Written there: no event can be missed any more."""


def plugin_command(
    plugin: PluginConfig, arbiter: ArbiterConfig, *, daemon_pid: int | None = None
) -> WatcherConfig:
    """Return the watcher that runs a plugin; equal arguments give equal watchers.

    Where the daemon logs to standard error, so does the plugin. One with `active = False` gets a watcher that
    is not started, and that stops if someone starts it.

    Args:
        daemon_pid: None for this process.
    """
    watcher = plugin.watcher
    pid = os.getpid() if daemon_pid is None else daemon_pid
    handed_over = {CONFIG_VARIABLE: json.dumps(plugin_keywords(plugin)), DAEMON_VARIABLE: str(pid)}
    if watcher.uid is None:  # another user has keys of its own
        handed_over[FOLDER_VARIABLE] = key_folder(arbiter.keys)
    if plugin.hang_timeout > 0:
        handed_over[HANG_VARIABLE] = str(plugin.hang_timeout)
    if not _is_active(plugin.options):
        watcher = replace(watcher, autostart=False, respawn=False)
    env = {**watcher.env, **handed_over}
    if plugin.run_in == "daemon":
        return replace(
            watcher,
            cmd=shlex.quote(plugin.use),
            args=(),
            env=env,
            backend=IN_DAEMON,
            numprocesses=1,
            singleton=True,
        )
    if arbiter.logoutput in ("-", "stdout"):
        watcher = replace(watcher, close_child_stderr=False)
    return replace(
        watcher,
        backend=IN_PROCESS if watcher.backend == "local" else watcher.backend,
        cmd=shlex.join([sys.executable, "-m", "circus_core.cli.circus_plugin"]),
        args=_arguments(plugin, arbiter),  # a tuple: not split into words again
        env=env,
    )


def watcher_of(request: SpawnRequest) -> str:
    """Return the name of the watcher that a process is for."""
    return request.label.rpartition(".")[0]


def plugin_keywords(plugin: PluginConfig) -> dict[str, Any]:
    """Return what the plugin class gets as keywords, wherever it runs.

    Scalars are text, as plugins expect since 0.19; None is left out; lists and tables that came through the
    API stay what JSON makes of them.
    """
    given = {key: _as_text(value) for key, value in plugin.options.items() if value is not None}
    keywords: dict[str, Any] = json.loads(json.dumps(given, default=str))
    return {**keywords, "name": plugin.watcher.name}


def _arguments(plugin: PluginConfig, arbiter: ArbiterConfig) -> tuple[str, ...]:
    level = "debug" if arbiter.debug else arbiter.loglevel
    return (
        *("--endpoint", _reachable(arbiter.endpoint), "--pubsub", _reachable(arbiter.pubsub_endpoint)),
        *("--check-delay", str(arbiter.check_delay)),
        *("--log-level", level, "--log-output", arbiter.logoutput),
        plugin.use,
    )


def _reachable(endpoint: str) -> str:
    """Return where to connect for what was bound; zmq_tcp(7): the wildcard address is for binding only."""
    return endpoint.replace("tcp://*:", "tcp://127.0.0.1:", 1)


def _as_text(value: Any) -> Any:
    try:
        return to_text(value)
    except ValueError:
        return value


def _is_active(options: Mapping[str, Any]) -> bool:
    """Tell whether the plugin may run; a value that is no boolean is for the plugin to complain about."""
    try:
        return bool(BOOL.parse(options.get("active", True)))
    except ValueError:
        return True
