"""Hook plugins: find, load, block and check what the entry points of the group `circus` name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from types import FunctionType, MethodType, ModuleType
from typing import Any, Final

import pluggy

from circus_core.errors import PluginError
from circus_core.hookspecs import SPECS

__all__ = ["HOOK_GROUP", "HookPlugins", "check_plugin", "plugin_manager"]

HOOK_GROUP: Final = "circus"
"""The group of entry points that name hook plugins."""

_FUNCTIONS: Final = (FunctionType, MethodType, staticmethod, classmethod)
_PLAIN = frozenset(
    {
        "register_options",
        "read_config",
        "config_loaded",
        "before_add",
        "config_diff",
        "event",
        "find_command",
        "function_views",
        "output",
    }
)
"""Hooks that are called where nothing can be awaited."""


class HookPlugins(pluggy.PluginManager):
    """The plugins that are registered, and the distributions they came from."""

    def __init__(self) -> None:
        super().__init__("circus")
        self._origins: dict[str, Callable[[], str]] = {}
        for spec in SPECS:
            self.add_hookspecs(spec)

    def add(self, plugin: object, name: str, *, origin: Callable[[], str] = str) -> None:
        """Register and check a plugin: an object or module with functions marked `hookimpl`.

        Args:
            name: unique; the kernel's messages call the plugin so.
            origin: tells distribution and version, such as "circus-x 0.1.0". Asked only for messages: to find
                that out takes longer than to load the plugin.

        Raises:
            PluginError: the name is taken, or an implementation does not fit its specification.
        """
        if self.is_blocked(name):
            return
        if faults := sorted(_faults(self, plugin)):
            raise PluginError(f"{_label(name, origin())} can't be used: {'; '.join(faults)}")
        try:
            self.register(plugin, name)
        except ValueError as error:
            raise PluginError(f"{_label(name, origin())} can't be used: it is registered already") from error
        self._origins[name] = origin

    def parse_hookimpl_opts(self, plugin: object, name: str) -> Any:
        """As pluggy does; it asks for each name that `dir` knows."""
        return super().parse_hookimpl_opts(plugin, name) if _may_be_hook(plugin, name) else None

    def parse_hookspec_opts(self, module_or_class: Any, name: str) -> Any:
        """As pluggy does; it asks for each name that `dir` knows."""
        found = _may_be_hook(module_or_class, name)
        return super().parse_hookspec_opts(module_or_class, name) if found else None

    def label(self, name: str) -> str:
        """Return what messages call a plugin: "plugin 'x' of circus-x 0.1.0"."""
        return _label(name, self._origins.get(name, str)())


def _may_be_hook(holder: object, name: str) -> bool:
    """Rule out Python's own names, and what of a module is no function: a look takes pluggy 0.03 ms."""
    if name.startswith("__"):
        return False
    return not isinstance(holder, ModuleType) or isinstance(vars(holder).get(name), _FUNCTIONS)


def plugin_manager(*, blocked: Collection[str] = ()) -> HookPlugins:
    """Load all installed hook plugins, in the order of their names (the last one is called first).

    Args:
        blocked: names of entry points that are not loaded.

    Raises:
        PluginError: one of them can't be loaded or does not fit; the text names its distribution.
    """
    manager = HookPlugins()
    for name in blocked:
        manager.set_blocked(name)
    for entry in _installed(set(blocked)):
        manager.add(_load(entry), entry.name, origin=partial(_origin, entry))
    return manager


def check_plugin(entry: EntryPoint) -> None:
    """Load one hook plugin, without keeping it.

    Raises:
        PluginError: it can't be loaded or does not fit; the text names its distribution.
    """
    HookPlugins().add(_load(entry), entry.name, origin=partial(_origin, entry))


def _installed(blocked: set[str]) -> list[EntryPoint]:
    """The entry points to load, by name; the same one seen twice on the path counts once."""
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=HOOK_GROUP):
        if entry.name in blocked:
            continue
        other = found.setdefault(entry.name, entry)
        if other.value != entry.value:
            raise PluginError(
                f"plugin {entry.name!r} is provided by {_origin(other)} and by {_origin(entry)}: "
                "uninstall one of them"
            )
    return [found[name] for name in sorted(found)]


def _load(entry: EntryPoint) -> Any:
    """The plugin that an entry point names; a class is instantiated without arguments."""
    try:
        plugin = entry.load()
        return plugin() if isinstance(plugin, type) else plugin
    except (Exception, SystemExit) as error:
        reason = str(error) or type(error).__name__
        raise PluginError(f"{_label(entry.name, _origin(entry))} failed to load: {reason}") from error


def _origin(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else ""


def _label(name: str, origin: str) -> str:
    return f"plugin {name!r} of {origin}" if origin else f"plugin {name!r}"


def _faults(manager: pluggy.PluginManager, plugin: object) -> Iterable[str]:
    """Say what of a plugin does not fit the specifications."""
    for name in dir(plugin):
        options = manager.parse_hookimpl_opts(plugin, name)
        if options is None:
            continue
        hook = options.get("specname") or name
        caller = getattr(manager.hook, hook, None)
        if caller is None or not caller.has_spec():
            if not options.get("optionalhook"):
                yield _unknown(manager, hook)
        elif options.get("wrapper") or options.get("hookwrapper"):
            yield f"{hook!r} is a hook wrapper, write a plain implementation"
        else:
            yield from _misfits(caller, getattr(plugin, name))


def _unknown(manager: pluggy.PluginManager, hook: str) -> str:
    from difflib import get_close_matches

    nearest = get_close_matches(hook, vars(manager.hook), n=1)
    return f"there is no hook {hook!r}" + (f", did you mean {nearest[0]!r}?" if nearest else "")


def _misfits(caller: pluggy.HookCaller, function: Callable[..., object]) -> Iterable[str]:
    offered = caller.spec.argnames if caller.spec else ()
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY:
            yield f"{caller.name!r} takes {parameter.name!r} by keyword only, arguments are given by position"
        elif parameter.default is parameter.empty and parameter.name not in offered:
            what = f"it offers {', '.join(offered)}" if offered else "it offers none"
            yield f"{caller.name!r} asks for an argument {parameter.name!r}, {what}"
    if caller.name in _PLAIN and inspect.iscoroutinefunction(function):
        yield f"{caller.name!r} is called where nothing can be awaited, write `def` in place of `async def`"
