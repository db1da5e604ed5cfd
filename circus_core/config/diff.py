"""Two configurations -> the steps that lead from one to the other, for people and for who takes them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Set
from enum import Enum
from typing import Any, Final, TypeVar

from circus_core.config.model import (
    ArbiterConfig,
    Config,
    PluginConfig,
    SocketConfig,
    StreamConfig,
    WatcherConfig,
)
from circus_core.config.options import Effect, Table
from circus_core.config.substitute import expand, named_sockets, spawn_variables
from circus_core.errors import ConfigError
from circus_core.records import dataclass, fields, replace

__all__ = ["ArbiterStep", "ConfigPlan", "Consequence", "RunPlugin", "SocketStep", "WatcherStep", "diff"]

RunPlugin = Callable[[PluginConfig, ArbiterConfig], WatcherConfig]
"""Makes the watcher that runs a plugin; equal arguments give equal watchers."""

_Named = TypeVar("_Named", WatcherConfig, SocketConfig, PluginConfig)

_FIELD_EFFECTS: Final[Mapping[str, Effect]] = {
    "name": Effect.NOW,  # only its case can differ
    "env": Effect.RESPAWN,
    "own_env": Effect.NOW,
    "rlimits": Effect.RESPAWN,
    "stdout_stream": Effect.NOW,
    "stderr_stream": Effect.NOW,
    "hooks": Effect.NOW,
    "options": Effect.NOW,
}
_FAMILIES: Final = {"rlimits": "rlimit_", "hooks": "hooks.", "options": ""}
_STREAMS: Final = ("stdout_stream", "stderr_stream")
_COMMAND: Final = ("cmd", "args", "shell_args", "executable")


class Consequence(Enum):
    """What a step does; the values are words of the wire."""

    START = "start"  # a watcher that is new, or that had given up, is started
    ADD = "add"  # a new watcher that waits to be started, a new socket
    STOP = "stop"  # a watcher is stopped and forgotten
    CLOSE = "close"  # a socket is closed
    RESIZE = "resize"  # processes are added or stopped, the others stay
    NOW = "now"  # applied without touching a process or a connection
    REPLACE = "replace"  # processes are replaced, not all at the same time
    NOTED = "noted"  # the watcher is stopped, and stays so
    REBIND = "rebind"  # a socket is bound anew
    RESTART = "restart"  # not applied: circusd must be restarted


_TEXTS: Final[Mapping[Consequence, str]] = {
    Consequence.START: "it is started",
    Consequence.ADD: "added",
    Consequence.STOP: "removed, it is stopped",
    Consequence.CLOSE: "removed, it is closed",
    Consequence.NOW: "applied at once",
    Consequence.REPLACE: "its processes are replaced",
    Consequence.NOTED: "it is stopped and stays so",
    Consequence.REBIND: "it is bound anew",
    Consequence.RESTART: "needs a restart of circusd",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ArbiterStep:
    """One changed option of `[circus]`."""

    option: str
    consequence: Consequence

    def text(self) -> str:
        """Return it as a line for people."""
        return f"[circus] {self.option}: {_TEXTS[self.consequence]}"

    def to_json(self) -> dict[str, Any]:
        return {"option": self.option, "does": self.consequence.value, "text": self.text()}


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketStep:
    """One socket that comes, goes or changes; `old` is None for a new one, `new` for one that goes."""

    old: SocketConfig | None
    new: SocketConfig | None
    options: tuple[str, ...] = ()
    consequence: Consequence

    @property
    def name(self) -> str:
        return _name(self.old, self.new)

    def text(self) -> str:
        """Return it as a line for people."""
        return _line(f"socket {self.name!r}", self.options, _TEXTS[self.consequence])

    def to_json(self) -> dict[str, Any]:
        told = {"name": self.name, "options": list(self.options)}
        return {**told, "does": self.consequence.value, "text": self.text()}


@dataclass(frozen=True, slots=True, kw_only=True)
class WatcherStep:
    """One watcher, or the watcher of a plugin, that comes, goes or changes.

    Attributes:
        old, new: None for a new one, or for one that goes.
        options: what changed, as it is written in a file.
        fields: what changed, as attributes of WatcherConfig.
        reasons: why its processes are replaced besides that.
        replaces: its processes are replaced, if it has any.
    """

    old: WatcherConfig | None
    new: WatcherConfig | None
    options: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    replaces: bool = False
    consequence: Consequence

    @property
    def name(self) -> str:
        return _name(self.old, self.new)

    def text(self) -> str:
        """Return it as a line for people."""
        kind, colon, rest = self.name.partition(":")
        label = f"plugin {rest!r}" if colon and kind == "plugin" else f"watcher {self.name!r}"
        if self.old is not None and self.new is not None and self.consequence is Consequence.RESIZE:
            return f"{label}: numprocesses {self.old.numprocesses} -> {self.new.numprocesses}"
        outcome = _TEXTS[self.consequence]
        if self.old is None:
            is_started = self.consequence is Consequence.START
            outcome = "added, it is started" if is_started else "added, not started: autostart is off"
        return _line(label, (*self.options, *self.reasons), outcome)

    def to_json(self) -> dict[str, Any]:
        told = {"name": self.name, "options": list(self.options), "reasons": list(self.reasons)}
        return {**told, "does": self.consequence.value, "text": self.text()}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigPlan:
    """What a reload of the configuration does, each part sorted by name.

    Attributes:
        target: what is in force afterwards: `new`, less what only a restart can apply.
    """

    arbiter: tuple[ArbiterStep, ...] = ()
    sockets: tuple[SocketStep, ...] = ()
    watchers: tuple[WatcherStep, ...] = ()
    target: Config

    @property
    def is_empty(self) -> bool:
        return not (self.arbiter or self.sockets or self.watchers)

    def to_json(self) -> dict[str, Any]:
        """Return the steps: names and consequences, no values of options."""
        return {
            "circus": [step.to_json() for step in self.arbiter],
            "sockets": [step.to_json() for step in self.sockets],
            "watchers": [step.to_json() for step in self.watchers],
        }

    def to_text(self) -> str:
        """Return a line for each step; empty if there is none."""
        parts = (self.arbiter, self.sockets, self.watchers)
        return "\n".join(step.text() for part in parts for step in part)


def diff(
    old: Config,
    new: Config,
    *,
    remake: Collection[str] = (),
    stopped: Collection[str] = (),
    failed: Collection[str] = (),
    run_plugin: RunPlugin = lambda plugin, _: plugin.watcher,
    table: Table | None = None,
) -> ConfigPlan:
    """Return what leads from `old` to `new`. What did not change is in no step, whatever its order.

    Args:
        old: what is in force, with the watchers that there are.
        remake: names, in any case, of watchers whose processes are replaced though nothing changed.
        stopped: names, in any case, of watchers that were told to stop: they stay so, unless autostart is
            turned on.
        failed: names, in any case, of watchers that gave up: a change lets them try again.
        table: of the options that installed packages registered too.

    Raises:
        ConfigError: two watchers or sockets of `new` have the same name.
    """
    table = table or Table()
    arbiter = tuple(_arbiter_steps(old.arbiter, new.arbiter, table))
    target = replace(new, arbiter=_in_force(old.arbiter, new.arbiter, arbiter))
    sockets = tuple(_socket_steps(_by_name(old.sockets, "sockets"), _by_name(new.sockets, "sockets"), table))
    context = _Changes(
        sockets=sockets,
        remake={name.lower() for name in remake},
        stopped={name.lower() for name in stopped},
        failed={name.lower() for name in failed},
        written=_written_by_plugins(old.plugins, new.plugins),
        table=table,
    )
    before = _by_name(_watchers(old, old.arbiter, run_plugin), "watchers")
    after = _by_name(_watchers(target, target.arbiter, run_plugin), "watchers")
    names = sorted(before.keys() | after.keys())
    steps = (context.step(before.get(name), after.get(name)) for name in names)
    watchers = tuple(step for step in steps if step is not None)
    return ConfigPlan(arbiter=arbiter, sockets=sockets, watchers=watchers, target=target)


# -- [circus] --------------------------------------------------------------------------------------


def _arbiter_steps(old: ArbiterConfig, new: ArbiterConfig, table: Table) -> Iterator[ArbiterStep]:
    names = [name for name in _changed_fields(old, new) if name != "options"]
    for name in sorted((*names, *_changed_keys(old.options, new.options))):
        option = table.find("circus", name)
        is_now = option is not None and option.effect is Effect.NOW
        yield ArbiterStep(option=name, consequence=Consequence.NOW if is_now else Consequence.RESTART)


def _in_force(old: ArbiterConfig, new: ArbiterConfig, steps: Iterable[ArbiterStep]) -> ArbiterConfig:
    """Options of packages are always taken over: it is for those to act on them."""
    kept = {step.option for step in steps if step.consequence is Consequence.RESTART}
    return replace(
        new, **{field.name: getattr(old, field.name) for field in fields(old) if field.name in kept}
    )


# -- sockets ---------------------------------------------------------------------------------------


def _socket_steps(
    before: Mapping[str, SocketConfig], after: Mapping[str, SocketConfig], table: Table
) -> Iterator[SocketStep]:
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old is None or new is None:
            consequence = Consequence.ADD if old is None else Consequence.CLOSE
            yield SocketStep(old=old, new=new, consequence=consequence)
        elif old != new:
            names = _changed_fields(old, new)
            rebinds = any(_effect("socket", name, table) is Effect.REBIND for name in names)
            yield SocketStep(
                old=old,
                new=new,
                options=tuple(_option_names(old, new, names)),
                consequence=Consequence.REBIND if rebinds else Consequence.NOW,
            )


# -- watchers --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Changes:
    """What the step of a watcher depends on besides its section; names in lower case.

    `written`: the changed options of plugins, by the name of their watcher.
    """

    sockets: tuple[SocketStep, ...]
    remake: Set[str]
    stopped: Set[str]
    failed: Set[str]
    written: Mapping[str, tuple[str, ...]]
    table: Table

    def step(self, old: WatcherConfig | None, new: WatcherConfig | None) -> WatcherStep | None:
        if new is None:
            return WatcherStep(old=old, new=None, consequence=Consequence.STOP)
        if old is None:
            return WatcherStep(
                old=None, new=new, consequence=Consequence.START if new.autostart else Consequence.ADD
            )
        names, reasons = _changed_fields(old, new), tuple(self._reasons(old, new))
        if not names and not reasons:
            return None
        key = new.name.lower()
        replaces = bool(reasons) or _needs_new_processes(old, new, names, self.table)
        return WatcherStep(
            old=old,
            new=new,
            options=self.written.get(key) or tuple(_option_names(old, new, names)),
            fields=names,
            reasons=reasons,
            replaces=replaces,
            consequence=self._consequence(new, names, replaces=replaces),
        )

    def _consequence(self, new: WatcherConfig, names: tuple[str, ...], *, replaces: bool) -> Consequence:
        key = new.name.lower()
        if key in self.failed and (replaces or new.respawn):  # else its processes did what they were for
            return Consequence.START
        if key in self.stopped | self.failed:
            return Consequence.START if new.autostart and "autostart" in names else Consequence.NOTED
        if replaces:
            return Consequence.REPLACE
        return Consequence.RESIZE if names == ("numprocesses",) else Consequence.NOW

    def _reasons(self, old: WatcherConfig, new: WatcherConfig) -> Iterator[str]:
        for step in self.sockets:
            if step.consequence is not Consequence.NOW and (_uses(old, step.name) or _uses(new, step.name)):
                yield f"socket {step.name!r}"
        if new.name.lower() in self.remake:
            yield "asked for by a plugin"


def _needs_new_processes(old: WatcherConfig, new: WatcherConfig, names: Iterable[str], table: Table) -> bool:
    """Tell whether a process would be started otherwise than those that run."""
    return (
        any(_effect("watcher", name, table) is Effect.RESPAWN for name in names)
        or any((getattr(old, name) is None) != (getattr(new, name) is None) for name in _STREAMS)
        or _command(old) != _command(new)
    )


def _command(config: WatcherConfig) -> list[str]:
    """The command line with its variables: any option may stand in it."""
    variables = spawn_variables(config, wid=1, env=config.env, sockets={})
    parts = [getattr(config, name) or "" for name in _COMMAND]
    texts = [" ".join(part) if isinstance(part, tuple) else part for part in parts]
    return [expand(text, variables) for text in texts]


def _uses(config: WatcherConfig, socket: str) -> bool:
    """A command that names no socket gets all of them."""
    named = named_sockets(config)
    return socket in named if named else config.use_sockets


def _watchers(config: Config, arbiter: ArbiterConfig, run_plugin: RunPlugin) -> list[WatcherConfig]:
    return [*config.watchers, *(run_plugin(plugin, arbiter) for plugin in config.plugins)]


def _written_by_plugins(
    old: Iterable[PluginConfig], new: Iterable[PluginConfig]
) -> dict[str, tuple[str, ...]]:
    """What changed in each plugin's section; what its watcher is made of is nobody's business."""
    before = _by_name(old, "plugins")
    written = {}
    for key, plugin in _by_name(new, "plugins").items():
        last = before.get(key)
        if last is not None:
            own = [
                name for name in _changed_fields(last, plugin) if name not in ("name", "options", "watcher")
            ]
            keys = _changed_keys(last.options, plugin.options)
            written[f"plugin:{key}"] = tuple(sorted({*own, *keys}))
    return written


# -- what changed ----------------------------------------------------------------------------------


def _changed_fields(old: Any, new: Any) -> tuple[str, ...]:
    if old == new:  # most of thousands of watchers
        return ()
    return tuple(field.name for field in fields(old) if getattr(old, field.name) != getattr(new, field.name))


def _changed_keys(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    missing = object()
    return sorted(key for key in old.keys() | new.keys() if old.get(key, missing) != new.get(key, missing))


def _option_names(old: Any, new: Any, names: Iterable[str]) -> list[str]:
    """Return fields as they are written in a file, sorted."""
    found: set[str] = set()
    for name in names:
        before, after = getattr(old, name), getattr(new, name)
        if name in _FAMILIES:
            found.update(f"{_FAMILIES[name]}{key}" for key in _changed_keys(before, after))
        elif name in _STREAMS:
            found.update(f"{name}.{key}" for key in _changed_keys(_stream(before), _stream(after)))
        else:
            found.add("env" if name == "own_env" else name)
    return sorted(found)


def _stream(config: StreamConfig | None) -> dict[str, Any]:
    if config is None:
        return {}
    return {"class": config.class_name if config.stream is None else config.stream, **config.options}


def _effect(section: str, name: str, table: Table) -> Effect:
    if name in _FIELD_EFFECTS:
        return _FIELD_EFFECTS[name]
    option = table.find(section, name)
    return Effect.RESPAWN if option is None else option.effect


def _by_name(items: Iterable[_Named], kind: str) -> dict[str, _Named]:
    found: dict[str, _Named] = {}
    for item in items:
        if found.setdefault(item.name.lower(), item) is not item:
            raise ConfigError(f"two {kind} are called {item.name!r}; case does not count")
    return found


def _name(old: WatcherConfig | SocketConfig | None, new: WatcherConfig | SocketConfig | None) -> str:
    either = new or old
    return "" if either is None else either.name


def _line(label: str, changed: Iterable[str], outcome: str) -> str:
    told = ", ".join(changed)
    return f"{label}: {told}: {outcome}" if told else f"{label}: {outcome}"
