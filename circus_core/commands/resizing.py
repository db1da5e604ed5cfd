"""What `incr` and `decr` have in common: the request, and what they answer."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING, Any, Self

from circus_core.commands.arguments import Word, integer
from circus_core.commands.command import WAITING, Command, Result
from circus_core.commands.selection import EXACT_MATCH, Selection, together, troubles
from circus_core.records import dataclass

if TYPE_CHECKING:
    from circus_core.commands.properties import Properties
    from circus_core.commands.target import ControlledArbiter, ControlledWatcher

__all__ = ["Resize", "ResizeRequest", "Resized"]


@dataclass(frozen=True, slots=True)
class ResizeRequest:
    """`nb` more, or fewer."""

    selection: Selection
    nb: int
    waiting: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Resized(Result):
    """Attributes:
    numprocesses: the number wanted from now on; None if it was not waited for, or of several watchers.
    numbers: the numbers of several watchers, by name; None as above.
    """

    numprocesses: int | None = None
    numbers: Mapping[str, int] | None = None
    is_singleton: bool = False

    def to_json(self) -> dict[str, Any]:
        if self.numbers is not None:
            return {"numbers": dict(self.numbers)}
        number = {} if self.numprocesses is None else {"numprocesses": self.numprocesses}
        return {**number, "singleton": True} if self.is_singleton else number

    @classmethod
    def from_json(cls, reply: Mapping[str, Any]) -> Self:
        return cls(
            numprocesses=reply.get("numprocesses"),
            numbers=reply.get("numbers"),
            is_singleton=bool(reply.get("singleton")),
        )

    def to_text(self) -> str:
        if self.is_singleton:
            return "This watcher is a Singleton - not changing the number of processes"
        if self.numbers is not None:
            return "\n".join(f"{name}: {number}" for name, number in self.numbers.items())
        return "ok" if self.numprocesses is None else str(self.numprocesses)


class Resize(Command[ResizeRequest, Resized]):
    """A command that changes how many processes are wanted."""

    arguments = (
        Word("name", "the watcher", completes="watcher"),
        Word("nb", "how many, 1 if not given", metavar="N", is_required=False, convert=integer),
        WAITING,
        EXACT_MATCH,
    )
    result = Resized

    @abstractmethod
    def change(self, watcher: ControlledWatcher, nb: int) -> Awaitable[int]:
        """Change the wish by `nb`; resolves to the new number."""

    def parse(self, properties: Properties) -> ResizeRequest:
        selection = Selection.parse_exact(properties)
        nb = properties.optional_integer("nb")
        return ResizeRequest(selection, 1 if nb is None else nb, properties.boolean("waiting"))

    async def execute(self, arbiter: ControlledArbiter, request: ResizeRequest) -> Resized:
        watchers = request.selection.of(arbiter)
        if len(watchers) == 1:
            return await self._change_one(watchers[0], request)
        changes = together([self.change(watcher, request.nb) for watcher in watchers])
        if not request.waiting:
            return Resized(unfinished=changes)
        numbers = await changes
        named = {w.name: number for w, number in zip(watchers, numbers, strict=True)}
        return Resized(numbers=named, troubles=troubles(watchers))

    async def _change_one(self, watcher: ControlledWatcher, request: ResizeRequest) -> Resized:
        if watcher.config.singleton:
            return Resized(numprocesses=watcher.numprocesses, is_singleton=True)
        change = self.change(watcher, request.nb)
        if not request.waiting:
            return Resized(unfinished=change)
        return Resized(numprocesses=await change, troubles=troubles([watcher]))
