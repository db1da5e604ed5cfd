"""A configuration file as the installed packages let it be read: their readers, options and additions."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from circus_core.clock import SystemClock
from circus_core.config.check import CheckReport
from circus_core.config.environment import Daemon as Inherited
from circus_core.config.load import LoadResult, load, read_sections
from circus_core.config.mappings import (
    arbiter_from_mapping,
    plugin_from_mapping,
    socket_from_mapping,
    watcher_from_mapping,
)
from circus_core.config.model import Config, PluginConfig, SocketConfig, WatcherConfig
from circus_core.config.overflow import KERNEL_KEYS
from circus_core.config.problems import Level, Problem, raise_errors
from circus_core.config.raw import RawFile, RawSection, RawValue, Reader
from circus_core.config.units import Kind
from circus_core.drivers import Drivers, missing_extras
from circus_core.errors import CircusError, ConfigError, DriverError, PluginError
from circus_core.hooks import Hooks
from circus_core.plugins import HookPlugins, plugin_manager
from circus_core.records import replace
from circus_core.section_hooks import hook_complaints

__all__ = [
    "ConfigFile",
    "check_config",
    "config_from_file",
    "config_from_mappings",
    "load_config",
    "load_options",
    "sections_from_file",
]


class ConfigFile:
    """The configuration file of one arbiter, read as often as is asked for.

    What processes can inherit, the environment and the import path, is looked at once: hook functions and
    plugins change both, and their watchers must not be taken for changed because of that.

    Attributes:
        path: as it was given.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        plugins: HookPlugins,
        drivers: Drivers,
        overrides: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """Args:
        overrides: see load_config().
        """
        self.path = Path(path)
        self._inherited = Inherited.current()
        self._plugins = plugins
        self._drivers = drivers
        self._overrides = overrides

    def read(self) -> LoadResult:
        """Read the file and all it includes; blocks. What is wrong with it is in the result."""
        return self._load(self.path)

    def check(self, path: str | None = None) -> CheckReport:
        """Read this or another file and report; blocks."""
        chosen = self.path if path is None else Path(path)
        return CheckReport.of(chosen, self._load(chosen))

    def _load(self, path: Path) -> LoadResult:
        try:
            return load_config(
                path,
                plugins=self._plugins,
                drivers=self._drivers,
                overrides=self._overrides,
                inherited=self._inherited,
            )
        except PluginError as error:
            return LoadResult(config=None, problems=(_problem(error, path),))


def load_config(
    path: str | Path,
    *,
    plugins: HookPlugins,
    drivers: Drivers,
    overrides: Mapping[str, Any] = MappingProxyType({}),
    inherited: Inherited | None = None,
) -> LoadResult:
    """Read a file and let hook plugins add to it; what is wrong with either is in the result.

    Args:
        overrides: fields of `ArbiterConfig` that win over the file, also for what plugins add.
        inherited: what processes can inherit; None: as this process has it now.

    Raises:
        PluginError: a hook plugin declares options that can't be used.
    """
    result = load(path, inherited=inherited, **load_options(plugins=plugins, drivers=drivers))
    if result.config is None:
        return result
    config = replace(result.config, arbiter=replace(result.config.arbiter, **overrides))
    try:
        return replace(result, config=_hooks(plugins).config_loaded(config))
    except (ConfigError, PluginError) as error:
        return LoadResult(config=None, problems=(*result.problems, _problem(error, Path(path))))


def config_from_file(path: str | Path) -> Config:
    """Return what a file and all it includes say, before hook plugins add to it; blocks.

    Raises:
        ConfigError: with every problem.
    """
    result = load(path, **load_options(plugins=plugin_manager(), drivers=Drivers()))
    raise_errors(result.problems)
    if result.config is None:
        raise AssertionError("a file without errors gives a configuration")
    return result.config


def sections_from_file(path: str | Path) -> tuple[dict[str, dict[str, Any]], list[Path]]:
    """Return the sections of a file and of all it includes, by name, and the files; blocks.

    Nothing is checked; values are as written, from an ini file text.

    Raises:
        ConfigError: a file can't be read, or a line of it can't be understood.
    """
    reader_for = load_options(plugins=plugin_manager(), drivers=Drivers())["reader_for"]
    sections, files = read_sections(path, reader_for)
    return {
        name: {key: raw.value for key, raw in section.values.items()} for name, section in sections.items()
    }, files


def config_from_mappings(
    *,
    arbiter: Mapping[str, Any],
    watchers: Iterable[Mapping[str, Any] | WatcherConfig],
    sockets: Iterable[Mapping[str, Any] | SocketConfig],
    plugins: Iterable[Mapping[str, Any] | PluginConfig],
    hooks: HookPlugins,
) -> Config:
    """Make a configuration as a file would give it; what is ready already is taken as it is.

    Args:
        hooks: declare further options, and may add to the configuration.

    Raises:
        ConfigError: with every problem of the first part that has one.
        PluginError: a hook plugin declares options that can't be used.
    """
    installed = _hooks(hooks)
    extra = installed.register_options()
    section = arbiter_from_mapping(arbiter, extra_options=extra)
    config = Config(
        arbiter=section,
        watchers=tuple(
            each if isinstance(each, WatcherConfig) else watcher_from_mapping(each, extra_options=extra)
            for each in watchers
        ),
        sockets=tuple(
            each if isinstance(each, SocketConfig) else socket_from_mapping(each, extra_options=extra)
            for each in sockets
        ),
        plugins=tuple(
            each
            if isinstance(each, PluginConfig)
            else plugin_from_mapping(each, extra_options=extra, debug=section.debug)
            for each in plugins
        ),
    )
    return installed.config_loaded(config)


