"""The commands that installed packages provide, found quickly.

Starting `circusctl` must not take longer than its answer. The standard library's way to entry points
(importlib.metadata) costs tens of milliseconds, mostly for its imports, so the same files are read here
directly. What is not found this way, such as a package inside a zip file, is looked up in the standard way.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from circus_core.errors import DriverError, UnknownCommandError

if TYPE_CHECKING:
    from circus_core.commands.command import Command

__all__ = ["InstalledCommands"]

_GROUP: Final = "circus.commands"
_FOLDERS: Final = (".dist-info", ".egg-info")


class InstalledCommands:
    """Commands by name, imported when they are asked for. The file system is read once."""

    def __init__(
        self, path: list[str] | None = None, *, more: Mapping[str, Command[Any, Any]] | None = None
    ) -> None:
        """Args:
        path: where to look, by default where imports are looked for.
        more: commands that are known besides; an installed one of the same name comes first.
        """
        self._more = more or {}
        self._places: dict[str, dict[str, str]] = {}  # name -> place -> distribution
        for distribution, text in _metadata(sys.path if path is None else path):
            for name, place in _entries(text):
                self._places.setdefault(name, {}).setdefault(place, distribution)

    def names(self) -> list[str]:
        """Return the names of all commands, sorted."""
        return sorted({*self._places, *self._more})

    def find(self, name: str) -> Command[Any, Any]:
        """Return the command of a name, lower case.

        Raises:
            UnknownCommandError: no package provides it.
            DriverError: more than one does, or it can't be imported.
        """
        places = self._places.get(name) or ({} if name in self._more else _standard_places(name))
        if not places:
            return self._find_more(name)
        if len(places) > 1:
            raise DriverError(
                f"command '{name}' is provided by {' and by '.join(places.values())}: uninstall one of them"
            )
        ((place, distribution),) = places.items()
        try:
            return _load(place)
        except Exception as error:
            raise DriverError(
                f"command '{name}' of {distribution} failed to load: {type(error).__name__}: {error}"
            ) from error

    def _find_more(self, name: str) -> Command[Any, Any]:
        try:
            return self._more[name]
        except KeyError:
            raise UnknownCommandError(name) from None


def _load(place: str) -> Command[Any, Any]:
    module, _, attribute = place.partition(":")
    found: Command[Any, Any] = attrgetter(attribute)(importlib.import_module(module))()
    return found


def _metadata(path: list[str]) -> Iterator[tuple[str, str]]:
    """Yield each installed distribution with the text of its entry points; the first of a name counts."""
    seen = set()
    for folder in path:
        for entry in _distributions(folder or "."):
            distribution = entry.partition("-")[0].lower()
            if distribution in seen:
                continue
            seen.add(distribution)
            try:
                with open(os.path.join(folder or ".", entry, "entry_points.txt"), encoding="utf-8") as file:
                    yield distribution.replace("_", "-"), file.read()
            except OSError:
                pass  # most packages have none


def _distributions(folder: str) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if name.endswith(_FOLDERS)]
    except OSError:
        return []


def _entries(text: str) -> Iterator[tuple[str, str]]:
    """Yield names and places (`module:attribute`) of our group in an entry_points.txt."""
    if f"[{_GROUP}]" not in text:
        return
    section = ""
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("["):
            section = line[1:-1].strip()
        elif section == _GROUP and "=" in line and not line.startswith(("#", ";")):
            name, _, place = line.partition("=")
            yield name.strip(), place.partition("[")[0].strip()


def _standard_places(name: str) -> dict[str, str]:
    from importlib.metadata import entry_points

    found = entry_points(group=_GROUP, name=name)
    return {entry.value: entry.dist.name if entry.dist else "a package" for entry in found}
