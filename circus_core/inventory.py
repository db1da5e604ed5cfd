"""What installed packages provide: every entry point of circus-core's groups, and whether it can be used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from circus_core.drivers import Drivers
from circus_core.errors import DriverError, PluginError
from circus_core.plugins import HOOK_GROUP, check_plugin
from circus_core.records import dataclass

__all__ = ["Provided", "inventory"]

_ORDER: Final = ("circus.plugins", "circus.streams", "circus.commands", "circus.backends", "circus.config")
_CONTESTED: Final = "several packages provide this name: uninstall all but one"


@dataclass(frozen=True, slots=True)
class Provided:
    """One name that a package provides.

    Attributes:
        namespace: the group of entry points: `circus.plugins` and so on, `circus` for hook plugins.
        place: `module:attribute` or a module, as the package says it.
        distribution, version: empty if unknown.
        is_old: a dotted name beside a plain one for the same thing, kept for old configuration files.
        error: why it can't be used; empty if it can.
    """

    namespace: str
    name: str
    distribution: str
    version: str
    place: str
    is_old: bool
    error: str


def inventory() -> list[Provided]:
    """Return what is installed, by namespace and name. Imports all of it."""
    installed = entry_points()
    others = sorted(
        group for group in installed.groups if group.startswith("circus.") and group not in _ORDER
    )
    drivers = Drivers()
    return [
        found
        for group in (*_ORDER, *others, HOOK_GROUP)
        for found in _provided(drivers, group, installed.select(group=group))
    ]


def _provided(drivers: Drivers, group: str, entries: Iterable[EntryPoint]) -> list[Provided]:
    by_name = {(entry.name, entry.value): entry for entry in entries}
    plain = {place for name, place in by_name if "." not in name}
    times = Counter(name for name, _ in by_name)
    return [
        Provided(
            namespace=group,
            name=name,
            distribution=entry.dist.name if entry.dist else "",
            version=entry.dist.version if entry.dist else "",
            place=place,
            is_old="." in name and place in plain,
            error=_CONTESTED if times[name] > 1 else _fault(drivers, entry),
        )
        for (name, place), entry in sorted(by_name.items(), key=_in_order)
    ]


def _in_order(item: tuple[tuple[str, str], EntryPoint]) -> tuple[bool, str, str]:
    """Plain names before dotted ones, whatever their case."""
    (name, place), _ = item
    return "." in name, name.lower(), place


def _fault(drivers: Drivers, entry: EntryPoint) -> str:
    try:
        if entry.group == HOOK_GROUP:
            check_plugin(entry)
        else:
            drivers.load(entry.group, entry.name)
    except (DriverError, PluginError) as error:
        return str(error)
    return ""
