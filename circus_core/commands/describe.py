"""`describe`: all that is known of watchers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from circus_core.commands.arguments import Word
from circus_core.commands.command import Command, Result
from circus_core.commands.selection import EXACT_MATCH, Selection
from circus_core.records import dataclass

if TYPE_CHECKING:
    from circus_core.commands.properties import Properties
    from circus_core.commands.target import ControlledArbiter

__all__ = ["Describe", "DescribeRequest", "DescribeResult"]


@dataclass(frozen=True, slots=True)
class DescribeRequest:
    selection: Selection


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeResult(Result):
    """What is known of each watcher, by name; docs/commands.md explains the keys."""

    descriptions: Mapping[str, Mapping[str, Any]]

    def to_json(self) -> dict[str, Any]:
        return {"descriptions": {name: dict(known) for name, known in self.descriptions.items()}}

    @classmethod
    def from_json(cls, reply: Mapping[str, Any]) -> Self:
        return cls(descriptions=reply["descriptions"])

    def to_text(self) -> str:
        from circus_core.commands.description_text import description_text

        return "\n\n".join(description_text(known) for known in self.descriptions.values())


class Describe(Command[DescribeRequest, DescribeResult]):
    """Show all that is known of a watcher

    Its state and since when, its processes with their age, restarts and open files, what holds up the next
    start, the last ends with their exit codes or signals, its hooks, sockets and streams.
    """

    name = "describe"
    arguments = (Word("name", "the watcher", completes="watcher"), EXACT_MATCH)
    result = DescribeResult

    def parse(self, properties: Properties) -> DescribeRequest:
        return DescribeRequest(Selection.parse_exact(properties))

    async def execute(self, arbiter: ControlledArbiter, request: DescribeRequest) -> DescribeResult:
        described = await arbiter.describe(request.selection.of(arbiter))
        return DescribeResult(descriptions={known["name"]: known for known in described})
