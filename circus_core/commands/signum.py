"""Signals as clients write them: 15, "15", "TERM", "sigterm", "RTMIN+1"."""

from __future__ import annotations

import signal
from typing import Any

from circus_core.errors import MessageError

__all__ = ["parse_signal"]


def parse_signal(value: Any) -> int:
    """Return the number of a signal; MessageError if it is not one by its form or name.

    Whether a number is one of this system is for kill(2) to say; 0 asks only whether the process exists.
    """
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 31:
        return value
    if isinstance(value, str):
        found = _by_text(value.strip().upper())
        if found is not None:
            return found
    raise MessageError("signal invalid")


def _by_text(text: str) -> int | None:
    if text.isascii() and text.isdigit():
        return int(text) if len(text) < 10 else None
    name, _, offset = text.partition("+")
    if offset and not (offset.isascii() and offset.isdigit() and len(offset) < 4):
        return None
    found = getattr(signal, name if name.startswith("SIG") else f"SIG{name}", None)
    return int(found) + int(offset or 0) if isinstance(found, signal.Signals) else None
