"""What every process costs, published by circusd-stats and shown by circus-top.

The names in `__all__` are promised. Each is imported when it is first used: the daemon, which only looks
whether statistics are wanted, does not pay for what publishes or shows them.
"""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from circus_stats.client import DEFAULT_STATS_ENDPOINT, AsyncStatsClient, StatsClient
    from circus_stats.command_line import run_circusd_stats
    from circus_stats.payloads import (
        Figures,
        Message,
        ProcessInfo,
        ProcessStat,
        SocketsStat,
        SocketStat,
        WatcherStat,
        name_of_daemon,
    )
    from circus_stats.service import Service
    from circus_stats.settings import Settings

__all__ = [
    "DEFAULT_STATS_ENDPOINT",
    "AsyncStatsClient",
    "Figures",
    "Message",
    "ProcessInfo",
    "ProcessStat",
    "Service",
    "Settings",
    "SocketStat",
    "SocketsStat",
    "StatsClient",
    "WatcherStat",
    "name_of_daemon",
    "run_circusd_stats",
]

_MODULES: Final = {
    "command_line": ["run_circusd_stats"],
    "client": ["DEFAULT_STATS_ENDPOINT", "AsyncStatsClient", "StatsClient"],
    "payloads": [
        "Figures",
        "Message",
        "ProcessInfo",
        "ProcessStat",
        "SocketStat",
        "SocketsStat",
        "WatcherStat",
        "name_of_daemon",
    ],
    "service": ["Service"],
    "settings": ["Settings"],
}
_HOMES: Final = MappingProxyType({name: home for home, names in _MODULES.items() for name in names})


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
