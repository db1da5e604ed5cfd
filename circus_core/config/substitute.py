"""Variables in values: `$(circus.PATH)` or `((circus.PATH))`, in any case.

`$$(circus.PATH)` stands for the literal text `$(circus.PATH)`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final

from circus_core.config.model import WatcherConfig

__all__ = ["Scope", "expand", "expand_env", "named_sockets", "paths", "references", "spawn_variables"]

_PATH: Final = r"circus\.([a-z0-9_.-]+)"
_VARIABLE: Final = re.compile(rf"(\$?)\$\({_PATH}\)|\(\({_PATH}\)\)", re.IGNORECASE)
_OLD_WORKER_ID: Final = re.compile(r"\$WID(?![A-Za-z0-9_])")
_NOTHING: Final = object()
_OPTIONS: Final = WatcherConfig.__slots__
_values: Final = attrgetter(*_OPTIONS)


class Scope:
    """Environment variables by name, the most special layer first; a name in another case is found too."""

    def __init__(self, *layers: Mapping[str, str]) -> None:
        self._layers = [(layer, {name.lower(): value for name, value in layer.items()}) for layer in layers]

    def under(self, layer: Mapping[str, str]) -> Scope:
        """Return a scope with one more layer before these."""
        scope = Scope(layer)
        scope._layers += self._layers
        return scope

    def over(self, layer: Mapping[str, str]) -> Scope:
        """Return a scope with one more layer behind these."""
        scope = Scope(layer)
        scope._layers = self._layers + scope._layers
        return scope

    def get(self, name: str) -> str | None:
        lower = name.lower()
        for exact, any_case in self._layers:
            if name in exact:
                return exact[name]
            if lower in any_case:
                return any_case[lower]
        return None


def expand(text: str, variables: Mapping[str, object]) -> str:
    """Replace every variable by its value, as text; None prints `None`, an unknown variable stays as it is.

    Args:
        variables: nested mappings (`{"wid": 1, "env": {...}, "sockets": {...}}`); names in any case.
    """
    text = _VARIABLE.sub(lambda match: _replacement(match, variables), text)
    if "wid" in variables:
        text = _OLD_WORKER_ID.sub(str(variables["wid"]), text)
    return text


def _replacement(match: re.Match[str], variables: Mapping[str, object]) -> str:
    path, is_escaped = _parts(match)
    if is_escaped:
        return match.group()[1:]
    value = _look_up(path, variables)
    if value is _NOTHING:
        return match.group()
    return str(int(value)) if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _parts(match: re.Match[str]) -> tuple[str, bool]:
    """The path behind `circus.`, and whether a `$` before the expression makes it literal."""
    return match.group(2) or match.group(3), bool(match.group(1))


def _look_up(path: str, variables: Mapping[str, object]) -> object:
    """Find the value of a dotted path; the names inside a mapping may contain dots."""
    found = _find(path, variables)
    if found is not _NOTHING:
        return found
    head, dot, rest = path.partition(".")
    inner = _find(head, variables)
    return _look_up(rest, inner) if dot and isinstance(inner, Mapping) else _NOTHING


def _find(name: str, variables: Mapping[str, object]) -> object:
    if name in variables:
        return variables[name]
    lower = name.lower()
    return next((value for key, value in variables.items() if key.lower() == lower), _NOTHING)


def expand_env(text: str, scope: Scope, *, keep_escapes: bool = False) -> str:
    """Replace only `circus.env.NAME`: what is done when a file is loaded.

    Args:
        keep_escapes: leave `$$(circus...)` for the second pass, when the process is spawned.
    """
    if "((" not in text and "$(" not in text:
        return text

    def replacement(match: re.Match[str]) -> str:
        path, is_escaped = _parts(match)
        if is_escaped:
            return match.group() if keep_escapes else match.group()[1:]
        kind, _, name = path.partition(".")
        value = scope.get(name) if kind.lower() == "env" else None
        return match.group() if value is None else value

    return _VARIABLE.sub(replacement, text)


def paths(text: str) -> Iterator[str]:
    """Every variable used in a text, without `circus.`, as written."""
    for match in _VARIABLE.finditer(text):
        path, is_escaped = _parts(match)
        if not is_escaped:
            yield path


@lru_cache(maxsize=64)  # asked for each process of a watcher
def references(text: str) -> frozenset[str]:
    """Names, in lower case, of the sockets that a text uses."""
    split = (path.lower().partition(".") for path in paths(text))
    return frozenset(name for kind, _, name in split if kind == "sockets" and name)


def named_sockets(config: WatcherConfig) -> frozenset[str]:
    """Return the lower-case names of the sockets that the command refers to or gets as stdin."""
    arguments = config.args if isinstance(config.args, str) else " ".join(config.args)
    named = references(f"{config.cmd} {arguments} {config.shell_args or ''}")
    return named | {config.stdin_socket.lower()} if config.stdin_socket else named


def spawn_variables(
    config: WatcherConfig,
    *,
    wid: int,
    env: Mapping[str, str],
    sockets: Mapping[str, int],
) -> dict[str, object]:
    """What `cmd`, `args` and `shell_args` of one process can use.

    Args:
        env: the environment given to the process.
        sockets: descriptor numbers by lower-case name.
    """
    variables: dict[str, object] = {**config.options, **dict(zip(_OPTIONS, _values(config), strict=True))}
    variables.update(
        watcher=config.name,
        wid=wid,
        env=env,
        sockets=sockets,
        use_fds=config.use_sockets,
        stdout_stream_conf=_stream(config, "stdout_stream"),
        stderr_stream_conf=_stream(config, "stderr_stream"),
    )
    return variables


def _stream(config: WatcherConfig, name: str) -> dict[str, Any]:
    stream = getattr(config, name)
    return {} if stream is None else {"class": stream.class_name, **stream.options}
