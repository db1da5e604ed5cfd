"""What becomes of output that its stream does not take: options of every stream, read by the kernel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from circus_core.config.units import choice, seconds
from circus_core.records import dataclass

__all__ = ["KERNEL_KEYS", "MERGED", "Overflow"]

MERGED: Final = "stdout"
"""As the class of `stderr_stream`: both outputs go through one pipe, as with `2>&1` in a shell."""

KERNEL_KEYS: Final = frozenset({"overflow", "overflow_after"})
"""Options that no stream class gets to see."""

_POLICIES: Final = choice("block", "drop")
_SECONDS: Final = seconds()


@dataclass(frozen=True, slots=True)
class Overflow:
    """Attributes:
    drops: output is dropped; else who writes it is held back.
    after: seconds for which nothing was taken until dropping begins.
    """

    drops: bool = False
    after: float = 5.0

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Overflow:
        """Read the options of a stream; raises ValueError saying what is accepted."""
        policy = _read("overflow", options.get("overflow", "block"), _POLICIES.parse, "block or drop", "drop")
        after = _read(
            "overflow_after", options.get("overflow_after", cls().after), _SECONDS.parse, "seconds >= 0", "5"
        )
        return cls(drops=policy == "drop", after=after)


def _read(name: str, value: Any, parse: Any, accepted: str, example: str) -> Any:
    try:
        return parse(value)
    except (ValueError, TypeError):
        raise ValueError(f"{name} must be {accepted}, got {value!r}; write {example}") from None
