"""One `[watcher:NAME]` section, or a mapping given through the API -> a WatcherConfig."""

from __future__ import annotations

import resource
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from circus_core.config.convert import FAILED, Context, convert, free_value, resolve
from circus_core.config.environment import Virtualenv, compose, expand_names
from circus_core.config.misspelling import Speller
from circus_core.config.model import HookConfig, StreamConfig, WatcherConfig
from circus_core.config.names import check_watcher_names
from circus_core.config.options import HOOK_NAMES, Option
from circus_core.config.overflow import Overflow
from circus_core.config.problems import Level, Place
from circus_core.config.raw import RawSection, RawValue
from circus_core.config.rules import check_watcher
from circus_core.config.substitute import Scope
from circus_core.config.units import to_text
from circus_core.records import replace

__all__ = ["build_watcher", "is_watcher_key", "watcher_environment", "watcher_fields"]

_STREAMS: Final = ("stdout_stream", "stderr_stream")
_IGNORED_STREAM_KEY: Final = "refresh_time"
_FIELDS: Final = frozenset(WatcherConfig.__slots__)


def build_watcher(
    section: RawSection,
    context: Context,
    *,
    name: str,
    own_env: Mapping[str, str],
    scope: Scope | None,
) -> WatcherConfig | None:
    """Build one watcher and check it; None if it has an error.

    Args:
        name: used unless the section has a `name` of its own.
        own_env: variables of the [env] sections that apply.
        scope: what `$(circus.env.X)` finds; None leaves variables for the spawn.
    """
    errors = len(context.report.problems)
    fields = watcher_fields(section, context, scope)
    fields["name"] = fields.get("name") or name
    fields.setdefault("own_env", MappingProxyType(dict(own_env)))
    config = WatcherConfig(**fields)
    check_watcher(config, section, context)
    complete = None if _has_error(context, errors) else watcher_environment(config, section, context)
    if context.names is not None:
        best = complete or replace(config, env=config.own_env)
        check_watcher_names(best, section, context.names, context.report)
    return None if _has_error(context, errors) else complete


def _has_error(context: Context, since: int) -> bool:
    return any(problem.level is Level.ERROR for problem in context.report.problems[since:])


def watcher_environment(config: WatcherConfig, section: RawSection, context: Context) -> WatcherConfig | None:
    """Return the watcher with its complete environment; None if its virtualenv does not exist."""
    virtualenv: Virtualenv | None = None
    if config.virtualenv is not None:
        found = context.virtualenv(config.virtualenv, config.virtualenv_py_ver)
        if isinstance(found, str):
            context.report.error(section.place_of("virtualenv"), f"virtualenv: {found}", option="virtualenv")
            return None
        virtualenv = found
    env = compose(
        config.own_env,
        context.daemon,
        copy_env=config.copy_env,
        copy_path=config.copy_path,
        virtualenv=virtualenv,
    )
    return replace(config, env=MappingProxyType(env))


def is_watcher_key(key: str, context: Context) -> bool:
    """Whether the key is an option of watchers, not one that is free for anybody."""
    return context.table.find("watcher", key) is not None or _family(key) is not None


def _family(key: str) -> str | None:
    head, dot, _ = key.partition(".")
    if dot and head in (*_STREAMS, "hooks"):
        return head
    return "rlimit" if key.lower().startswith("rlimit_") else None


def watcher_fields(section: RawSection, context: Context, scope: Scope | None) -> dict[str, Any]:
    """Convert every key of the section into fields of WatcherConfig; what is not acceptable is reported."""
    return _Fields(section, context, scope).collect()


