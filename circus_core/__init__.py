"""The kernel: processes, watchers, the arbiter and the controller.

The names in `__all__` are what is promised. Each is imported when it is first used: a program that talks to
the daemon does not pay for what runs one.
"""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from circus_core.errors import CallError, CallTimeoutError, CircusError
    from circus_core.plugin import CircusPlugin

__all__ = ["CallError", "CallTimeoutError", "CircusError", "CircusPlugin"]

_HOMES: Final = MappingProxyType(
    {
        "CallError": "circus_core.errors",
        "CallTimeoutError": "circus_core.errors",
        "CircusError": "circus_core.errors",
        "CircusPlugin": "circus_core.plugin",
    }
)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
