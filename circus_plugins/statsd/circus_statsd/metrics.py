"""Metrics as text, one in a datagram; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

__all__ = ["clean", "format_metric", "read_tags"]

_RESERVED: Final = re.compile(r"[:|@#,\s]")
_RESERVED_IN_NAMES: Final = re.compile(r"[:|@#\x00-\x1f]")


def clean(name: str) -> str:
    """Return a name without what has a meaning in a datagram; blanks and dots stay."""
    return _RESERVED_IN_NAMES.sub("_", name)


def format_metric(
    bucket: str, value: float, kind: str, *, rate: float = 1.0, tags: Iterable[str] = ()
) -> bytes:
    """Write one metric.

    Args:
        kind: `c` for a counter, `g` for a gauge, `ms` for a time in milliseconds.
        rate: which part of all is sent, above 0 and at most 1; statsd multiplies by it.
        tags: `name:value` or `name`, as DogStatsD has them.
    """
    sampled = f"|@{rate:g}" if rate != 1 else ""
    tagged = ",".join(tags)
    return f"{bucket}:{_number(value)}|{kind}{sampled}{tagged and f'|#{tagged}'}".encode()


def read_tags(text: str) -> tuple[str, ...]:
    """Read `name:value, name`; raises ValueError with the reason."""
    tags = tuple(tag.strip() for tag in text.split(",") if tag.strip())
    for tag in tags:
        name, _, value = tag.partition(":")
        if not name or _RESERVED.search(name) or re.search(r"[|#@\s]", value):
            raise ValueError(f"{tag!r} is no tag: write name:value")
    return tags


def tag(name: str, value: str) -> str:
    """Make a tag of any text."""
    return f"{name}:{_RESERVED.sub('_', value)}"


def _number(value: float) -> str:
    """Write a number without an exponent, which not every server reads."""
    if isinstance(value, int) or value.is_integer():
        return str(int(value))
    return f"{value:.6f}".rstrip("0").rstrip(".")
