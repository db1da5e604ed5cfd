"""Configuration from plain mappings instead of files: `get_arbiter`, the `add` and `set` commands.

The same table of options, the same messages. Typed values are taken as well as text; the caller's mapping is
never changed; None means "not given". `$(circus...)` is left for the spawn.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from types import MappingProxyType
from typing import Any, Final, TypeVar

from circus_core.config.build import build_arbiter, build_socket
from circus_core.config.build_plugin import build_plugin
from circus_core.config.build_watcher import (
    build_watcher,
    is_watcher_key,
    watcher_environment,
    watcher_fields,
)
from circus_core.config.convert import Context
from circus_core.config.environment import Daemon
from circus_core.config.model import ArbiterConfig, PluginConfig, SocketConfig, StreamConfig, WatcherConfig
from circus_core.config.options import Option, Table
from circus_core.config.problems import Report, raise_errors
from circus_core.config.raw import RawSection, RawValue
from circus_core.config.rules import check_watcher
from circus_core.errors import ConfigError
from circus_core.records import replace

__all__ = [
    "arbiter_from_mapping",
    "plugin_from_mapping",
    "set_option",
    "socket_from_mapping",
    "watcher_from_mapping",
]

_Config = TypeVar("_Config")

_WHOLE_KEYS: Final = frozenset({"env", "hooks", "rlimits", "stdout_stream", "stderr_stream"})
_ENVIRONMENT_KEYS: Final = frozenset({"env", "copy_env", "copy_path", "virtualenv", "virtualenv_py_ver"})


def watcher_from_mapping(
    mapping: Mapping[str, Any],
    *,
    extra_options: Iterable[Option] = (),
    environ: Mapping[str, str] | None = None,
    allow_unknown: bool = True,
) -> WatcherConfig:
    """Make a watcher from the keys of a `[watcher:NAME]` section, also `env`, `hooks`, `rlimits`, streams.

    Without `name` it is called after the program. Raises ConfigError with every problem.

    Args:
        allow_unknown: keep keys the kernel does not know; else they are errors.
    """
    context = _context(extra_options, environ)
    name = str(mapping.get("name") or _program(mapping.get("cmd")))
    section = _section(f"watcher:{name}", mapping)
    if not allow_unknown:
        _refuse_unknown(section, context)
    config = build_watcher(section, context, name=name, own_env={}, scope=None)
    return _built(config, context)


def socket_from_mapping(mapping: Mapping[str, Any], *, extra_options: Iterable[Option] = ()) -> SocketConfig:
    """Make a socket from `name` and the keys of a `[socket:NAME]` section. Raises ConfigError."""
    context = _context(extra_options, None)
    name = str(mapping.get("name") or "").lower()
    rest = {key: value for key, value in mapping.items() if key != "name"}
    return _built(build_socket(_section(f"socket:{name}", rest), context, name=name, scope=None), context)


def plugin_from_mapping(
    mapping: Mapping[str, Any],
    *,
    extra_options: Iterable[Option] = (),
    environ: Mapping[str, str] | None = None,
    debug: bool = False,
) -> PluginConfig:
    """Make a plugin from `use` and its options. Without `name` it is called as `use`. Raises ConfigError."""
    context = _context(extra_options, environ)
    name = str(mapping.get("name") or mapping.get("use") or "").removeprefix("plugin:")
    rest = {key: value for key, value in mapping.items() if key != "name"}
    section = _section(f"plugin:{name}", rest)
    return _built(build_plugin(section, context, name=name, scope=None, debug=debug), context)


def arbiter_from_mapping(
    mapping: Mapping[str, Any], *, extra_options: Iterable[Option] = ()
) -> ArbiterConfig:
    """Make the daemon's part from the keys of the `[circus]` section.

    Raises ConfigError, also for unknown keys.
    """
    context = _context(extra_options, None)
    section = _section("circus", mapping)
    for key in mapping:
        if context.table.find("circus", key) is None:
            context.report.error(section.place, f"unknown option {key!r}", option=key)
    return _built(build_arbiter(section, context, None), context)


def set_option(
    config: WatcherConfig,
    key: str,
    value: Any,
    *,
    extra_options: Iterable[Option] = (),
    environ: Mapping[str, str] | None = None,
) -> WatcherConfig:
    """Return the watcher with one option changed; None gives it its default again.

    `rlimit_X`, `hooks.X` and `stdout_stream.X` change one member, `env` replaces all own variables.
    Raises ConfigError if the key is unknown or the value does not fit.
    """
    context = _context(extra_options, environ)
    section = RawSection(f"watcher:{config.name}", values={key: RawValue(value)})
    _refuse_unsettable(config, section, key, context)
    raise_errors(context.report.problems)
    fields = watcher_fields(section, context, None)
    raise_errors(context.report.problems)
    if value is None and not key.startswith("rlimit_"):
        fields = _default_of(key, context)
    changed = replace(config, **_merged(config, key, fields))
    check_watcher(changed, section, context)
    raise_errors(context.report.problems)
    if key in _ENVIRONMENT_KEYS:
        return _built(watcher_environment(changed, section, context), context)
    return changed


def _context(extra_options: Iterable[Option], environ: Mapping[str, str] | None) -> Context:
    return Context(table=Table(extra_options), daemon=Daemon.current(environ), report=Report())


def _section(name: str, mapping: Mapping[str, Any]) -> RawSection:
    return RawSection(name, values={str(key): RawValue(value) for key, value in mapping.items()})


def _built(config: _Config | None, context: Context) -> _Config:
    raise_errors(context.report.problems)
    if config is None:
        raise AssertionError("what has no error is built")
    return config


def _program(cmd: Any) -> str:
    """Base name of the first word of a command; "" if there is none."""
    try:
        words = shlex.split(cmd) if isinstance(cmd, str) else []
    except ValueError:
        words = []
    return PurePath(words[0]).name if words else ""


def _refuse_unknown(section: RawSection, context: Context) -> None:
    for key in section.values:
        if key not in _WHOLE_KEYS and not is_watcher_key(key, context):
            _unknown(section, key, context)


def _unknown(section: RawSection, key: str, context: Context) -> None:
    near = context.speller("watcher").nearest(key)
    context.report.error(
        section.place,
        f"unknown key {key!r}",
        option=key,
        suggestion=f"did you mean {near}?" if near else "",
    )


def _refuse_unsettable(config: WatcherConfig, section: RawSection, key: str, context: Context) -> None:
    if key == "name":
        context.report.error(section.place, "name can't be changed while the watcher exists", option=key)
    is_free = key in config.options or ("." in key and context.speller("watcher").nearest(key) is None)
    if key not in _WHOLE_KEYS and not is_free and not is_watcher_key(key, context):
        _unknown(section, key, context)


def _default_of(key: str, context: Context) -> dict[str, Any]:
    """The field that the key stands for, with its default."""
    option = context.table.find("watcher", key)
    if option is not None and option.name in WatcherConfig.__slots__:
        return {option.name: option.default}
    if key in ("stdout_stream", "stderr_stream"):
        return {key: None}
    if key == "env":
        return {"own_env": MappingProxyType({})}
    if key in ("hooks", "rlimits"):
        return {key: None}
    raise ConfigError(f"{key} can't be reset")


def _merged(config: WatcherConfig, key: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Members of families are added to those the watcher has."""
    merged = dict(fields)
    for name in ("rlimits", "hooks", "options"):
        if name in merged:
            old = getattr(config, name) if merged[name] is not None else {}
            merged[name] = MappingProxyType({**old, **(merged[name] or {})})
    stream, dot, member = key.partition(".")
    if dot and stream in merged and isinstance(getattr(config, stream), StreamConfig):
        merged[stream] = _merged_stream(getattr(config, stream), merged[stream], member)
    return merged


def _merged_stream(old: StreamConfig, new: StreamConfig, member: str) -> StreamConfig:
    return StreamConfig(
        class_name=new.class_name if member == "class" else old.class_name,
        options=MappingProxyType({**old.options, **new.options}),
        stream=None if member == "class" else old.stream,
    )