class _Fields:
    """Sorts the keys of one section into plain options, families and free keys."""

    def __init__(self, section: RawSection, context: Context, scope: Scope | None) -> None:
        self._section = section
        self._context = context
        self._report = context.report
        self._scope = scope
        self._is_file = section.file is not None
        self._plain: dict[str, Any] = {}
        self._rlimits: dict[str, int | None] = {}
        self._hooks: dict[str, HookConfig] = {}
        self._streams: dict[str, dict[str, Any]] = {}
        self._stream_keys: dict[str, str] = {}  # for each stream a key to report problems at
        self._free: dict[str, Any] = {}

    def collect(self) -> dict[str, Any]:
        for key, raw in self._section.values.items():
            if self._is_file or raw.value is not None or key.startswith("rlimit_"):
                self._take(key, raw)
        for name, options in self._streams.items():
            self._plain[name] = self._stream(name, options)
        families: dict[str, Mapping[str, Any]] = {
            "rlimits": self._rlimits,
            "hooks": self._hooks,
            "options": self._free,
        }
        return {**self._plain, **{name: MappingProxyType(value) for name, value in families.items() if value}}

    def _take(self, key: str, raw: RawValue) -> None:
        option = self._context.table.find("watcher", key)
        family = _family(key)
        if family is not None:
            self._take_member(family, key)
        elif option is not None:
            self._take_option(option, key)
        elif key in ("env", "hooks", "rlimits", *_STREAMS) or key.startswith("env."):
            self._take_whole(key, raw)
        else:
            self._take_free(key, raw)

    # -- plain options

    def _take_option(self, option: Option, key: str) -> None:
        if option.retired:
            self._report.notice(self._place(key), f"{key} is ignored: {option.retired}", option=key)
            return
        value = convert(option, key, self._section, self._scope, self._context)
        if value is FAILED:
            return
        if option.name not in _FIELDS:
            self._free[option.name] = value
        elif key == option.name or option.name not in self._plain:  # an alias never beats the name
            self._plain[option.name] = value

    # -- families

    def _take_member(self, family: str, key: str) -> None:
        tail = key.partition("_" if family == "rlimit" else ".")[2]
        if family == "rlimit":
            self._take_rlimit(tail, key)
        elif family == "hooks":
            self._take_hook(tail, key)
        elif tail == _IGNORED_STREAM_KEY:
            self._stream_keys.setdefault(family, key)
            self._streams.setdefault(family, {})
            self._report.notice(
                self._place(key),
                f"{key} is ignored: output is read when there is some; remove the line",
                option=key,
            )
        else:
            value = resolve(key, self._section.values[key], self._scope)
            self._stream_keys.setdefault(family, key)
            self._streams.setdefault(family, {})[tail] = free_value(value) if self._is_file else value

    def _take_rlimit(self, name: str, key: str) -> None:
        if not hasattr(resource, f"RLIMIT_{name.upper()}"):
            near = Speller(_limit_names(), is_strict=False).nearest(name.lower())
            self._report.error(
                self._place(key),
                f"{key}: this system has no limit called {name!r}",
                option=key,
                suggestion=f"write rlimit_{near}" if near else "see setrlimit(2)",
            )
            return
        value = convert(self._family_option("rlimit_NAME"), key, self._section, self._scope, self._context)
        if value is not FAILED:
            self._rlimits[name.lower()] = value

    def _take_hook(self, name: str, key: str) -> None:
        if name not in HOOK_NAMES:
            near = Speller(HOOK_NAMES, is_strict=False).nearest(name)
            tell = self._report.doubt if self._is_file else self._report.error
            tell(
                self._place(key),
                f"{key}: there is no hook called {name!r}",
                option=key,
                suggestion=f"write hooks.{near}" if near else "it has " + ", ".join(HOOK_NAMES),
            )
            return
        value = convert(self._family_option("hooks.NAME"), key, self._section, self._scope, self._context)
        if value is not FAILED:
            self._hooks[name] = HookConfig(target=value[0], ignore_failure=value[1])

    def _family_option(self, name: str) -> Option:
        option = self._context.table.find("watcher", name)
        if option is None:
            raise LookupError(name)
        return option

    def _stream(self, name: str, options: dict[str, Any]) -> StreamConfig | None:
        key = self._stream_keys[name]
        has_class = "class" in options
        class_name = options.pop("class", "default")
        if not isinstance(class_name, str) or not class_name or (not has_class and not options):
            self._report.error(
                self._place(key),
                f"{name} needs the name of a stream or options for it",
                option=key,
                suggestion=f"write {name}.class = NAME",
            )
            return None
        try:
            Overflow.of(options)
        except ValueError as error:
            self._report.error(self._place(key), f"{name}.{error}", option=key)
            return None
        return StreamConfig(class_name=class_name, options=MappingProxyType(options))

    # -- whole families: through the API only

    def _take_whole(self, key: str, raw: RawValue) -> None:
        if self._is_file:
            self._refuse_whole(key, raw)
        elif key == "env":
            self._take_env(raw.value)
        elif key in _STREAMS:
            self._take_stream(key, raw.value)
        elif not isinstance(raw.value, Mapping):
            self._report.error(self._place(key), f"{key} must be a mapping, got {raw.value!r}", option=key)
        else:
            prefix = "rlimit_" if key == "rlimits" else "hooks."
            for name, value in raw.value.items():
                self._take_mapped(f"{prefix}{name}", value)

    def _take_mapped(self, key: str, value: Any) -> None:
        if isinstance(value, HookConfig):
            value = (value.target, value.ignore_failure)
        inner = RawSection(self._section.name, values={key: RawValue(value)})
        outer, self._section = self._section, inner
        self._take_member("rlimit" if key.startswith("rlimit_") else "hooks", key)
        self._section = outer

    def _refuse_whole(self, key: str, raw: RawValue) -> None:
        place = self._place(key)
        if key.startswith("env"):
            name = self._section.name.partition(":")[2]
            self._report.doubt(
                place,
                f"{key} is ignored: it is not an option of a file",
                suggestion=f"write an [env:{name}] section",
            )
        elif key in _STREAMS:
            self._report.error(
                place,
                f"{key} needs a name behind a dot, got {raw.value!r}",
                option=key,
                suggestion=f"write {key}.class = NAME",
            )
        else:
            member = "hooks.NAME" if key == "hooks" else "rlimit_NAME"
            self._report.doubt(
                place, f"{key} is ignored: it is not an option", suggestion=f"write {member} = ..."
            )

    def _take_env(self, value: Any) -> None:
        if not isinstance(value, Mapping):
            self._report.error(self._place("env"), f"env must be a mapping, got {value!r}", option="env")
            return
        own: dict[str, str] = {}
        for name, item in value.items():
            try:
                own[str(name)] = expand_names(to_text(item), self._context.daemon.environ, own)
            except ValueError:
                self._report.error(
                    self._place("env"), f"env: {name} must be text, got {item!r}", option="env"
                )
        self._plain["own_env"] = MappingProxyType(own)

    def _take_stream(self, key: str, value: Any) -> None:
        if isinstance(value, StreamConfig):
            self._plain[key] = value
        elif callable(value):
            self._plain[key] = StreamConfig(stream=value)
        elif isinstance(value, Mapping):
            options = {name: item for name, item in value.items() if name != _IGNORED_STREAM_KEY}
            stream = options.pop("stream", None)
            self._stream_keys[key] = key
            if stream is not None:
                self._plain[key] = StreamConfig(options=MappingProxyType(options), stream=stream)
            elif value:
                self._streams[key] = options
        else:
            self._report.error(self._place(key), f"{key} must be a mapping, got {value!r}", option=key)

    # -- keys that are free for plugins

    def _take_free(self, key: str, raw: RawValue) -> None:
        value = resolve(key, raw, self._scope)
        self._free[key] = free_value(value) if self._is_file else value
        near = self._context.speller("watcher").nearest(key) if self._is_file else None
        if near is not None and not (key == "command" and "cmd" in self._section.values):
            self._report.doubt(
                self._place(key),
                f"{key} is not an option of the kernel; it is kept for plugins",
                option=key,
                suggestion=f"did you mean {near}?",
            )

    def _place(self, key: str) -> Place:
        return self._section.place_of(key)


def _limit_names() -> list[str]:
    return [name.removeprefix("RLIMIT_").lower() for name in dir(resource) if name.startswith("RLIMIT_")]
