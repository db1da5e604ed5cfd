"""The kernel: processes, watchers, the arbiter and the controller.

The names in `__all__` are what is promised. Each is imported when it is first used: a program that talks to
the daemon does not pay for what runs one.
"""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from circus_core.access.guarded import GuardedPublisher
    from circus_core.access.identity import Identity
    from circus_core.access.keys import secure
    from circus_core.arbiter import Arbiter
    from circus_core.backends import Backend, Child, SpawnRequest
    from circus_core.clients.asking import ReceivedEvent
    from circus_core.clients.async_client import AsyncCircusClient
    from circus_core.clients.client import CircusClient
    from circus_core.clients.tunnel import Tunnel, open_tunnel
    from circus_core.commands.command import Command
    from circus_core.config.model import (
        ArbiterConfig,
        Config,
        HookConfig,
        PluginConfig,
        SocketConfig,
        StreamConfig,
        WatcherConfig,
    )
    from circus_core.config.options import Option
    from circus_core.config.units import BOOL, NUMBER, SIGNAL, TEXT, Kind, seconds, whole
    from circus_core.errors import (
        CallError,
        CallTimeoutError,
        CircusError,
        ConfigError,
        EndpointError,
        MessageError,
        RefusedError,
        SpawnError,
        UnreachableError,
    )
    from circus_core.events import Event
    from circus_core.hookspecs import Verdict, hookimpl
    from circus_core.library import EmbeddedArbiter, arbiter_from_file, get_arbiter, start_process
    from circus_core.plugin.base import CircusPlugin
    from circus_core.process import Process
    from circus_core.states import ProcessState, WatcherState
    from circus_core.views import ArbiterView, ProcessView, WatcherView
    from circus_core.watcher import Watcher

__all__ = [
    "BOOL",
    "NUMBER",
    "SIGNAL",
    "TEXT",
    "Arbiter",
    "ArbiterConfig",
    "ArbiterView",
    "AsyncCircusClient",
    "Backend",
    "CallError",
    "CallTimeoutError",
    "Child",
    "CircusClient",
    "CircusError",
    "CircusPlugin",
    "Command",
    "Config",
    "ConfigError",
    "EmbeddedArbiter",
    "EndpointError",
    "Event",
    "GuardedPublisher",
    "HookConfig",
    "Identity",
    "Kind",
    "MessageError",
    "Option",
    "PluginConfig",
    "Process",
    "ProcessState",
    "ProcessView",
    "ReceivedEvent",
    "RefusedError",
    "SocketConfig",
    "SpawnError",
    "SpawnRequest",
    "StreamConfig",
    "Tunnel",
    "UnreachableError",
    "Verdict",
    "Watcher",
    "WatcherConfig",
    "WatcherState",
    "WatcherView",
    "arbiter_from_file",
    "get_arbiter",
    "hookimpl",
    "open_tunnel",
    "seconds",
    "secure",
    "start_process",
    "whole",
]

_MODULES: Final = {
    "arbiter": ["Arbiter"],
    "clients.asking": ["ReceivedEvent"],
    "clients.async_client": ["AsyncCircusClient"],
    "backends": ["Backend", "Child", "SpawnRequest"],
    "clients.client": ["CircusClient"],
    "commands.command": ["Command"],
    "config.model": [
        "ArbiterConfig",
        "Config",
        "HookConfig",
        "PluginConfig",
        "SocketConfig",
        "StreamConfig",
        "WatcherConfig",
    ],
    "config.options": ["Option"],
    "config.units": ["BOOL", "NUMBER", "SIGNAL", "TEXT", "Kind", "seconds", "whole"],
    "errors": [
        "CallError",
        "CallTimeoutError",
        "CircusError",
        "ConfigError",
        "EndpointError",
        "MessageError",
        "RefusedError",
        "SpawnError",
        "UnreachableError",
    ],
    "events": ["Event"],
    "access.guarded": ["GuardedPublisher"],
    "hookspecs": ["Verdict", "hookimpl"],
    "access.identity": ["Identity"],
    "access.keys": ["secure"],
    "library": ["EmbeddedArbiter", "arbiter_from_file", "get_arbiter", "start_process"],
    "plugin.base": ["CircusPlugin"],
    "process": ["Process"],
    "states": ["ProcessState", "WatcherState"],
    "clients.tunnel": ["Tunnel", "open_tunnel"],
    "views": ["ArbiterView", "ProcessView", "WatcherView"],
    "watcher": ["Watcher"],
}
_HOMES: Final = MappingProxyType({name: home for home, names in _MODULES.items() for name in names})


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
