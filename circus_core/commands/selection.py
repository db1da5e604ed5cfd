"""Which watchers a command means: by name, by shell pattern or by regular expression."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, Self

from circus_core.commands.arguments import Option
from circus_core.errors import MessageError, UnknownWatcherError
from circus_core.records import dataclass

if TYPE_CHECKING:
    from circus_core.commands.properties import Properties
    from circus_core.commands.target import ControlledArbiter, ControlledWatcher

__all__ = ["EXACT_MATCH", "SAFE_MATCH", "Selection", "together", "troubles"]

EXACT_MATCH: Final = Option(
    "match",
    "how W is compared with names: simple (default: W is a name), glob or regex",
    choices=("simple", "glob", "regex"),
)

SAFE_MATCH: Final = Option(
    "match", "how W is compared with names: simple (default: W is a name) or glob", choices=("simple", "glob")
)
"""For commands with the access "read": a regular expression can be made to take for ever."""


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
    def parse(cls, properties: Properties, *, default: str = "glob") -> Self:
        """Read `name`, which may be missing, and `match`."""
        return cls(properties.optional_text("name"), _match(properties, default, EXACT_MATCH))

    @classmethod
    def parse_exact(cls, properties: Properties) -> Self:
        """Read `name`, which is required, and `match`: "simple" unless the client says otherwise."""
        return cls(properties.text("name"), _match(properties, "simple", EXACT_MATCH))

    @classmethod
    def parse_safe(cls, properties: Properties) -> Self:
        """Read `name`, which may be missing, and `match`: "simple" unless the client says "glob"."""
        return cls(properties.optional_text("name"), _match(properties, "simple", SAFE_MATCH))

    @property
    def is_pattern(self) -> bool:
        """The client said that the name is a pattern, or may be one."""
        return self.match != "simple"

    def with_process(self, arbiter: ControlledArbiter, pid: int) -> ControlledWatcher:
        """Return the one of the watchers meant that has this process.

        Raises:
            MessageError: none has it, or there is no watcher.
        """
        for watcher in self.of(arbiter):
            if pid in watcher.processes:
                return watcher
        raise MessageError(f"process {pid} not found in '{self.pattern}'")

    def of(self, arbiter: ControlledArbiter) -> list[ControlledWatcher]:
        """Return the watchers meant, all if none in particular, highest priority first.

        A watcher whose name is the pattern itself is meant alone, so that `web[1]` can be addressed.

        Raises:
            UnknownWatcherError: there is none.
        """
        watchers = list(arbiter.iter_watchers())
        if self.pattern is None:
            return watchers
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


def _match(properties: Properties, default: str, allowed: Option) -> str:
    match = properties.optional_text("match") or default
    if match not in EXACT_MATCH.choices:
        raise MessageError(f"unknown match method {match}")
    if match not in allowed.choices:
        raise MessageError(f"'match' must be {' or '.join(allowed.choices)} here, got '{match}'")
    return match


def together(works: Sequence[Awaitable[Any]]) -> Awaitable[list[Any]]:
    """Return what waits for all of them, on the loop; the first failure is told, the others go on."""
    import asyncio

    return asyncio.gather(*works)


def troubles(watchers: Iterable[ControlledWatcher]) -> dict[str, str]:
    """Return why watchers are not as they were wished to be, of those that are not."""
    return {watcher.name: watcher.trouble for watcher in watchers if watcher.trouble}
