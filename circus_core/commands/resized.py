"""What `incr` and `decr` answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from circus_core.commands.command import Result

__all__ = ["Resized"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resized(Result):
    """`numprocesses` is the number wanted from now on; None if it was not waited for."""

    numprocesses: int | None = None
    is_singleton: bool = False

    def to_json(self) -> dict[str, Any]:
        number = {} if self.numprocesses is None else {"numprocesses": self.numprocesses}
        return {**number, "singleton": True} if self.is_singleton else number

    @classmethod
    def from_json(cls, reply: Mapping[str, Any]) -> Self:
        return cls(numprocesses=reply.get("numprocesses"), is_singleton=bool(reply.get("singleton")))

    def to_text(self) -> str:
        if self.is_singleton:
            return "This watcher is a Singleton - not changing the number of processes"
        return "ok" if self.numprocesses is None else str(self.numprocesses)
