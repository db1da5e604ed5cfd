"""`numwatchers`: how many watchers there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from circus_core.commands.command import Command, Result
from circus_core.records import dataclass

if TYPE_CHECKING:
    from circus_core.commands.properties import Properties
    from circus_core.commands.target import ControlledArbiter

__all__ = ["Numwatchers", "NumwatchersRequest", "NumwatchersResult"]


@dataclass(frozen=True, slots=True)
class NumwatchersRequest:
    """Nothing to ask for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NumwatchersResult(Result):
    numwatchers: int

    def to_json(self) -> dict[str, Any]:
        return {"numwatchers": self.numwatchers}

    @classmethod
    def from_json(cls, reply: Mapping[str, Any]) -> Self:
        return cls(numwatchers=reply["numwatchers"])

    def to_text(self) -> str:
        return str(self.numwatchers)


class Numwatchers(Command[NumwatchersRequest, NumwatchersResult]):
    """Count the watchers, running or not, with those of plugins"""

    name = "numwatchers"
    access = "read"
    is_immediate = True
    result = NumwatchersResult

    def parse(self, properties: Properties) -> NumwatchersRequest:
        return NumwatchersRequest()

    async def execute(self, arbiter: ControlledArbiter, request: NumwatchersRequest) -> NumwatchersResult:
        return NumwatchersResult(numwatchers=len(list(arbiter.iter_watchers())))
