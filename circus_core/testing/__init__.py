"""For the tests of packages built on circus-core; see docs/testing.md.

The fixtures of `circus_core.testing.pytest_plugin` are known to pytest wherever circus-core is installed. The
names in `__all__` are promised; each is imported when it is first used, and only the contracts need pytest.
"""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from circus_core.testing.circusd import Daemon, Event, Recorder, Watch, free_port, until
    from circus_core.testing.contracts import CommandContract, PluginContract, StreamContract
    from circus_core.testing.daemon import StandInDaemon
    from circus_core.testing.names import installed

__all__ = [
    "CommandContract",
    "Daemon",
    "Event",
    "PluginContract",
    "Recorder",
    "StandInDaemon",
    "StreamContract",
    "Watch",
    "free_port",
    "installed",
    "until",
]

_MODULES: Final = {
    "circusd": ["Daemon", "Event", "Recorder", "Watch", "free_port", "until"],
    "contracts": ["CommandContract", "PluginContract", "StreamContract"],
    "daemon": ["StandInDaemon"],
    "names": ["installed"],
}
_HOMES: Final = MappingProxyType({name: home for home, names in _MODULES.items() for name in names})


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
