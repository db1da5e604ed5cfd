"""Configuration files as mappings."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Final

from circus.util import DEFAULT_ENDPOINT_STATS, StrictConfigParser, replace_gnu_args, to_bool
from circus_core import (
    ArbiterConfig,
    Config,
    HookConfig,
    PluginConfig,
    SocketConfig,
    StreamConfig,
    WatcherConfig,
    config_from_file,
    sections_from_file,
)

__all__ = [
    "DefaultConfigParser",
    "config_of",
    "get_config",
    "read_config",
    "rlimit_value",
    "watcher_defaults",
]

_ARBITER: Final = (
    "check_delay",
    "debug",
    "debug_gc",
    "endpoint",
    "endpoint_owner",
    "fqdn_prefix",
    "loggerconfig",
    "loglevel",
    "logoutput",
    "multicast_endpoint",
    "pidfile",
    "pubsub_endpoint",
    "umask",
    "warmup_delay",
)
_OF_PACKAGES: Final = {
    "httpd": False,
    "httpd_host": "localhost",
    "httpd_port": 8080,
    "statsd": False,
    "stats_endpoint": None,
}
"""Options that installed packages provide, with what they are without."""

_CONVERTERS: Final[Mapping[type, Callable[[Any], Any]]] = {bool: to_bool, int: int, float: float, str: str}


class DefaultConfigParser(StrictConfigParser):
    """A parser of ini files whose `get` replaces `$(circus.env.NAME)`."""

    def __init__(self, *args: Any, **kw: Any) -> None:
        super().__init__(*args, **kw)
        self._env: Mapping[str, str] = dict(os.environ)

    def set_env(self, env: Mapping[str, str]) -> None:
        """Replace with these variables instead of those of this process."""
        self._env = dict(env)

    def get(self, section: str, option: str, **kwargs: Any) -> Any:  # type: ignore[override]  # one form of many
        """Return a value with its variables replaced."""
        return self._replaced(super().get(section, option, **kwargs))

    def items(self, section: str, noreplace: bool = False) -> Any:  # type: ignore[override]  # as above
        """Return the options of a section and their values.

        Args:
            noreplace: as written, variables are not replaced.
        """
        pairs = super().items(section)
        return pairs if noreplace else [(key, self._replaced(value)) for key, value in pairs]

    def dget(self, section: str, option: str, default: Any = None, type: type = str) -> Any:
        """Return a value as a `str`, `int`, `float` or `bool`, or the default if there is none."""
        if not self.has_option(section, option):
            return default
        if type not in _CONVERTERS:
            raise NotImplementedError(f"a value is a str, int, float or bool, not a {type!r}")
        return _CONVERTERS[type](self.get(section, option))

    def _replaced(self, value: Any) -> Any:
        return replace_gnu_args(value, env=self._env) if isinstance(value, str) else value


def read_config(config_path: str) -> tuple[DefaultConfigParser, list[str]]:
    """Return a file with all it includes as a parser, and the paths that were read.

    Raises:
        ConfigError: a file can't be read, or a line of it can't be understood.
    """
    sections, files = sections_from_file(config_path)
    parser = DefaultConfigParser()
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their case
    parser.read_dict(sections)
    return parser, [str(file) for file in files]


def get_config(config_file: str) -> dict[str, Any]:
    """Return what a file says: options of the daemon, and lists of `watchers`, `sockets` and `plugins`.

    Raises:
        IOError: there is no such file.
        ConfigError: with everything that is wrong in it.
    """
    config = config_of(config_file)
    return {
        **_arbiter(config.arbiter),
        "watchers": [_watcher(watcher) for watcher in config.watchers],
        "sockets": [_socket(socket) for socket in config.sockets],
        "plugins": [_plugin(plugin) for plugin in config.plugins],
    }


def config_of(config_file: str) -> Config:
    """Return what a file says; raises as get_config()."""
    if not os.path.exists(config_file):
        raise OSError(f"the configuration file {config_file!r} does not exist")
    return config_from_file(config_file)


def watcher_defaults() -> dict[str, Any]:
    """Return the keys that each watcher of get_config() has."""
    return {
        "name": "",
        "cmd": "",
        "args": "",
        "numprocesses": 1,
        "warmup_delay": 0,
        "executable": None,
        "working_dir": None,
        "on_demand": False,
        "shell": False,
        "uid": None,
        "gid": None,
        "send_hup": False,
        "stop_signal": signal.SIGTERM,
        "stop_children": False,
        "max_retry": 5,
        "graceful_timeout": 30,
        "rlimits": {},
        "stderr_stream": {},
        "stdout_stream": {},
        "priority": 0,
        "use_sockets": False,
        "singleton": False,
        "copy_env": False,
        "copy_path": False,
        "hooks": {},
        "respawn": True,
        "autostart": True,
    }


def rlimit_value(val: str | None) -> int:
    """Return the number of a limit; none at all, or `infinity`, is that there is no limit."""
    if not val or val.strip().lower() in ("infinity", "unlimited"):
        return resource.RLIM_INFINITY
    return int(val)


def _arbiter(config: ArbiterConfig) -> dict[str, Any]:
    found = {name: getattr(config, name) for name in _ARBITER}
    found |= {name: config.options.get(name, default) for name, default in _OF_PACKAGES.items()}
    if found["statsd"] and found["stats_endpoint"] is None:
        found["stats_endpoint"] = DEFAULT_ENDPOINT_STATS
    return found


def _watcher(config: WatcherConfig) -> dict[str, Any]:
    known = watcher_defaults()
    found = {
        field.name: getattr(config, field.name)
        for field in fields(config)
        if field.name in known or getattr(config, field.name) != field.default
    }
    for name in ("options", "own_env"):
        found.pop(name, None)
    return {
        **found,
        "args": config.args if isinstance(config.args, str) else list(config.args),
        "env": dict(config.own_env),
        "hooks": {name: _hook(hook) for name, hook in config.hooks.items()},
        "rlimits": {name: _limit(value) for name, value in config.rlimits.items()},
        "stdout_stream": _stream(config.stdout_stream),
        "stderr_stream": _stream(config.stderr_stream),
        **config.options,
    }


def _hook(config: HookConfig) -> list[Any]:
    return [config.target, config.ignore_failure]


def _limit(value: int | None) -> int:
    return resource.RLIM_INFINITY if value is None else value


def _stream(config: StreamConfig | None) -> dict[str, Any]:
    if config is None:
        return {}
    if config.stream is not None:
        return {"stream": config.stream}
    named = {} if config.class_name == "default" else {"class": config.class_name}
    return {**named, **config.options}


def _socket(config: SocketConfig) -> dict[str, Any]:
    always = () if config.path else ("host", "port")
    given = {
        field.name: str(getattr(config, field.name))
        for field in fields(config)
        if field.name in always or (field.name != "options" and getattr(config, field.name) != field.default)
    }
    booleans = {"replace": config.replace, "so_reuseport": config.so_reuseport}
    return {**given, **config.options, **booleans}


def _plugin(config: PluginConfig) -> dict[str, Any]:
    watcher = config.watcher
    return {**config.options, "use": config.use, "name": watcher.name, "priority": watcher.priority}
