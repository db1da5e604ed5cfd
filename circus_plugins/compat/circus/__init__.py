"""The import paths of Circus 0.19, served by circus-core.

Each part is imported when it is first used: a program that only talks to the daemon does not pay for what
runs one. An import changes nothing of the host program: no handler of signals, no handler of logging.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from circus._beside import warn_of_original

if TYPE_CHECKING:
    from circus._get_arbiter import ArbiterHandler, get_arbiter

__all__ = ["ArbiterHandler", "get_arbiter", "logger", "version_info"]

logger = logging.getLogger("circus")
version_info: Final = (0, 19, 0)
"""Of the Circus whose import paths these are; `__version__` says more."""

_LAZY: Final = frozenset({"ArbiterHandler", "get_arbiter"})
_MODULES: Final = frozenset({"client", "commands", "config", "fixed_threading", "plugins", "stream", "util"})
"""In 0.19 these could be used after `import circus` alone."""

warn_of_original()


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module("circus._get_arbiter"), name)
    if name in _MODULES:
        return import_module(f"circus.{name}")
    if name == "__version__":
        from importlib.metadata import version

        return f"{'.'.join(map(str, version_info))}+core.{version('circus-core')}"
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
