"""What a running daemon has, for completion: asked with little patience, remembered for a moment."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, TypeVar

from circus_core.errors import CircusError

__all__ = ["Asks", "Live"]

_T = TypeVar("_T")

_PATIENCE: Final = 0.3
"""Seconds for an answer: somebody waits with a finger on a key."""

_FRESH: Final = 2.0
"""Seconds for which an answer holds, or that there was none."""


class Asks(Protocol):
    """The part of a conversation that is used here."""

    def ask_quickly(
        self, command: str, properties: Mapping[str, Any], /, *, timeout: float
    ) -> dict[str, Any]: ...


class Live:
    """Never raises, and is never slow twice in a row: where the daemon says nothing, there is nothing."""

    def __init__(self, daemon: Asks) -> None:
        self._daemon = daemon
        self._answers: dict[tuple[str, str], tuple[float, Mapping[str, Any]]] = {}
        self._silent_until = 0.0

    def watchers(self) -> dict[str, str]:
        """Return the state of each watcher, by name."""
        return _or_nothing(lambda: dict(self._ask("status", {})["statuses"]), {})

    def pids(self, watcher: str) -> list[str]:
        """Return the pids of a watcher."""
        return _or_nothing(lambda: [str(pid) for pid in self._ask("list", {"name": watcher})["pids"]], [])

    def options(self, watcher: str) -> dict[str, Any]:
        """Return the options of a watcher with their values."""
        return _or_nothing(lambda: dict(self._ask("options", {"name": watcher})["options"]), {})

    def global_options(self) -> list[str]:
        """Return the names of the options that `globaloptions` shows."""
        return _or_nothing(lambda: list(self._ask("globaloptions", {})["options"]), [])

    def sockets(self) -> list[str]:
        """Return the names of the sockets."""
        return _or_nothing(lambda: [str(s["name"]) for s in self._ask("listsockets", {})["sockets"]], [])

    def _ask(self, command: str, properties: Mapping[str, Any]) -> Mapping[str, Any]:
        key, now = (command, str(properties.get("name", ""))), time.monotonic()
        if key in self._answers and now - self._answers[key][0] < _FRESH:
            return self._answers[key][1]
        if now < self._silent_until:
            return {}
        try:
            reply = self._daemon.ask_quickly(command, properties, timeout=_PATIENCE)
        except CircusError:
            reply = {}
            self._silent_until = time.monotonic() + _FRESH
        self._answers[key] = (time.monotonic(), reply)
        return reply


def _or_nothing(find: Callable[[], _T], nothing: _T) -> _T:
    """Return what is found in an answer that may not be one."""
    try:
        return find()
    except (KeyError, TypeError, ValueError, AttributeError):
        return nothing
