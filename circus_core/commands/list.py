"""`list`: the watchers, or the processes of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from circus_core.commands.arguments import Word
from circus_core.commands.command import Command, Result
from circus_core.commands.selection import SAFE_MATCH, Selection
from circus_core.records import dataclass

if TYPE_CHECKING:
    from circus_core.commands.properties import Properties
    from circus_core.commands.target import ControlledArbiter

__all__ = ["List", "ListRequest", "ListResult"]


@dataclass(frozen=True, slots=True)
class ListRequest:
    """The processes of one watcher by its name, else the watchers that are meant."""

    selection: Selection


@dataclass(frozen=True, slots=True, kw_only=True)
class ListResult(Result):
    """Names of watchers, or pids of one in spawn order; the other is None."""

    watchers: Sequence[str] | None = None
    pids: Sequence[int] | None = None

    def to_json(self) -> dict[str, Any]:
        if self.pids is not None:
            return {"pids": list(self.pids)}
        return {"watchers": list(self.watchers or ())}

    @classmethod
    def from_json(cls, reply: Mapping[str, Any]) -> Self:
        return cls(watchers=reply.get("watchers"), pids=reply.get("pids"))

    def to_text(self) -> str:
        entries = self.watchers if self.pids is None else self.pids
        return ",".join(str(entry) for entry in entries or ())


class List(Command[ListRequest, ListResult]):
    """List the watchers, or the processes of one

    Without W: the names in lower case, sorted. With W: the pids of its living processes, oldest first. With
    --match glob: the names that match.
    """

    name = "list"
    access = "read"
    is_immediate = True
    arguments = (Word("name", "the watcher", is_required=False, completes="watcher"), SAFE_MATCH)
    result = ListResult

    def parse(self, properties: Properties) -> ListRequest:
        return ListRequest(Selection.parse_safe(properties))

    async def execute(self, arbiter: ControlledArbiter, request: ListRequest) -> ListResult:
        selection = request.selection
        watchers = selection.of(arbiter)
        if selection.pattern is None or selection.is_pattern:
            return ListResult(watchers=sorted(watcher.name.lower() for watcher in watchers))
        return ListResult(pids=list(watchers[0].processes))
