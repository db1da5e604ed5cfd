"""All sections -> one Config. Every problem is collected; nothing stops at the first one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from circus_core.config.build_plugin import build_plugin
from circus_core.config.build_watcher import build_watcher, is_watcher_key
from circus_core.config.convert import FAILED, Context, convert, free_value, resolve
from circus_core.config.environment import EnvSections
from circus_core.config.misspelling import Speller
from circus_core.config.model import ArbiterConfig, Config, PluginConfig, SocketConfig, WatcherConfig
from circus_core.config.raw import RawSection, RawValue, Sections
from circus_core.config.rules import check_arbiter, check_socket, check_socket_addresses
from circus_core.config.substitute import Scope

__all__ = ["build_arbiter", "build_config", "build_socket", "socket_names"]

_KINDS: Final = ("watcher", "socket", "plugin")
_SECTION_NAMES: Final = ("circus", "env", "watcher", "socket", "plugin", "DEFAULT")


def build_config(sections: Sections, context: Context, path: Path) -> Config:
    """Build what can be built. If the report has errors the result is incomplete and must not be used."""
    _apply_defaults(sections, context)
    _check_sections(sections, context)
    env = EnvSections((s for s in sections.values() if _kind(s) == "env"), context.daemon, context.report)
    arbiter = build_arbiter(sections.get("circus") or RawSection("circus", path), context, env.scope)
    return Config(
        arbiter=arbiter,
        watchers=_sorted(_watchers(sections, context, env)),
        sockets=_sorted(_sockets(sections, context, env.scope)),
        plugins=_sorted(_plugins(sections, context, env.scope, debug=arbiter.debug)),
        path=path,
    )


def _sorted(items: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(sorted(items, key=lambda item: str(item.name)))


def _kind(section: RawSection) -> str:
    return section.name.partition(":")[0]


def _of_kind(sections: Sections, kind: str) -> Iterator[tuple[str, RawSection]]:
    """Each section `kind:NAME` that has keys, with its name."""
    for section in sections.values():
        head, colon, name = section.name.partition(":")
        if colon and head == kind and section.values and name.strip():
            yield name.strip(), section


# -- sections as a whole ---------------------------------------------------------------------------


def _apply_defaults(sections: Sections, context: Context) -> None:
    """Give the keys of [DEFAULT] to the sections they can be meant for; never to [env]."""
    defaults = sections.get("DEFAULT")
    if defaults is None:
        return
    for section in sections.values():
        if section.values:
            for key, value in defaults.values.items():
                if _can_default(section, key, context):
                    section.values.setdefault(key, value)


def _can_default(section: RawSection, key: str, context: Context) -> bool:
    kind = _kind(section)
    if kind == "watcher":
        return True
    if kind == "plugin":
        return is_watcher_key(key, context)
    return kind in ("circus", "socket") and context.table.find(kind, key) is not None


def _check_sections(sections: Sections, context: Context) -> None:
    for section in sections.values():
        kind, colon, name = section.name.partition(":")
        if kind in _KINDS and colon:
            _check_named(section, kind, name, context)
        elif section.name not in ("circus", "env", "DEFAULT") and not (kind == "env" and name.strip()):
            _doubt_section(section, context)


def _check_named(section: RawSection, kind: str, name: str, context: Context) -> None:
    if not name.strip():
        context.report.error(section.place, f"a {kind} needs a name", suggestion=f"write [{kind}:NAME]")
    elif not section.values:
        context.report.doubt(section.place, f"the section has no options: no {kind} is made")


def _doubt_section(section: RawSection, context: Context) -> None:
    kind, colon, name = section.name.strip().partition(":")
    near = Speller(_SECTION_NAMES, is_strict=False).nearest(kind.strip())
    suggestion = "known are [circus], [watcher:NAME], [socket:NAME], [plugin:NAME], [env] and [env:NAMES]"
    if near in ("circus", "DEFAULT"):
        suggestion = f"did you mean [{near}]?"
    elif near is not None:
        rest = f":{name.strip() or 'NAME'}" if colon or near != "env" else ""
        suggestion = f"did you mean [{near}{rest}]?"
    context.report.doubt(section.place, "unknown section, it is ignored", suggestion=suggestion)


# -- [circus] --------------------------------------------------------------------------------------


def build_arbiter(section: RawSection, context: Context, scope: Scope | None) -> ArbiterConfig:
    """Build the [circus] section; options of installed packages go to `options`, with their defaults."""
    fields: dict[str, Any] = {}
    options = {option.name: option.default for option in context.table.extra if option.section == "circus"}
    for key, raw in section.values.items():
        option = context.table.find("circus", key)
        if option is None:
            _doubt_circus_option(section, key, context)
        elif option.retired:
            context.report.notice(section.place_of(key), f"{key} is ignored: {option.retired}", option=key)
        elif section.file is not None or raw.value is not None:
            value = convert(option, key, section, scope, context)
            if value is not FAILED:
                (options if option.name in options else fields)[option.name] = value
    for name in ("include", "include_dir"):
        fields.pop(name, None)
    if str(fields.get("loggerconfig")).lower() == "default":
        del fields["loggerconfig"]
    config = ArbiterConfig(**fields, options=MappingProxyType(options))
    check_arbiter(config, section, context.report)
    return config


def _doubt_circus_option(section: RawSection, key: str, context: Context) -> None:
    near = context.speller("circus").nearest(key)
    if near is not None:
        suggestion = f"did you mean {near}?"
    elif extras := context.extras():
        suggestion = "packages that add options: " + ", ".join(extras)
    else:
        suggestion = "install the package that adds it, or remove the line"
    context.report.doubt(
        section.place_of(key),
        f"no installed package provides option {key!r}",
        option=key,
        suggestion=suggestion,
    )


# -- sockets ---------------------------------------------------------------------------------------


def socket_names(sections: Sections) -> frozenset[str]:
    """Names of all sockets that are written down, also of those with errors."""
    return frozenset(_socket_name(name) for name, _ in _of_kind(sections, "socket"))


def _socket_name(text: str) -> str:
    return text.rpartition("socket:")[2].strip().lower()


def _sockets(sections: Sections, context: Context, scope: Scope) -> list[SocketConfig]:
    built: dict[str, tuple[SocketConfig, RawSection]] = {}
    for text, section in _of_kind(sections, "socket"):
        config = build_socket(section, context, name=_socket_name(text), scope=scope)
        if config is None:
            continue
        if config.name in built:
            _refuse_name(section, built[config.name][1], context, "socket")
        built.setdefault(config.name, (config, section))
    check_socket_addresses(built.values(), context.report)
    return [config for config, _ in built.values()]


def build_socket(
    section: RawSection, context: Context, *, name: str, scope: Scope | None
) -> SocketConfig | None:
    """Build one socket; None if it has an error."""
    fields: dict[str, Any] = {}
    options: dict[str, Any] = {}
    is_file = section.file is not None
    for key, raw in section.values.items():
        option = context.table.find("socket", key)
        if option is None:
            options[key] = free_value(resolve(key, raw, scope)) if is_file else raw.value
            _doubt_socket_option(section, key, context)
        elif option.retired:
            context.report.notice(section.place_of(key), f"{key} is ignored: {option.retired}", option=key)
        elif is_file or raw.value is not None:
            fields[key] = convert(option, key, section, scope, context)
    if FAILED in fields.values():
        return None
    for key in [key for key in fields if key not in SocketConfig.__slots__]:
        options[key] = fields.pop(key)
    if fields.get("path"):
        fields["family"] = "AF_UNIX"
    config = SocketConfig(name=name, **fields, options=MappingProxyType(options))
    check_socket(config, section, context.report)
    return config


def _doubt_socket_option(section: RawSection, key: str, context: Context) -> None:
    near = context.speller("socket").nearest(key) if section.file is not None else None
    if near is not None:
        context.report.doubt(
            section.place_of(key),
            f"{key} is not an option of sockets",
            option=key,
            suggestion=f"did you mean {near}?",
        )


def _refuse_name(section: RawSection, first: RawSection, context: Context, kind: str) -> None:
    where = f" in {first.file}:{first.line}" if first.file is not None else ""
    context.report.error(
        section.place,
        f"there is a {kind} of this name already, as [{first.name}]{where}; case does not count",
    )


# -- watchers and plugins --------------------------------------------------------------------------


def _watchers(sections: Sections, context: Context, env: EnvSections) -> Iterator[WatcherConfig]:
    seen: dict[str, RawSection] = {f"plugin:{name}".lower(): s for name, s in _of_kind(sections, "plugin")}
    for name, section in _of_kind(sections, "watcher"):
        own_name = _own_name(section) or name
        own_env, scope = env.of(*dict.fromkeys((name, own_name)))
        config = build_watcher(section, context, name=name, own_env=own_env, scope=scope)
        final = (own_name if config is None else config.name).lower()
        if final in seen:
            _refuse_name(section, seen[final], context, "watcher")
        seen.setdefault(final, section)
        if config is not None:
            yield config


def _own_name(section: RawSection) -> str | None:
    raw = section.values.get("name", RawValue(None))
    return raw.value if isinstance(raw.value, str) else None


def _plugins(sections: Sections, context: Context, scope: Scope, *, debug: bool) -> Iterator[PluginConfig]:
    seen: dict[str, RawSection] = {}
    for name, section in _of_kind(sections, "plugin"):
        if name.lower() in seen:
            _refuse_name(section, seen[name.lower()], context, "plugin")
        seen.setdefault(name.lower(), section)
        config = build_plugin(section, context, name=name, scope=scope, debug=debug)
        if config is not None:
            yield config
