"""Hooks: the options of a watcher's section that are for this plugin, and NOTIFY_SOCKET for its processes."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from circus_core import BOOL, Config, Option, PluginConfig, WatcherConfig, hookimpl
from circus_watchdog.settings import PREFIX, WATCHER_KINDS, Rule, Settings, read_rule, read_settings

__all__ = ["before_add", "config_loaded", "register_options"]

_CLASS: Final = ("watchdog", "circus.plugins.watchdog.WatchDog", "circus_watchdog.plugin.WatchDog")
"""What a section may `use` for this plugin, with a dot for a colon."""

_DOCS: Final[Mapping[str, str]] = {
    "active": "True: its processes are watched, whatever watchers_regex says; False: they are not.",
    "max_count": "Periods of loop_rate seconds that a process may be silent.",
    "stop_signal": "Sent to a process that is silent.",
    "graceful_timeout": "From then to SIGKILL.",
    "notify": "Its processes get NOTIFY_SOCKET, for heartbeats as of sd_notify.",
}


@hookimpl
def register_options() -> Iterable[Option]:
    """Declare `watchdog.*`; without one of them the value of the plugin's section counts."""
    return [
        Option(
            name=PREFIX + name,
            kind=kind,
            doc=_DOCS[name],
            unit="seconds" if name == "graceful_timeout" else "",
            section="watcher",
            since="0.1",
        )
        for name, kind in WATCHER_KINDS.items()
    ]


@hookimpl
def config_loaded(config: Config) -> Config | None:
    """Give NOTIFY_SOCKET and WATCHDOG_USEC to processes, and tell the plugin where to listen.

    The first section that is for this plugin counts. What it or a watcher says wrongly is told elsewhere.
    """
    found = _plugin(config)
    if found is None:
        return None
    plugin, settings = found
    rules = {watcher.name: _rule(watcher, settings) for watcher in config.watchers}
    notified = {name: rule for name, rule in rules.items() if rule is not None and rule.notify}
    if not notified and not _may_be_added(plugin):
        return None
    address = settings.notify_socket or _default_address(config.arbiter.endpoint, plugin.name)
    watchers = [
        _with_socket(watcher, address, notified[watcher.name]) if watcher.name in notified else watcher
        for watcher in config.watchers
    ]
    plugins = [_with_address(each, address) if each is plugin else each for each in config.plugins]
    return replace(config, watchers=tuple(watchers), plugins=tuple(plugins))


@hookimpl
def before_add(section: WatcherConfig, config: Config) -> WatcherConfig | None:
    """Give the same to a watcher that comes later, if there is a plugin that listens."""
    found = _plugin(config)
    if found is None:
        return None
    _, settings = found
    rule = _rule(section, settings)
    if rule is None or not rule.notify or settings.notify_socket is None:
        return None
    return _with_socket(section, settings.notify_socket, rule)


def _plugin(config: Config) -> tuple[PluginConfig, Settings] | None:
    """Return the first section that is for this plugin; None also if the plugin itself will refuse it."""
    plugin = next((each for each in config.plugins if _is_ours(each)), None)
    if plugin is None:
        return None
    try:
        return plugin, read_settings(plugin.options)
    except ValueError:
        return None


def _is_ours(plugin: PluginConfig) -> bool:
    return plugin.use.replace(":", ".") in _CLASS and _is_active(plugin.options.get("active", True))


def _may_be_added(plugin: PluginConfig) -> bool:
    """It hears watchers that are added later, too; where it may make a socket is known of this user only."""
    return sys.platform == "linux" and plugin.watcher.uid is None


def _is_active(value: Any) -> bool:
    try:
        return bool(BOOL.parse(value))
    except ValueError:
        return False


def _rule(watcher: WatcherConfig, settings: Settings) -> Rule | None:
    try:
        return read_rule((watcher.name, watcher.name.lower().replace(" ", "_")), watcher.options, settings)
    except ValueError:
        return None


def _default_address(endpoint: str, name: str) -> str:
    """Return the same address for the same daemon: a file where only its user may make one, or abstract."""
    mark = hashlib.sha256(f"{os.geteuid()} {endpoint} {name}".encode()).hexdigest()[:16]
    folder = "/run" if os.geteuid() == 0 else os.environ.get("XDG_RUNTIME_DIR", "")
    if folder and os.path.isdir(folder) and os.access(folder, os.W_OK):
        return f"{folder}/circus-watchdog-{mark}"
    return f"@circus-watchdog-{mark}"


def _with_socket(watcher: WatcherConfig, address: str, rule: Rule) -> WatcherConfig:
    if "NOTIFY_SOCKET" in watcher.own_env:
        return watcher
    more = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": str(int(rule.timeout * 1_000_000))}
    return replace(watcher, env=MappingProxyType({**watcher.env, **more}))


def _with_address(plugin: PluginConfig, address: str) -> PluginConfig:
    return replace(plugin, options=MappingProxyType({**plugin.options, "notify_socket": address}))
