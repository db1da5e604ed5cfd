"""A configuration file as the installed packages let it be read: their readers, options and additions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

from circus_core.clock import SystemClock
from circus_core.config.load import LoadResult, load
from circus_core.config.raw import Reader
from circus_core.drivers import Drivers
from circus_core.hooks import Hooks
from circus_core.plugins import HookPlugins

__all__ = ["load_config", "load_options"]


def load_config(path: str | Path, *, plugins: HookPlugins, drivers: Drivers) -> LoadResult:
    """Read a file and let hook plugins add to it.

    Raises:
        ConfigError, PluginError: a hook plugin refused; what is wrong with the file is in the result.
    """
    result = load(path, **load_options(plugins=plugins, drivers=drivers))
    if result.config is None:
        return result
    return replace(result, config=_hooks(plugins).config_loaded(result.config))


def load_options(*, plugins: HookPlugins, drivers: Drivers) -> dict[str, Any]:
    """Return the keywords of config.load.load() and config.check.check() that installed packages decide."""

    def reader_for(path: Path) -> Reader:
        reader: Reader = drivers.load("circus.config", path.suffix.lower().lstrip(".") or "ini")
        return reader

    return {
        "reader_for": reader_for,
        "extra_options": _hooks(plugins).register_options(),
        "extras": _extras(),
    }


def _hooks(plugins: HookPlugins) -> Hooks:
    return Hooks(plugins, publish=lambda event: None, clock=SystemClock())


def _extras() -> Sequence[str]:
    declared = metadata("circus-core").get_all("Provides-Extra") or []
    return [f"circus-core[{name}]" for name in declared if not re.fullmatch("all|yaml", name)]
