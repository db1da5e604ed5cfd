"""The options of a watcher's section that are for this plugin, so that mistakes are found with their line."""

from __future__ import annotations

from collections.abc import Iterable

from circus_core import BOOL, TEXT, Kind, Option, hookimpl, seconds, whole

__all__ = ["register_options"]


@hookimpl
def register_options() -> Iterable[Option]:
    """Declare `flapping.*`; without one of them the value of the plugin's section counts."""
    return [
        _option("active", BOOL, "False: the plugin leaves this watcher alone."),
        _option("attempts", whole(1), "Deaths in a row that count as flapping."),
        _option("window", seconds(), "Running time in which they happen.", unit="seconds"),
        _option("retry_in", seconds(), "Pause before the watcher is started again.", unit="seconds"),
        _option("max_retry", whole(-1), "Pauses before it is left stopped; -1 for no limit."),
        Option(
            name="check_flapping",
            kind=TEXT,
            doc="",
            section="watcher",
            retired="write a section [plugin:flapping] with use = flapping, or flapping.active = False",
        ),
    ]


def _option(name: str, kind: Kind, doc: str, unit: str = "") -> Option:
    return Option(name=f"flapping.{name}", kind=kind, doc=doc, unit=unit, section="watcher")
