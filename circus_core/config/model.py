"""What the user asked for, as frozen values; made by a reader, by `get_arbiter` or by a command."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from circus_core.records import dataclass, field

__all__ = [
    "ArbiterConfig",
    "Config",
    "HookConfig",
    "PluginConfig",
    "SocketConfig",
    "StreamConfig",
    "WatcherConfig",
]


def _nothing() -> Mapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class HookConfig:
    """One `hooks.NAME = target[, flag]` of a watcher.

    Attributes:
        target: dotted path (`a.b.c` or `a.b:c`), or the callable itself when given through the API.
        ignore_failure: an exception in the hook counts as True.
    """

    target: str | Callable[..., Any]
    ignore_failure: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamConfig:
    """Where one output of a watcher's processes goes.

    Attributes:
        class_name: name in the `circus.streams` namespace or dotted path; "default" when only other
            options were given.
        options: everything else of `stdout_stream.*`, handed to the class as keywords; text when read
            from a file.
        stream: a ready stream object (API only); then class_name is not looked at.
    """

    class_name: str = "default"
    options: Mapping[str, Any] = field(default_factory=_nothing)
    stream: Callable[[Mapping[str, Any]], Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WatcherConfig:
    """One `[watcher:NAME]` section; the options table documents each field.

    Durations are in seconds. `env` is the complete environment of the processes (after copy_env,
    `[env]`, `[env:...]`, virtualenv), `own_env` the part of it that was written for this watcher (or for
    all); `options` are keys the kernel does not know, kept for plugins.
    """

    name: str
    cmd: str = ""
    args: str | tuple[str, ...] = ""
    numprocesses: int = 1
    warmup_delay: float = 0.0
    shell: bool = False
    shell_args: str | None = None
    executable: str | None = None
    working_dir: str | None = None
    uid: str | int | None = None
    gid: str | int | None = None
    env: Mapping[str, str] = field(default_factory=_nothing)
    own_env: Mapping[str, str] = field(default_factory=_nothing)
    copy_env: bool = False
    copy_path: bool = False
    virtualenv: str | None = None
    virtualenv_py_ver: str | None = None
    rlimits: Mapping[str, int | None] = field(default_factory=_nothing)  # "nofile" -> value, None = infinity
    nice: int | None = None
    stdout_stream: StreamConfig | None = None
    stderr_stream: StreamConfig | None = None
    tail_bytes: int = 64 * 1024
    close_child_stdin: bool = True
    close_child_stdout: bool = False
    close_child_stderr: bool = False
    stdin_socket: str | None = None
    use_sockets: bool = False
    on_demand: bool = False
    autostart: bool = True
    respawn: bool = True
    final_exits: tuple[int, ...] = ()
    singleton: bool = False
    priority: int = 0
    send_hup: bool = False
    stop_signal: int = signal.SIGTERM
    stop_children: bool = False
    kill_descendants: bool = True
    graceful_timeout: float = 30.0
    max_retry: int = 5
    max_age: int = 0
    max_age_variance: int = 30
    hooks: Mapping[str, HookConfig] = field(default_factory=_nothing)
    hook_timeout: float = 10.0
    backend: str = "local"
    options: Mapping[str, Any] = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketConfig:
    """One `[socket:NAME]` section. `umask` is None for the umask of the daemon."""

    name: str  # lower case
    host: str = "localhost"
    port: int = 8080
    family: str = "AF_INET"
    type: str = "SOCK_STREAM"
    proto: str | None = None
    backlog: int = 2048
    path: str | None = None
    umask: int | None = None
    replace: bool = False
    interface: str | None = None
    so_reuseport: bool = False
    blocking: bool = False
    options: Mapping[str, Any] = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginConfig:
    """One `[plugin:NAME]` section.

    Attributes:
        name: the part after `plugin:`.
        use: name in the `circus.plugins` namespace or dotted path.
        options: what the plugin class gets as keywords, as written (one pair of quotes removed).
        run_in: "process" or "daemon".
        hang_timeout: seconds without a sign of life after which it is killed; 0: never.
        watcher: the watcher that runs it, cmd still empty: its name is `plugin:NAME`.
    """

    name: str
    use: str
    run_in: str = "process"
    hang_timeout: float = 60.0
    options: Mapping[str, Any] = field(default_factory=_nothing)
    watcher: WatcherConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class ArbiterConfig:
    """The `[circus]` section. `options` are keys that installed packages registered (register_options)."""

    endpoint: str = "tcp://127.0.0.1:5555"
    endpoint_owner: str | None = None
    pubsub_endpoint: str = "tcp://127.0.0.1:5556"
    auth: str = "auto"
    keys: str | None = None
    allow_full: tuple[str | int, ...] = ()
    allow_read: tuple[str | int, ...] = ()
    multicast_endpoint: str | None = None
    check_delay: float = 5.0
    warmup_delay: float = 0.0
    umask: int | None = None
    pidfile: str | None = None
    loglevel: str = "info"
    logoutput: str = "-"
    loggerconfig: str | None = None
    debug: bool = False
    debug_gc: bool = False
    fqdn_prefix: str | None = None
    options: Mapping[str, Any] = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A whole configuration.

    Attributes:
        path: the main file, None when built through the API.
        watchers, sockets, plugins: sorted by name (byte order), as 0.19 does.
    """

    arbiter: ArbiterConfig = field(default_factory=ArbiterConfig)
    watchers: tuple[WatcherConfig, ...] = ()
    sockets: tuple[SocketConfig, ...] = ()
    plugins: tuple[PluginConfig, ...] = ()
    path: Path | None = None
