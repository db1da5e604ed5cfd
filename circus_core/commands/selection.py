"""Which watchers a command means: by name, by shell pattern or by regular expression."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from circus_core.errors import MessageError, UnknownWatcherError

if TYPE_CHECKING:
    from circus_core.commands.properties import Properties
    from circus_core.commands.target import ControlledArbiter, ControlledWatcher

__all__ = ["Selection"]


@dataclass(frozen=True, slots=True)
class Selection:
    """A name or pattern and the way to compare it, always without regard to case.

    Attributes:
        pattern: None means no watcher in particular.
        match: "simple", "glob" or "regex".
    """

    pattern: str | None
    match: str = "glob"

    @classmethod
    def parse(cls, properties: Properties) -> Self:
        pattern = properties.optional_text("name")
        match = properties.optional_text("match") or "glob"
        if match not in ("simple", "glob", "regex"):
            raise MessageError(f"unknown match method {match}")
        return cls(pattern, match)

    def of(self, arbiter: ControlledArbiter) -> list[ControlledWatcher]:
        """Return the watchers meant, highest priority first.

        A watcher whose name is the pattern itself is meant alone, so that `web[1]` can be addressed.

        Raises:
            UnknownWatcherError: there is none.
        """
        if self.pattern is None:
            raise ValueError("no watcher in particular is meant")
        watchers = list(arbiter.iter_watchers())
        wanted = self.pattern.lower()
        exact = [watcher for watcher in watchers if watcher.name.lower() == wanted]
        if exact and self.match != "regex":
            return exact
        is_meant = self._test(self.pattern)
        found = [watcher for watcher in watchers if is_meant(watcher.name.lower())]
        if not found:
            raise UnknownWatcherError(self.pattern)
        return found

    def _test(self, pattern: str) -> Callable[[str], object]:
        if self.match == "simple":
            return lambda name: False
        import re

        if self.match == "glob":
            import fnmatch

            return re.compile(fnmatch.translate(pattern.lower())).match
        try:
            return re.compile(pattern, re.IGNORECASE).match
        except (re.error, OverflowError, RecursionError) as error:
            raise MessageError(f"'{pattern}' isn't a valid regular expression: {error}") from error
