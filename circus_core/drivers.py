"""Drivers: one implementation chosen by name, out of what installed packages provide in a namespace.

The namespaces are `circus.plugins`, `circus.plugin_options`, `circus.streams`, `circus.commands`,
`circus.backends` and `circus.config`; a driver is an entry point of that group. Entry points are looked up
when a name is needed, never at import.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Collection, Mapping
from importlib.metadata import Distribution, EntryPoint, PackageNotFoundError, distribution, entry_points
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NoReturn

from circus_core.errors import DriverError, UnknownDriverError
from circus_core.import_path import ImportPath

if TYPE_CHECKING:
    from stevedore.named import NamedExtensionManager

__all__ = ["Drivers", "missing_extras", "resolve_name"]

_NOUNS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "circus.backends": "backend",
        "circus.commands": "command",
        "circus.config": "config reader",
        "circus.plugin_options": "declaration",
        "circus.plugins": "plugin class",
        "circus.streams": "stream class",
    }
)
_KERNEL: Final = "circus-core"
_PATH: Final = re.compile(r"\w+(\.\w+)*[.:]\w+(\.\w+)*")
_REQUIREMENT: Final = re.compile(r"\s*([A-Za-z0-9._-]+).*;.*\bextra\s*==\s*['\"]([^'\"]+)['\"]")


class Drivers:
    """Looks drivers up and remembers what it found.

    A package that is installed while the program runs is seen as soon as one of its names is asked for. What
    it does not find it looks for again, within the bounds of ImportPath.
    """

    def __init__(self) -> None:
        self._entries: dict[str, dict[str, list[EntryPoint]]] = {}
        self._import_path = ImportPath()
        self._loaded: dict[tuple[str, str], Any] = {}

    def load(self, namespace: str, name: str) -> Any:
        """Return what `name` stands for, mostly a class.

        An entry point of that name comes first, whatever it looks like, so that a package can keep an old
        dotted name alive; then a dotted path (`a.b.C` or `a.b:C`) is imported.

        Raises:
            UnknownDriverError: nothing provides the name.
            DriverError: several packages do, or its module can't be imported.
        """
        try:
            return self._loaded[namespace, name]
        except KeyError:
            driver = self._loaded[namespace, name] = self._find(namespace, name)
            return driver

    def is_provided(self, namespace: str, name: str) -> bool:
        """Tell whether a package provides the name, without importing it.

        Raises:
            DriverError: several packages do.
        """
        if name not in self._known(namespace) and name not in self._refresh(namespace):
            return False
        _refuse_several(namespace, name, self._entries[namespace][name])
        return True

    def names(self, namespace: str) -> list[str]:
        """Return the names that are provided, sorted."""
        return sorted(self._refresh(namespace))

    def _find(self, namespace: str, name: str) -> Any:
        if self.is_provided(namespace, name):
            return _load(namespace, name, self._entries[namespace][name])
        if "." not in name and ":" not in name:
            raise UnknownDriverError(_unknown(namespace, name, self._entries[namespace]))
        try:
            return resolve_name(name)
        except DriverError as error:
            raise DriverError(f"{_noun(namespace)} {name!r} can't be used: {error}") from error

    def _known(self, namespace: str) -> Mapping[str, list[EntryPoint]]:
        return self._entries[namespace] if namespace in self._entries else self._refresh(namespace)

    def _refresh(self, namespace: str) -> Mapping[str, list[EntryPoint]]:
        """Look what is installed now, for every namespace at once: that takes no longer than for one."""
        if not self._import_path.take_look() and namespace in self._entries:
            return self._entries[namespace]
        importlib.invalidate_caches()
        installed = entry_points()
        for group in {namespace, *filter(_is_ours, installed.groups)}:
            found: dict[str, list[EntryPoint]] = {}
            for entry in installed.select(group=group):
                same = found.setdefault(entry.name, [])
                if entry.value not in [other.value for other in same]:
                    same.append(entry)
            self._entries[group] = found
        return self._entries[namespace]


def resolve_name(path: str) -> Any:
    """Import what a dotted path names: `package.module.attribute` or `package.module:attribute`.

    Raises:
        DriverError: there is no such module or attribute, or importing it failed; the text says which.
    """
    if not _PATH.fullmatch(path):
        raise DriverError(f"{path!r} is not of the form package.module.name or package.module:name")
    module, colon, attributes = path.partition(":")
    if colon:
        return _get(_import(module), attributes)
    return _import_longest(path.split("."))


def _import_longest(parts: list[str]) -> Any:
    """Import as much of the path as is modules; the rest is attributes: `module.Class.method` works."""
    missing: DriverError | None = None
    for length in range(len(parts) - 1, 0, -1):
        try:
            module = _import(".".join(parts[:length]))
        except _NoModuleError as error:
            missing = missing or error
            continue
        if missing is None or hasattr(module, parts[length]):
            return _get(module, ".".join(parts[length:]))
        break
    raise missing or DriverError(f"{'.'.join(parts)!r} names nothing")


class _NoModuleError(DriverError):
    """A module of the path does not exist, as opposed to one that it imports."""


def _import(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and _is_part(error.name, module):
            raise _NoModuleError(f"there is no module {error.name!r}") from error
        raise DriverError(f"importing {module!r} failed: {_reason(error)}") from error


def _get(module: Any, attributes: str) -> Any:
    found = module
    for name in attributes.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            raise DriverError(f"module {module.__name__!r} has no {attributes!r}") from None
    return found


def _is_part(missing: str | None, module: str) -> bool:
    return missing is not None and f"{module}.".startswith(f"{missing}.")


def _is_ours(group: str) -> bool:
    return group.startswith("circus.")


def _refuse_several(namespace: str, name: str, entries: list[EntryPoint]) -> None:
    if len(entries) > 1:
        origins = " and by ".join(_origin(entry) for entry in entries)
        raise DriverError(f"{_noun(namespace)} {name!r} is provided by {origins}: uninstall one of them")


def _load(namespace: str, name: str, entries: list[EntryPoint]) -> Any:
    _refuse_several(namespace, name, entries)
    try:
        return _manager(namespace, name, entries)[name].plugin
    except SystemExit as error:
        _refuse(namespace, entries[0], error)


def _manager(namespace: str, name: str, entries: list[EntryPoint]) -> NamedExtensionManager[Any]:
    """Let stevedore load one entry point out of those given.

    By itself it takes them from a cache on disk that can be out of date by minutes and from one in memory
    that never sees a package installed later, and it only logs what can't be imported.
    """
    from stevedore.named import NamedExtensionManager  # 10 ms that `circusctl` pays only if it loads a driver

    class Given(NamedExtensionManager):  # type: ignore[type-arg]  # old versions take no parameter
        def list_entry_points(self) -> list[EntryPoint]:
            return entries

    def refuse(_manager: object, entry: EntryPoint, error: BaseException) -> None:
        _refuse(namespace, entry, error)

    return Given(
        namespace,
        [name],
        on_load_failure_callback=refuse,
        on_missing_entrypoints_callback=lambda _names: None,
    )


def _refuse(namespace: str, entry: EntryPoint, error: BaseException) -> NoReturn:
    raise DriverError(
        f"{_noun(namespace)} {entry.name!r} of {_origin(entry)} failed to load: {_reason(error)}"
    ) from error


def _unknown(namespace: str, name: str, installed: Collection[str]) -> str:
    """Say what there is in place of `name`, and what could be installed."""
    from difflib import get_close_matches

    names = sorted(other for other in installed if "." not in other)  # not the old names
    parts = [f"no {_noun(namespace)} {name!r} is installed; installed: {', '.join(names) or 'none'}"]
    if nearest := get_close_matches(name, names, n=1):
        parts.append(f"did you mean {nearest[0]!r}?")
    if extras := missing_extras():
        parts.append(f"extras of {_KERNEL} that provide more: {', '.join(extras)}")
    return "; ".join(parts)


def missing_extras() -> list[str]:
    """The extras of the kernel that name a package of the family which is not installed."""
    try:
        requirements = distribution(_KERNEL).requires or []
    except PackageNotFoundError:
        return []
    matches = [match for text in requirements if (match := _REQUIREMENT.match(text))]
    return sorted({extra for package, extra in (match.groups() for match in matches) if _is_missing(package)})


def _is_missing(package: str) -> bool:
    if not package.startswith("circus-"):
        return False
    try:
        distribution(package)
    except PackageNotFoundError:
        return True
    return False


def _noun(namespace: str) -> str:
    return _NOUNS.get(namespace, f"driver of {namespace}")


def _origin(entry: EntryPoint) -> str:
    dist: Distribution | None = entry.dist
    return f"{dist.name} {dist.version}" if dist else entry.value


def _reason(error: BaseException) -> str:
    return str(error) if isinstance(error, ImportError) and str(error) else f"{type(error).__name__}: {error}"
