"""What has changed between two documents, as a JSON merge patch (RFC 7396).

A document is an object without nulls, in which what is not known is absent: in a merge patch null removes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["difference", "without_nulls"]


def without_nulls(value: Any) -> Any:
    """Return a copy in which no object has a member that is null; arrays keep theirs."""
    if isinstance(value, Mapping):
        return {str(key): without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [without_nulls(item) for item in value]
    return value


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return the patch that makes `new` of `old`; empty if they are equal."""
    patch: dict[str, Any] = dict.fromkeys(old.keys() - new.keys())
    for key, value in new.items():
        before = old.get(key)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            if inner := difference(before, value):
                patch[key] = inner
        elif not _is_same(before, value):
            patch[key] = value
    return patch


def _is_same(one: Any, other: Any) -> bool:
    """Compare as JSON does, to which true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_is_same, one, other))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_is_same(one[key], other[key]) for key in one)
    return bool(one == other)
