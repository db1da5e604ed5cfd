"""What `start`, `stop`, `restart` and `reload` share: one watcher, some, or all; waited for or not."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from circus_core.commands.changed import Changed
from circus_core.commands.command import Command
from circus_core.commands.selection import Selection, troubles
from circus_core.records import dataclass

if TYPE_CHECKING:
    from circus_core.commands.target import Changes, ControlledArbiter, ControlledWatcher

__all__ = ["Change", "ChangeRequest"]


@dataclass(frozen=True, slots=True)
class ChangeRequest:
    """`waiting`: answer when it has happened."""

    selection: Selection
    waiting: bool


RequestT = TypeVar("RequestT", bound=ChangeRequest)


class Change(Command[RequestT, Changed]):
    """A command that brings watchers up or down."""

    result = Changed

    @abstractmethod
    def change_one(self, watcher: ControlledWatcher, request: RequestT) -> Awaitable[Changes | None]:
        """Change a single watcher: what comes of it is told."""

    @abstractmethod
    def change_some(
        self, arbiter: ControlledArbiter, watchers: Sequence[ControlledWatcher], request: RequestT
    ) -> Awaitable[object]:
        """Change the watchers that match a pattern."""

    @abstractmethod
    def change_all(self, arbiter: ControlledArbiter, request: RequestT) -> Awaitable[object]:
        """Change them all: no watcher in particular was meant."""

    async def execute(self, arbiter: ControlledArbiter, request: RequestT) -> Changed:
        watchers = request.selection.of(arbiter)
        is_one = request.selection.pattern is not None and len(watchers) == 1
        work = self._change(arbiter, watchers, request)
        if not request.waiting:
            return Changed(unfinished=work)
        outcome = await work
        if is_one:
            return Changed(changes=outcome, is_told=True, troubles=troubles(watchers))
        concerned = [] if arbiter.is_restarting else [w for w in watchers if w.config.autostart]
        return Changed(troubles=troubles(concerned))

    def _change(
        self, arbiter: ControlledArbiter, watchers: Sequence[ControlledWatcher], request: RequestT
    ) -> Awaitable[Any]:
        if request.selection.pattern is None:
            return self.change_all(arbiter, request)
        if len(watchers) > 1:
            return self.change_some(arbiter, watchers, request)
        return self.change_one(watchers[0], request)
