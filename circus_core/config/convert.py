"""One raw value -> the value of an option, or a problem that says what would have been accepted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from circus_core.config.environment import Daemon, Virtualenv, find_virtualenv
from circus_core.config.misspelling import Speller
from circus_core.config.names import Names
from circus_core.config.options import Option, Table
from circus_core.config.problems import Level, Place, Report
from circus_core.config.raw import RawSection, RawValue
from circus_core.config.substitute import Scope, expand_env, paths
from circus_core.config.units import Kind, to_text
from circus_core.records import dataclass, field

__all__ = ["FAILED", "Context", "convert", "free_value", "refuse", "resolve"]

FAILED: Final = object()
"""What `convert` returns after it has reported an error."""

# Expanded once more when a process is spawned, so escapes must outlive the first pass.
_EXPANDED_TWICE: Final = frozenset({"cmd", "args", "shell_args", "executable"})


@dataclass(slots=True, kw_only=True)
class Context:
    """What is the same for all sections of one configuration."""

    table: Table
    daemon: Daemon
    report: Report
    sockets: frozenset[str] | None = None  # names that are defined; None: not known, don't check
    extras: Callable[[], Sequence[str]] = tuple  # what could be installed: looked up for a message only
    names: Names | None = None  # looks up names of code; None: don't check
    spellers: dict[str, Speller] = field(default_factory=dict)
    virtualenvs: dict[tuple[str, str | None], Virtualenv | str] = field(default_factory=dict)

    def speller(self, section: str) -> Speller:
        """The speller of "circus", "watcher", "socket"; made when first needed."""
        if section not in self.spellers:
            names = self.table.names(section)
            of_watchers = section == "watcher"
            self.spellers[section] = (
                Speller.of_watchers(names) if of_watchers else Speller(names, is_strict=False)
            )
        return self.spellers[section]

    def virtualenv(self, root: str, version: str | None) -> Virtualenv | str:
        """Look up each virtualenv once; a text says why there is none."""
        key = root, version
        if key not in self.virtualenvs:
            try:
                self.virtualenvs[key] = find_virtualenv(root, version)
            except ValueError as error:
                self.virtualenvs[key] = str(error)
        return self.virtualenvs[key]


def resolve(key: str, raw: RawValue, scope: Scope | None) -> Any:
    """Return the value with its `circus.env` variables replaced; without a scope as it is."""
    if scope is None:
        return raw.value
    return _map_texts(raw.value, lambda text: expand_env(text, scope, keep_escapes=key in _EXPANDED_TWICE))


def _map_texts(value: Any, function: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return function(value)
    if isinstance(value, list):
        return [_map_texts(item, function) for item in value]
    return value


def free_value(value: Any) -> Any:
    """A value nobody here knows, read from a file: scalars as text, so that ini and toml give the same."""
    if isinstance(value, list):
        return [free_value(item) for item in value]
    try:
        return to_text(value)
    except ValueError:
        return value


def convert(
    option: Option,
    key: str,
    section: RawSection,
    scope: Scope | None,
    context: Context,
    *,
    report: bool = True,
) -> Any:
    """Convert the value of `key`. Returns FAILED if it is not acceptable, which has then been reported."""
    value = resolve(option.name, section.values[key], scope)
    try:
        return option.kind.parse(value)
    except (ValueError, TypeError, OverflowError):
        if report:
            refuse(option.kind, key, value, section.place_of(key), context.report)
        return FAILED


def refuse(kind: Kind, key: str, value: Any, place: Place, report: Report) -> None:
    """Report a value that is not acceptable, and what would be."""
    got = value if isinstance(value, str) else repr(value)
    report.add(
        Level.ERROR,
        place,
        f"{key} must be {kind.accepts}, got {value!r}",
        option=key,
        value=got,
        accepted=kind.accepts,
        suggestion=_suggestion(kind, got),
    )


def _suggestion(kind: Kind, text: str) -> str:
    unset = [path.partition(".")[2] for path in paths(text) if path.lower().startswith("env.")]
    if unset:
        return f"the variable {unset[0]} is not set"
    return kind.suggest(text)
