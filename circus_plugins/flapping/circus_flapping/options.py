"""The options of the plugin, in its section and in those of watchers: mistakes are found with their line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from circus_core import BOOL, TEXT, Kind, Option, hookimpl, seconds, whole

__all__ = ["KINDS", "register_options"]

KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "active": BOOL,
        "attempts": whole(1),
        "window": seconds(),
        "retry_in": seconds(),
        "max_retry": whole(-1),
    }
)


@hookimpl
def register_options() -> Iterable[Option]:
    """Declare `flapping.*`; without one of them the value of the plugin's section counts."""
    return [
        _option("active", "False: the plugin leaves this watcher alone."),
        _option("attempts", "Deaths in a row that count as flapping."),
        _option("window", "Running time in which they happen.", unit="seconds"),
        _option("retry_in", "Pause before the watcher is started again.", unit="seconds"),
        _option("max_retry", "Pauses before it is left stopped; -1 for no limit."),
        Option(
            name="check_flapping",
            kind=TEXT,
            doc="",
            section="watcher",
            retired="write a section [plugin:flapping] with use = flapping, or flapping.active = False",
        ),
    ]


def _option(name: str, doc: str, unit: str = "") -> Option:
    return Option(name=f"flapping.{name}", kind=KINDS[name], doc=doc, unit=unit, section="watcher")
