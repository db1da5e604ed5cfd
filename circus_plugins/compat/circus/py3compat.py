"""Names that hid the difference between Python 2 and 3; part of Circus until 0.16."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from io import StringIO
from typing import Any, Final
from urllib.parse import quote, unquote, urlencode, urlparse

__all__ = [
    "StringIO",
    "b",
    "bytestring",
    "integer_types",
    "is_callable",
    "long",
    "pickle",
    "quote",
    "s",
    "sort_by_field",
    "string_types",
    "text_type",
    "unquote",
    "urlencode",
    "urlparse",
]

string_types: Final = (str,)
integer_types: Final = (int,)
text_type: Final = str
long: Final = int
is_callable: Final = callable


def b(s: str) -> bytes:
    """Return bytes; each character is one."""
    return s.encode("latin-1")


def s(x: str) -> str:
    """Return the text."""
    return x


def bytestring(s: str | bytes) -> bytes:
    """Return bytes, of text in UTF-8."""
    return s.encode() if isinstance(s, str) else s


def sort_by_field(obj: list[Any], field: str = "name") -> None:
    """Sort mappings by what they have under a key."""
    by_field: Callable[[Any], Any] = lambda item: item[field]  # noqa: E731  typed
    obj.sort(key=by_field)
