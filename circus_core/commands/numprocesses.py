"""`numprocesses`: how many processes there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from circus_core.commands.arguments import Word
from circus_core.commands.command import Command, Result
from circus_core.commands.selection import SAFE_MATCH, Selection
from circus_core.records import dataclass

if TYPE_CHECKING:
    from circus_core.commands.properties import Properties
    from circus_core.commands.target import ControlledArbiter

__all__ = ["Numprocesses", "NumprocessesRequest", "NumprocessesResult"]


@dataclass(frozen=True, slots=True)
class NumprocessesRequest:
    """All the watchers meant are counted together."""

    selection: Selection


@dataclass(frozen=True, slots=True, kw_only=True)
class NumprocessesResult(Result):
    """The number, and the name as it was given."""

    numprocesses: int
    watcher_name: str | None = None

    def to_json(self) -> dict[str, Any]:
        named = {} if self.watcher_name is None else {"watcher_name": self.watcher_name}
        return {"numprocesses": self.numprocesses, **named}

    @classmethod
    def from_json(cls, reply: Mapping[str, Any]) -> Self:
        return cls(numprocesses=reply["numprocesses"], watcher_name=reply.get("watcher_name"))

    def to_text(self) -> str:
        return str(self.numprocesses)


class Numprocesses(Command[NumprocessesRequest, NumprocessesResult]):
    """Count the living processes of a watcher or of all"""

    name = "numprocesses"
    access = "read"
    is_immediate = True
    arguments = (Word("name", "the watcher", is_required=False, completes="watcher"), SAFE_MATCH)
    result = NumprocessesResult

    def parse(self, properties: Properties) -> NumprocessesRequest:
        return NumprocessesRequest(Selection.parse_safe(properties))

    async def execute(self, arbiter: ControlledArbiter, request: NumprocessesRequest) -> NumprocessesResult:
        number = sum(len(watcher.processes) for watcher in request.selection.of(arbiter))
        return NumprocessesResult(numprocesses=number, watcher_name=request.selection.pattern)