def check_config(path: str | Path) -> LoadResult:
    """Read a file for a check: that a hook plugin can't be loaded is one more problem."""
    try:
        return load_config(path, plugins=plugin_manager(), drivers=Drivers())
    except CircusError as error:
        return LoadResult(config=None, problems=(_problem(error, None),))


def load_options(*, plugins: HookPlugins, drivers: Drivers) -> dict[str, Any]:
    """Return the keywords of config.load.load() and config.check.check() that installed packages decide.

    Raises:
        PluginError: a hook plugin declares options that can't be used.
    """

    hooks = _hooks(plugins)

    def reader_for(path: Path) -> Reader:
        sections = hooks.read_config(path)
        if sections is not None:
            return lambda path: _as_file(path, sections)
        ending = path.suffix.lower().lstrip(".")
        known = ending in drivers.names("circus.config")
        reader: Reader = drivers.load("circus.config", ending if known else "ini")
        return reader

    return {
        "reader_for": reader_for,
        "extra_options": hooks.register_options(),
        "extras": lambda: [f"circus-core[{extra}]" for extra in missing_extras()],
        "names": _InstalledNames(drivers),
    }


class _InstalledNames:
    """Answers from what is installed; asks once for each name, however often a file has it."""

    def __init__(self, drivers: Drivers) -> None:
        self._drivers = drivers
        self._complaints: dict[tuple[str, str], str] = {}

    def driver(self, namespace: str, name: str) -> str:
        if (namespace, name) not in self._complaints:
            self._complaints[namespace, name] = self._complaint(namespace, name)
        return self._complaints[namespace, name]

    def stream_options(self, name: str) -> Collection[str]:
        stream = self._checkable_stream(name)
        return () if stream is None else _keywords(stream)

    def stream_complaint(self, name: str, options: Mapping[str, Any]) -> str:
        stream = self._checkable_stream(name)
        if stream is None:
            return ""
        try:
            stream.check_options({key: value for key, value in options.items() if key not in KERNEL_KEYS})
        except Exception as error:  # noqa: BLE001  streams come from anybody
            return str(error) or type(error).__name__
        return ""

    def plugin_options(self, use: str) -> Mapping[str, Kind]:
        """Ask what its package has declared, else the class; one that a class inherits may not fit it."""
        if self.driver("circus.plugins", use):
            return {}
        if not self._drivers.is_provided("circus.plugins", use):
            declared = getattr(self._drivers.load("circus.plugins", use), "__dict__", {}).get("option_kinds")
        elif self._drivers.is_provided("circus.plugin_options", use):
            declared = self._drivers.load("circus.plugin_options", use)
        else:
            return {}
        return _kinds(declared)

    def hooks(self, config: WatcherConfig) -> Mapping[str, str]:
        return hook_complaints(config)

    def _checkable_stream(self, name: str) -> Any:
        """Return a class that lets its options be checked; one that a class inherits may not fit it."""
        if self.driver("circus.streams", name):
            return None
        found = self._drivers.load("circus.streams", name)
        return found if "check_options" in getattr(found, "__dict__", ()) else None

    def _complaint(self, namespace: str, name: str) -> str:
        try:
            if namespace == "circus.plugins" and self._drivers.is_provided(namespace, name):
                return ""  # imported in the process that runs it, and only there
            found = self._drivers.load(namespace, name)
        except DriverError as error:
            return str(error)
        return "" if callable(found) else f"{name!r} must name a class, it is of type {type(found).__name__}"


def _keywords(made_by: Callable[..., object]) -> tuple[str, ...]:
    parameters = inspect.signature(made_by).parameters.values()
    return tuple(each.name for each in parameters if each.kind is not each.VAR_KEYWORD)


def _kinds(declared: object) -> Mapping[str, Kind]:
    """Return what was declared, if it can be used; raises DriverError."""
    if declared is None:
        return {}
    if isinstance(declared, Mapping) and all(isinstance(kind, Kind) for kind in declared.values()):
        return declared
    raise DriverError("they are declared by something else than a mapping of names to Kind")


def _problem(error: CircusError, path: Path | None) -> Problem:
    return Problem(level=Level.ERROR, message=str(error), file=path)


def _as_file(path: Path, sections: Mapping[str, Mapping[str, Any]]) -> RawFile:
    """What a hook plugin read, as if it stood in the file."""
    return RawFile(
        path=path,
        sections=tuple(
            RawSection(name, file=path, values={key: RawValue(value, path) for key, value in values.items()})
            for name, values in sections.items()
        ),
    )


def _hooks(plugins: HookPlugins) -> Hooks:
    return Hooks(plugins, publish=lambda event: None, clock=SystemClock())
