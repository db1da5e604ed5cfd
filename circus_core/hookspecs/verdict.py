"""The answer to a question that a hook asks."""

from __future__ import annotations

from circus_core.records import dataclass

__all__ = ["ALLOWED", "Answer", "Verdict"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether something may be done; true in a condition when it may.

    An implementation that wants to say more than False may return one.

    Attributes:
        allowed: False forbids it.
        by: who forbade it and, if known, why; for people. The name of the plugin when left empty.
        stop_watcher: the refusal stops the whole watcher, not just what was asked for.
    """

    allowed: bool
    by: str = ""
    stop_watcher: bool = False

    def __bool__(self) -> bool:
        return self.allowed


ALLOWED = Verdict(allowed=True)

Answer = bool | Verdict | None
"""What an implementation of a question may return, directly or awaited."""
