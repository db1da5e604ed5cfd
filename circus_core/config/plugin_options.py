"""What a `[plugin:NAME]` section says to its class: does that have such options, and take such values?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from circus_core.config.build_watcher import is_watcher_key
from circus_core.config.convert import Context, refuse
from circus_core.config.misspelling import Speller
from circus_core.config.names import Names
from circus_core.config.raw import RawSection
from circus_core.config.units import Kind
from circus_core.errors import DriverError

__all__ = ["check_plugin_options"]

_FREE: Final = frozenset({"__name__", "args", "cmd", "name", "shell", "shell_args"})
"""Taken without a word, as of old."""


def check_plugin_options(
    use: str, options: Mapping[str, Any], section: RawSection, names: Names, context: Context
) -> None:
    """Report values that a plugin can't take, and options that it does not have.

    One that declares none takes everything. Empty values are for the plugin to judge.

    Args:
        options: as the class will get them.
    """
    try:
        declared = names.plugin_options(use)
    except DriverError as error:
        context.report.doubt(
            section.place_of("use"), f"the options of {use} can't be checked: {error}", option="use"
        )
        return
    for key, value in options.items() if declared else ():
        if _is_everybodys(key, context):
            continue
        if key not in declared:
            _doubt(use, key, declared, section, context)
        elif value != "":
            _check_value(key, value, declared[key], section, context)


def _check_value(key: str, value: Any, kind: Kind, section: RawSection, context: Context) -> None:
    try:
        kind.parse(value)
    except Exception:  # noqa: BLE001  kinds come from anybody
        refuse(kind, key, value, section.place_of(key), context.report)


def _is_everybodys(key: str, context: Context) -> bool:
    """Tell whether every plugin's section may have it; its value is looked at elsewhere."""
    return key in _FREE or context.table.find("plugin", key) is not None or is_watcher_key(key, context)


def _doubt(use: str, key: str, declared: Mapping[str, Kind], section: RawSection, context: Context) -> None:
    own = {*declared, *context.table.names("plugin")}
    near = Speller(own, is_strict=False).nearest(key) or context.speller("watcher").nearest(key)
    context.report.doubt(
        section.place_of(key),
        f"{key} is ignored: {use} has no such option",
        option=key,
        suggestion=f"write {near}" if near else f"it has {', '.join(declared)}",
    )
