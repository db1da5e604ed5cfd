"""The options of a watcher's section that are for these plugins: mistakes are found with their line."""

from __future__ import annotations

from collections.abc import Iterable

from circus_core import BOOL, TEXT, Kind, Option, hookimpl

__all__ = ["register_options"]


@hookimpl
def register_options() -> Iterable[Option]:
    """Declare `command_reloader.*`; without one of them the value of the plugin's section counts."""
    return [
        _option("active", BOOL, "False: changes do not restart this watcher."),
        _option("folder", TEXT, "A folder whose files are part of the program; from working_dir."),
        _option("files", TEXT, "Shell patterns of names that count in this folder, with blanks between."),
    ]


def _option(name: str, kind: Kind, doc: str) -> Option:
    return Option(name=f"command_reloader.{name}", kind=kind, doc=doc, section="watcher")
