"""What only events tell, counted since the plugin was started."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Mapping
from typing import Any

__all__ = ["EventCounts", "exit_labels"]


def exit_labels(exit_code: int) -> tuple[str, str]:
    """Return how a process ended, `exit` or `signal`, and its status or the signal's name."""
    if exit_code >= 0:
        return "exit", str(exit_code)
    try:
        return "signal", signal.Signals(-exit_code).name
    except ValueError:  # a real-time signal
        return "signal", str(-exit_code)


class EventCounts:
    """Counters by watcher, in the form of events, and what else tells them apart.

    Attributes:
        exits: by watcher, how and code.
        hook_failures, hook_timeouts: by watcher and hook.
        backoffs, hung: by watcher.
        missed: events that did not reach the plugin, or another subscriber.
    """

    def __init__(self) -> None:
        self.exits: Counter[tuple[str, ...]] = Counter()
        self.hook_failures: Counter[tuple[str, ...]] = Counter()
        self.hook_timeouts: Counter[tuple[str, ...]] = Counter()
        self.backoffs: Counter[tuple[str, ...]] = Counter()
        self.hung: Counter[tuple[str, ...]] = Counter()
        self.missed = 0

    def take(self, watcher: str, action: str, payload: Mapping[str, Any]) -> None:
        """Count one event."""
        match action:
            case "reap":
                self.exits[watcher, *exit_labels(int(payload["exit_code"]))] += 1
            case "hook_failure":
                self.hook_failures[watcher, str(payload["name"])] += 1
            case "hook_timeout":
                self.hook_timeouts[watcher, str(payload["name"])] += 1
            case "backoff":
                self.backoffs[(watcher,)] += 1
            case "hung":
                self.hung[(watcher,)] += 1
            case "add":  # another one of this name may have been there before
                self._forget(watcher)

    def keep_only(self, watchers: set[str]) -> None:
        """Forget all other watchers: they are gone."""
        for counter in self._counters():
            for watcher in {key[0] for key in counter} - watchers:
                self._forget(watcher)

    def _forget(self, watcher: str) -> None:
        for counter in self._counters():
            for key in [key for key in counter if key[0] == watcher]:
                del counter[key]

    def _counters(self) -> tuple[Counter[tuple[str, ...]], ...]:
        return self.exits, self.hook_failures, self.hook_timeouts, self.backoffs, self.hung
