"""The kernel: processes, watchers, the arbiter and the controller.

The names in `__all__` are what is promised, and those of `circus_core.commands` and `circus_core.proc_files`;
each is imported when it is first used: a program that talks to the daemon does not pay for what runs one.
"""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from circus_core.access.guarded import GuardedPublisher
    from circus_core.access.identity import Identity
    from circus_core.access.keys import secure
    from circus_core.amounts import size_text, time_text
    from circus_core.arbiter import Arbiter
    from circus_core.backends import Backend, Child, SpawnRequest
    from circus_core.cli import run_circus_plugin, run_circusctl, run_circusd
    from circus_core.cli.daemonize import Background, daemonize
    from circus_core.cli.log_options import add_log_options
    from circus_core.cli.logs import configure_logging
    from circus_core.cli.pidfile import PidFile
    from circus_core.cli.signals import SignalWatcher
    from circus_core.clients.asking import ReceivedEvent
    from circus_core.clients.async_client import AsyncCircusClient
    from circus_core.clients.channel import reachable
    from circus_core.clients.client import CircusClient
    from circus_core.clients.subscription import Subscription
    from circus_core.clients.tunnel import Tunnel, open_tunnel
    from circus_core.commands.command import Command
    from circus_core.commands.watcher_options import settable
    from circus_core.config.mappings import set_option, socket_from_mapping, watcher_from_mapping
    from circus_core.config.model import (
        ArbiterConfig,
        Config,
        HookConfig,
        PluginConfig,
        SocketConfig,
        StreamConfig,
        WatcherConfig,
    )
    from circus_core.config.options import OPTIONS, Effect, Option
    from circus_core.config.units import BOOL, NUMBER, SIGNAL, TEXT, Kind, seconds, whole
    from circus_core.errors import (
        AlreadyExistError,
        CallError,
        CallTimeoutError,
        CircusError,
        ConfigError,
        ConnectionLostError,
        EndpointError,
        MessageError,
        RefusedError,
        SocketError,
        SpawnError,
        UnknownWatcherError,
        UnreachableError,
    )
    from circus_core.events import Event
    from circus_core.hookspecs import Verdict, hookimpl
    from circus_core.library import (
        EmbeddedArbiter,
        arbiter_from_file,
        get_arbiter,
        plan_process,
        start_process,
    )
    from circus_core.loading import config_from_file, sections_from_file
    from circus_core.plugin.base import CircusPlugin
    from circus_core.process import Process
    from circus_core.process_info import Measured, measure
    from circus_core.shown_options import options_as_shown
    from circus_core.sockets import CircusSocket
    from circus_core.states import ProcessState, WatcherState
    from circus_core.views import ArbiterView, ProcessView, WatcherView
    from circus_core.watcher import Watcher

__all__ = [
    "BOOL",
    "NUMBER",
    "OPTIONS",
    "SIGNAL",
    "TEXT",
    "AlreadyExistError",
    "Arbiter",
    "ArbiterConfig",
    "ArbiterView",
    "AsyncCircusClient",
    "Backend",
    "Background",
    "CallError",
    "CallTimeoutError",
    "Child",
    "CircusClient",
    "CircusError",
    "CircusPlugin",
    "CircusSocket",
    "Command",
    "Config",
    "ConfigError",
    "ConnectionLostError",
    "Effect",
    "EmbeddedArbiter",
    "EndpointError",
    "Event",
    "GuardedPublisher",
    "HookConfig",
    "Identity",
    "Kind",
    "Measured",
    "MessageError",
    "Option",
    "PidFile",
    "PluginConfig",
    "Process",
    "ProcessState",
    "ProcessView",
    "ReceivedEvent",
    "RefusedError",
    "SignalWatcher",
    "SocketConfig",
    "SocketError",
    "SpawnError",
    "SpawnRequest",
    "StreamConfig",
    "Subscription",
    "Tunnel",
    "UnknownWatcherError",
    "UnreachableError",
    "Verdict",
    "Watcher",
    "WatcherConfig",
    "WatcherState",
    "WatcherView",
    "add_log_options",
    "arbiter_from_file",
    "config_from_file",
    "configure_logging",
    "daemonize",
    "get_arbiter",
    "hookimpl",
    "measure",
    "open_tunnel",
    "options_as_shown",
    "plan_process",
    "reachable",
    "run_circus_plugin",
    "run_circusctl",
    "run_circusd",
    "seconds",
    "sections_from_file",
    "secure",
    "set_option",
    "settable",
    "size_text",
    "socket_from_mapping",
    "start_process",
    "time_text",
    "watcher_from_mapping",
    "whole",
]

_MODULES: Final = {
    "access.guarded": ["GuardedPublisher"],
    "access.identity": ["Identity"],
    "access.keys": ["secure"],
    "amounts": ["size_text", "time_text"],
    "arbiter": ["Arbiter"],
    "backends": ["Backend", "Child", "SpawnRequest"],
    "cli": ["run_circus_plugin", "run_circusctl", "run_circusd"],
    "cli.daemonize": ["Background", "daemonize"],
    "cli.log_options": ["add_log_options"],
    "cli.logs": ["configure_logging"],
    "cli.pidfile": ["PidFile"],
    "cli.signals": ["SignalWatcher"],
    "clients.asking": ["ReceivedEvent"],
    "clients.async_client": ["AsyncCircusClient"],
    "clients.channel": ["reachable"],
    "clients.client": ["CircusClient"],
    "clients.subscription": ["Subscription"],
    "clients.tunnel": ["Tunnel", "open_tunnel"],
    "commands.command": ["Command"],
    "commands.watcher_options": ["settable"],
    "config.mappings": ["set_option", "socket_from_mapping", "watcher_from_mapping"],
    "config.model": [
        "ArbiterConfig",
        "Config",
        "HookConfig",
        "PluginConfig",
        "SocketConfig",
        "StreamConfig",
        "WatcherConfig",
    ],
    "config.options": ["OPTIONS", "Effect", "Option"],
    "config.units": ["BOOL", "NUMBER", "SIGNAL", "TEXT", "Kind", "seconds", "whole"],
    "errors": [
        "AlreadyExistError",
        "CallError",
        "CallTimeoutError",
        "CircusError",
        "ConfigError",
        "ConnectionLostError",
        "EndpointError",
        "MessageError",
        "RefusedError",
        "SocketError",
        "SpawnError",
        "UnknownWatcherError",
        "UnreachableError",
    ],
    "events": ["Event"],
    "hookspecs": ["Verdict", "hookimpl"],
    "library": ["EmbeddedArbiter", "arbiter_from_file", "get_arbiter", "plan_process", "start_process"],
    "loading": ["config_from_file", "sections_from_file"],
    "plugin.base": ["CircusPlugin"],
    "process": ["Process"],
    "process_info": ["Measured", "measure"],
    "shown_options": ["options_as_shown"],
    "sockets": ["CircusSocket"],
    "states": ["ProcessState", "WatcherState"],
    "views": ["ArbiterView", "ProcessView", "WatcherView"],
    "watcher": ["Watcher"],
}
_HOMES: Final = MappingProxyType({name: home for home, names in _MODULES.items() for name in names})


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
