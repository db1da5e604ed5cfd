"""Values of stream options: text from a file, anything from a program."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Final, TypeVar

from circus_core import BOOL

__all__ = ["checkable", "choice", "flag", "size", "whole"]

StreamT = TypeVar("StreamT")

UNITS: Final[Mapping[str, int]] = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}


def checkable(stream: type[StreamT]) -> type[StreamT]:
    """Have circusd check the options of a stream when it reads them, by making one: that opens nothing.

    For this class alone: the constructor of a subclass may open what it likes.
    """

    def check_options(options: Mapping[str, Any]) -> None:
        stream(**options)

    setattr(stream, "check_options", staticmethod(check_options))  # noqa: B010  no type knows of it
    return stream


def size(option: str, value: int | str) -> int:
    """Return a number of bytes; units are powers of 1024, in any case, with or without B or iB.

    Raises:
        ValueError: it is none; so do the others.
    """
    match = re.fullmatch(r"\s*(\d+)\s*([kmgt]?)(?:i?b)?\s*", str(value).lower())
    if match is None:
        raise ValueError(
            f"{option} must be a whole number >= 0, also with K, M, G or T, got {value!r}; write 10MB"
        )
    return int(match[1]) * UNITS[match[2]]


def whole(option: str, value: int | str, *, least: int = 0) -> int:
    """Return a whole number."""
    text = str(value).strip()
    if not re.fullmatch(r"\d+", text) or int(text) < least:
        raise ValueError(f"{option} must be a whole number >= {least}, got {value!r}; write {max(least, 5)}")
    return int(text)


def flag(option: str, value: object) -> bool:
    """Return what yes, no and the like mean; nothing means no."""
    if value is None or value == "":
        return False
    try:
        return bool(BOOL.parse(value))
    except ValueError:
        raise ValueError(f"{option} must be {BOOL.accepts}, got {value!r}") from None


def choice(option: str, value: str, names: Collection[str]) -> str:
    """Return one of some words in lower case, whatever case it is written in."""
    word = str(value).strip().lower()
    if word not in names:
        raise ValueError(f"{option} must be one of {', '.join(names)}, got {value!r}")
    return word
