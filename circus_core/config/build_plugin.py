"""One `[plugin:NAME]` section -> a PluginConfig with the watcher that runs it."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final

from circus_core.config.build_watcher import build_watcher, is_watcher_key
from circus_core.config.convert import FAILED, Context, convert, free_value, resolve
from circus_core.config.model import PluginConfig
from circus_core.config.names import check_plugin_name
from circus_core.config.plugin_options import check_plugin_options
from circus_core.config.raw import RawSection, RawValue
from circus_core.config.substitute import Scope

__all__ = ["build_plugin"]

# Options of a watcher that a plugin can use for itself: its command is not the user's to choose.
_OWN: Final = frozenset({"name", "cmd", "args", "shell", "shell_args"})

_OF_A_PROCESS: Final = frozenset({"uid", "user", "gid", "nice", "working_dir", "virtualenv", "executable"})


def build_plugin(
    section: RawSection, context: Context, *, name: str, scope: Scope | None, debug: bool
) -> PluginConfig | None:
    """Build one plugin; None if it has an error.

    Args:
        debug: of [circus]: its outputs are shown.
    """
    use = _own_option("use", section, context, scope)
    is_active = _own_option("active", section, context, scope)
    run_in = _own_option("run_in", section, context, scope)
    hang_timeout = _own_option("hang_timeout", section, context, scope)
    if "use" not in section.values or use == "":
        context.report.error(
            section.place_of("use"), "use is missing", option="use", suggestion="write use = PLUGIN"
        )
    options = {
        key: _unquoted(resolve(key, raw, scope), section)
        for key, raw in section.values.items()
        if key != "use"
    }
    if context.names is not None and is_active is not False and use and use is not FAILED:
        check_plugin_name(use, section, context.names, context.report)
        check_plugin_options(use, options, section, context.names, context)
    if run_in == "daemon":
        _refuse_process_options(section, context)
    watcher = build_watcher(
        _watcher_section(section, context, is_active=is_active, debug=debug),
        context,
        name=f"plugin:{name}",
        own_env={},
        scope=scope,
    )
    if watcher is None or not use or FAILED in (use, is_active, run_in, hang_timeout):
        return None
    return PluginConfig(
        name=name,
        use=use,
        run_in=run_in,
        hang_timeout=hang_timeout,
        options=MappingProxyType(options),
        watcher=watcher,
    )


def _refuse_process_options(section: RawSection, context: Context) -> None:
    """A plugin inside circusd has nothing that only a process has."""
    for key in section.values:
        if key in _OF_A_PROCESS or key.startswith(("rlimit_", "stdout_stream", "stderr_stream")):
            context.report.error(
                section.place_of(key),
                f"{key} needs a process, and run_in = daemon gives none",
                option=key,
                suggestion="write run_in = process",
            )


def _own_option(key: str, section: RawSection, context: Context, scope: Scope | None) -> Any:
    option = context.table.find("plugin", key)
    if option is None:
        raise LookupError(key)
    if key not in section.values:
        return option.default
    return convert(option, key, section, scope, context)


def _unquoted(value: Any, section: RawSection) -> Any:
    """Text from a file without one pair of surrounding quotes; API values as they are."""
    if section.file is None:
        return value
    value = free_value(value)
    if isinstance(value, str) and len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return value


def _watcher_section(section: RawSection, context: Context, *, is_active: Any, debug: bool) -> RawSection:
    """The part of the section that is about the watcher, on top of what holds for every plugin."""
    watcher = RawSection(section.name, section.file, section.line)
    for key, value in _defaults(section, is_active=is_active, debug=debug).items():
        watcher.values[key] = RawValue(value, section.file, section.line)
    for key, raw in section.values.items():
        if key not in _OWN and is_watcher_key(key, context):
            watcher.values[key] = raw
    return watcher


def _defaults(section: RawSection, *, is_active: Any, debug: bool) -> dict[str, Any]:
    has_stream = {
        name: any(key.startswith(f"{name}_stream") for key in section.values) for name in ("stdout", "stderr")
    }
    return {
        "priority": 1,
        "singleton": True,
        "copy_env": True,
        "copy_path": True,
        "autostart": is_active is not False,
        "close_child_stdout": not debug and not has_stream["stdout"],
        "close_child_stderr": not debug and not has_stream["stderr"],
    }
