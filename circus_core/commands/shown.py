"""What `options`, `get` and `globaloptions` answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from circus_core.commands.command import Result
from circus_core.records import dataclass

__all__ = ["Shown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown(Result):
    """Options by name, in the order to print."""

    options: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        return {"options": dict(self.options)}

    @classmethod
    def from_json(cls, reply: Mapping[str, Any]) -> Self:
        return cls(options=reply["options"])

    def to_text(self) -> str:
        return "\n".join(f"{key}: {_text(key, value)}" for key, value in self.options.items())


def _text(key: str, value: Any) -> str:
    if value is None:
        return ""
    if key == "env" and isinstance(value, Mapping):
        return ",".join(f"{key}={value[key]}" for key in sorted(value))
    return str(value)
