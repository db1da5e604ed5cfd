"""What `plan` and `reloadconfig` answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Self

from circus_core.commands.command import Result
from circus_core.records import dataclass, field

__all__ = ["Planned"]

_PARTS: Final = ("circus", "sockets", "watchers")


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned(Result):
    """What changes, or has changed.

    Attributes:
        plan: the steps of each part, each with a `text` for people; None if nobody waited for the outcome.
        is_applied: it was done, and the processes have followed.
        refusal: why it would be refused without force; empty if it would not.
        doubts: what is odd about the file, though it can be used.
        troubles: watchers that do not run as they should, each with the reason.
    """

    plan: Mapping[str, Sequence[Mapping[str, Any]]] | None = None
    is_applied: bool = False
    refusal: str = ""
    doubts: Sequence[str] = ()
    troubles: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        if self.plan is None:
            return {}
        told: dict[str, Any] = {"plan": dict(self.plan), "applied": self.is_applied}
        found = {"refused": self.refusal, "doubts": list(self.doubts), "troubles": dict(self.troubles)}
        return told | {key: value for key, value in found.items() if value}

    @classmethod
    def from_json(cls, reply: Mapping[str, Any]) -> Self:
        return cls(
            plan=reply.get("plan"),
            is_applied=bool(reply.get("applied")),
            refusal=reply.get("refused", ""),
            doubts=reply.get("doubts", ()),
            troubles=reply.get("troubles", {}),
        )

    def to_text(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield from self.doubts
        steps = [step for part in _PARTS for step in (self.plan or {}).get(part, ())]
        yield from (str(step["text"]) for step in steps)
        yield from (f"watcher {name!r}: {reason}" for name, reason in self.troubles.items())
        if self.plan is None or self.is_applied:
            yield "ok"
        elif not steps:
            yield "nothing has changed"
        if self.refusal:
            yield f"would be refused: {self.refusal}"
