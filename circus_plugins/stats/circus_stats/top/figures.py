"""Figures as they come from daemons of any age, and as people read them."""

from __future__ import annotations

import math
import re
import signal
import unicodedata
from typing import Final

__all__ = [
    "UNKNOWN",
    "age_text",
    "bytes_of",
    "clean",
    "end_text",
    "number_of",
    "percent_text",
    "size_text",
    "whole_of",
]

UNKNOWN: Final = "-"

_UNITS: Final = "BKMGTPEZY"
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)([BKMGTPEZY])")
_UNSAFE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_HARMLESS_FORMAT: Final = frozenset("\u200c\u200d\u00ad")  # joiners of letters and emoji; the soft hyphen


def number_of(value: object) -> float | None:
    """Return a finite number; None for `N/A`, null and whatever else is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def whole_of(value: object) -> int | None:
    """Return a whole number, also one that came as text; None if it is none."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 19:
        return int(value)
    number = number_of(value)
    return None if number is None else int(number)


def bytes_of(value: object) -> int | None:
    """Return the bytes that `13.70M` stands for, or a number of them; None if it is neither."""
    if not isinstance(value, str):
        return whole_of(value)
    found = _SIZE.fullmatch(value)
    return None if found is None else int(float(found[1]) * 1024 ** _UNITS.index(found[2]))


def clean(text: object) -> str:
    """Return text that can do nothing to a terminal: what is no visible character is there as an escape.

    That is control characters, those that turn the direction of writing, halves of surrogates, and what is
    not assigned or private: nobody knows how wide these are.
    """
    return "".join(_clean_character(character) for character in str(text))


def _clean_character(character: str) -> str:
    if character.isascii() and character.isprintable():
        return character
    category = unicodedata.category(character)
    if category not in _UNSAFE:
        return " " if category == "Zs" else character
    if character in _HARMLESS_FORMAT:
        return ""
    number = ord(character)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def percent_text(value: float | None) -> str:
    """Return percent with one decimal, none from 1000 on."""
    if value is None:
        return UNKNOWN
    return f"{value:.0f}" if value >= 999.95 else f"{value:.1f}"


def size_text(size: int | None) -> str:
    """Return bytes in at most five characters: `980K`, `1.4G`."""
    if size is None:
        return UNKNOWN
    amount, unit = float(size), 0
    while amount >= 999.5 and unit < len(_UNITS) - 1:
        amount /= 1024
        unit += 1
    digits = 0 if unit == 0 or amount >= 99.95 else 1
    return f"{amount:.{digits}f}{_UNITS[unit]}"


def age_text(seconds: float | None) -> str:
    """Return a duration in at most six characters: `4.3s`, `12m08s`, `3h05m`, `17d04h`, `2y101d`."""
    if seconds is None:
        return UNKNOWN
    if seconds < 9.95:
        return f"{max(0.0, seconds):.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    days, years = whole // 86400, whole // (365 * 86400)
    if days < 100:
        return f"{days}d{whole % 86400 // 3600:02d}h"
    if years < 1:
        return f"{days}d"
    return f"{years}y{days % 365}d" if years < 10 else f"{years}y"


def end_text(code: int | None) -> str:
    """Return how a process ended, from its exit code: negative for a signal (as in `subprocess`)."""
    if code is None:
        return "unknown"
    if code >= 0:
        return f"exit {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
