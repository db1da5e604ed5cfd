"""What a stream is called with: whose output it is, its bytes, and its lines across chunks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

__all__ = ["LONGEST_HELD", "Origin", "Source", "payload", "whole_characters"]

LONGEST_HELD: Final = 64 * 1024  # bytes of an unfinished line that are kept back


class Origin(NamedTuple):
    """Who wrote something. Only the daemon's chunks tell all of it; `wid` is 0 when it is not known."""

    watcher: str
    wid: int
    pid: int
    name: str

    @classmethod
    def of(cls, chunk: Mapping[str, Any]) -> Origin:
        return cls(chunk.get("watcher", ""), chunk.get("wid", 0), chunk.get("pid", 0), chunk.get("name", ""))


@dataclass(slots=True)
class Source:
    """One output of one process.

    Attributes:
        rest: what can't be passed on yet.
        has_begun: what was passed on last did not end its line.
    """

    origin: Origin
    rest: bytes = b""
    has_begun: bool = False

    def lines(self, data: bytes) -> bytes:
        """Return the lines that are whole now, and keep the rest.

        A line that grows longer than LONGEST_HELD is passed on in parts, none of which ends in the middle of
        a character: the result then does not end with a line end.
        """
        if self.rest:
            data, self.rest = self.rest + data, b""
        end = data.rfind(b"\n") + 1
        if len(data) - end > LONGEST_HELD:
            end = whole_characters(data)
        return self._split(data, end)

    def characters(self, data: bytes) -> bytes:
        """Return all but a character that is not complete yet."""
        if self.rest:
            data, self.rest = self.rest + data, b""
        return self._split(data, whole_characters(data))

    def finish(self) -> bytes:
        """Return what was kept: there will be no more."""
        rest, self.rest = self.rest, b""
        return rest

    def _split(self, data: bytes, end: int) -> bytes:
        if end == len(data):
            return data
        self.rest = data[end:]
        return data[:end]


def payload(chunk: Mapping[str, Any]) -> bytes:
    """Return the `data` of a chunk, which may be text too."""
    data = chunk["data"]
    return data.encode("utf-8", "replace") if isinstance(data, str) else bytes(data)


def whole_characters(data: bytes, end: int | None = None) -> int:
    """Return how much of `data[:end]` does not end inside a character of UTF-8; all of it if it is none."""
    end = len(data) if end is None else end
    for back in range(1, min(3, end) + 1):
        byte = data[end - back]
        if byte < 0x80:
            break
        if byte >= 0xC0:  # the first byte of a character says how many it has, RFC 3629
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4 if byte < 0xF8 else 1
            return end - back if length > back else end
    return end
