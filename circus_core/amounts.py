"""Amounts as Circus 0.19 prints them. Pure."""

from __future__ import annotations

from typing import Final

__all__ = ["size_text", "time_text"]

_UNITS: Final = "KMGTPEZY"


def size_text(number: int) -> str:
    """Return bytes as `100B`, `9.77K`, `2.00G`."""
    if number < 1024:
        return f"{number}B"
    size = float(number)
    for unit in _UNITS:
        size /= 1024
        if size < 1024 or unit == _UNITS[-1]:
            break
    return f"{size:.2f}{unit}"


def time_text(seconds: float) -> str:
    """Return minutes without bound, seconds and hundredths: `0:00.09`, `75:01.30`."""
    minutes, rest = divmod(round(seconds * 100), 6000)
    return f"{minutes}:{rest // 100:02d}.{rest % 100:02d}"
