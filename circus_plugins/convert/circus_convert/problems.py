"""Where something stands in a file that is converted, and why a file can't be."""

from __future__ import annotations

from dataclasses import dataclass

from circus_core import CircusError

__all__ = ["ConvertError", "Place"]


class ConvertError(CircusError):
    """A file can't be read, or not be written in the form that was asked for; the text says where and why."""


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file, counted from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"
