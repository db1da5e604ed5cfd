"""`listsockets`: the sockets that workers can use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from circus_core.commands.command import Command, Result
from circus_core.records import dataclass

if TYPE_CHECKING:
    from circus_core.commands.properties import Properties
    from circus_core.commands.target import ControlledArbiter

__all__ = ["Listsockets", "ListsocketsRequest", "ListsocketsResult"]


@dataclass(frozen=True, slots=True)
class ListsocketsRequest:
    """Nothing to ask for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListsocketsResult(Result):
    """One mapping per socket: fd, name, backlog, and path or host and port; sorted by fd."""

    sockets: Sequence[Mapping[str, Any]]

    def to_json(self) -> dict[str, Any]:
        return {"sockets": [dict(socket) for socket in self.sockets]}

    @classmethod
    def from_json(cls, reply: Mapping[str, Any]) -> Self:
        return cls(sockets=reply["sockets"])

    def to_text(self) -> str:
        return "\n".join(f"{s['fd']}:socket '{s['name']}' at {_place(s)}" for s in self.sockets)


class Listsockets(Command[ListsocketsRequest, ListsocketsResult]):
    """List the sockets that workers can use"""

    name = "listsockets"
    access = "read"
    is_immediate = True
    result = ListsocketsResult

    def parse(self, properties: Properties) -> ListsocketsRequest:
        return ListsocketsRequest()

    async def execute(self, arbiter: ControlledArbiter, request: ListsocketsRequest) -> ListsocketsResult:
        return ListsocketsResult(sockets=sorted(arbiter.sockets.listing(), key=_descriptor))


def _descriptor(socket: Mapping[str, Any]) -> int:
    return int(socket["fd"])


def _place(socket: Mapping[str, Any]) -> str:
    return str(socket["path"]) if "path" in socket else f"{socket['host']}:{socket['port']}"
