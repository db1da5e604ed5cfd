"""What the sections say: the options of the plugin, and the rule that follows from them for one watcher."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from circus_core import BOOL, SIGNAL, TEXT, Kind, seconds, whole

__all__ = ["KINDS", "PREFIX", "WATCHER_KINDS", "Rule", "Settings", "is_meant", "read_rule", "read_settings"]

PREFIX: Final = "watchdog."
"""Before the options of the plugin in the section of a watcher."""


def _pattern(value: Any) -> re.Pattern[str]:
    try:
        return re.compile(TEXT.parse(value))
    except re.error as error:
        raise ValueError(value) from error


def _message_pattern(value: Any) -> re.Pattern[str]:
    pattern = _pattern(value)
    if "pid" not in pattern.groupindex:
        raise ValueError(value)
    return pattern


_PATTERN: Final = Kind("a regular expression", _pattern)
_MESSAGE: Final = Kind("a regular expression with a group (?P<pid>...)", _message_pattern)
_PERIOD: Final = seconds(0.01)

KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "loop_rate": _PERIOD,
        "max_count": whole(1),
        "watchers_regex": _PATTERN,
        "msg_regex": _MESSAGE,
        "ip": TEXT,
        "port": whole(0, 65535),
        "watchers_stop_signal": SIGNAL,
        "watchers_graceful_timeout": seconds(),
        "notify": BOOL,
        "notify_socket": TEXT,
    }
)

WATCHER_KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "active": BOOL,
        "max_count": whole(1),
        "stop_signal": SIGNAL,
        "graceful_timeout": seconds(),
        "notify": BOOL,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The options of the plugin's section.

    Attributes:
        loop_rate: seconds between two checks.
        max_count: periods of `loop_rate` seconds that a process may be silent.
        watchers_regex: matched at the beginning of names of watchers.
        msg_regex: what a heartbeat over UDP looks like; its group `pid` is the process.
        ip, port: where heartbeats are heard over UDP; port 0: not at all.
        watchers_stop_signal, watchers_graceful_timeout: of the kill; None: those of the watcher.
        notify: processes get NOTIFY_SOCKET, for heartbeats as of sd_notify(3).
        notify_socket: where those are heard: a path, or @NAME for an abstract one; None: not at all.
    """

    loop_rate: float = 60.0
    max_count: int = 3
    watchers_regex: re.Pattern[str] = re.compile(".*")
    msg_regex: re.Pattern[str] = re.compile("^(?P<pid>.*);(?P<timestamp>.*)$")
    ip: str = "127.0.0.1"
    port: int = 1664
    watchers_stop_signal: int | None = None
    watchers_graceful_timeout: float | None = None
    notify: bool = False
    notify_socket: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What holds for the processes of one watcher.

    Attributes:
        timeout: seconds that a process may be silent.
        stop_signal, graceful_timeout: of the kill; None: those of the watcher.
        notify: processes get NOTIFY_SOCKET.
    """

    timeout: float
    stop_signal: int | None = None
    graceful_timeout: float | None = None
    notify: bool = False


def read_settings(config: Mapping[str, Any]) -> Settings:
    """Read the plugin's section; what is not about this plugin is not looked at.

    Raises:
        ValueError: a value is not possible; the text names the option.
    """
    return Settings(**_read(config, KINDS))


def read_rule(names: Iterable[str], options: Mapping[str, Any], settings: Settings) -> Rule | None:
    """Return the rule for a watcher, None if its processes are not watched.

    Args:
        names: of the watcher, as it was configured and as it is in events.
        options: of the watcher, also those of others.

    Raises:
        ValueError: a value is not possible; the text names the option.
    """
    own = _read(options, WATCHER_KINDS, PREFIX)
    if not own.get("active", is_meant(names, settings)):
        return None
    return Rule(
        timeout=settings.loop_rate * own.get("max_count", settings.max_count),
        stop_signal=own.get("stop_signal", settings.watchers_stop_signal),
        graceful_timeout=own.get("graceful_timeout", settings.watchers_graceful_timeout),
        notify=own.get("notify", settings.notify),
    )


def is_meant(names: Iterable[str], settings: Settings) -> bool:
    """Tell whether watchers_regex matches; plugins are watchers too, and are never meant."""
    return any(
        settings.watchers_regex.match(name) and not name.lower().startswith("plugin:") for name in names
    )


def _read(values: Mapping[str, Any], kinds: Mapping[str, Kind], prefix: str = "") -> dict[str, Any]:
    given = {key: values.get(prefix + key) for key in kinds}
    return {
        key: _convert(prefix + key, kinds[key], value)
        for key, value in given.items()
        if value is not None and value != ""
    }


def _convert(option: str, kind: Kind, value: Any) -> Any:
    try:
        return kind.parse(value)
    except ValueError:
        hint = kind.suggest(value) if isinstance(value, str) else ""
        raise ValueError(f"{option} must be {kind.accepts}, got {value!r}" + (hint and f"; {hint}")) from None
