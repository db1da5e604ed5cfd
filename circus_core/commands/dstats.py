"""`dstats`: what the daemon itself costs, and what it dropped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

from circus_core.commands.command import Command, Result
from circus_core.commands.info_lines import child_lines, info_line
from circus_core.records import dataclass, field

if TYPE_CHECKING:
    from circus_core.commands.properties import Properties
    from circus_core.commands.target import ControlledArbiter

__all__ = ["Dstats", "DstatsRequest", "DstatsResult"]


@dataclass(frozen=True, slots=True)
class DstatsRequest:
    """Nothing to ask for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DstatsResult(Result):
    """Attributes:
    info: the entry of the daemon, as in `stats`.
    counters: how much was dropped or refused since its start, by what it was.
    """

    info: Mapping[str, Any]
    counters: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {"info": dict(self.info), **self.counters}

    @classmethod
    def from_json(cls, reply: Mapping[str, Any]) -> Self:
        envelope = ("status", "time", "id", "info")
        counters = {key: n for key, n in reply.items() if key not in envelope and isinstance(n, int)}
        return cls(info=reply["info"], counters=counters)

    def to_text(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield "Main Process:"
        yield f"    {info_line(self.info)}"
        children = list(child_lines(self.info, "    "))
        yield from ["Children:", *children] if children else []
        for name, number in self.counters.items():
            if number:
                yield f"{name}: {number}"


class Dstats(Command[DstatsRequest, DstatsResult]):
    """Show what circusd itself costs, and what it has dropped

    The columns are those of stats. Below follows what was lost or refused since it was started, if anything
    was: events of subscribers and replies to clients that did not keep up, requests beyond the limit, bytes
    of output that a stream did not take.
    """

    name = "dstats"
    access = "read"
    result = DstatsResult

    def parse(self, properties: Properties) -> DstatsRequest:
        return DstatsRequest()

    async def execute(self, arbiter: ControlledArbiter, request: DstatsRequest) -> DstatsResult:
        return DstatsResult(info=await arbiter.measure_daemon(), counters=arbiter.counters())
