"""What `start`, `stop`, `restart` and `reload` answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from circus_core.commands.command import Result
from circus_core.records import dataclass

if TYPE_CHECKING:
    from circus_core.commands.target import Changes

__all__ = ["Changed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed(Result):
    """Which processes of the one watcher came, went or stayed.

    Attributes:
        changes: None when there is nothing to list, as after a stop.
        is_told: one watcher was meant and it was waited for; else the reply says only that it is ok.
    """

    changes: Changes | None = None
    is_told: bool = False

    def to_json(self) -> dict[str, Any]:
        if not self.is_told:
            return {}
        if self.changes is None:
            return {"info": None}
        return {"info": {word: sorted(pids) for word, pids in self.changes.items()}}

    @classmethod
    def from_json(cls, reply: Mapping[str, Any]) -> Self:
        return cls(changes=reply.get("info"), is_told="info" in reply)

    def to_text(self) -> str:
        return "ok"
