"""Who is at the other end of a connection, as the kernel established it, and what they may do."""

from __future__ import annotations

from typing import Literal

from circus_core.records import dataclass

__all__ = ["Identity", "Role"]

Role = Literal["full", "read"]
"""Everything, or only commands that look at things, and events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A client that was let in.

    Attributes:
        role: what it may do.
        transport: how it came; "daemon": a plugin inside circusd.
        uid: user of its process; None if it showed a key, or if nobody was asked (`auth = none`).
        pid: known on ipc only, and may have been used again since.
        key: public key that it showed, 64 hexadecimal digits; None if it was told from others by its uid.
        name: of that key in the list of admitted keys, or of the plugin's watcher.
    """

    role: Role = "full"
    transport: Literal["ipc", "tcp", "daemon"] = "tcp"
    uid: int | None = None
    pid: int | None = None
    key: str | None = None
    name: str = ""

    def __str__(self) -> str:
        if self.transport == "daemon":
            return f"{self.name} in circusd"
        if self.key is not None:
            return f"key '{self.name}' ({self.key[:8]}...)"
        if self.uid is None:
            return "somebody on an open endpoint"
        return f"uid {self.uid}" if self.pid is None else f"uid {self.uid}, pid {self.pid}"
