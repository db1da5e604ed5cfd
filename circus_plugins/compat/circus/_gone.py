"""What was part of Circus and is not here: says what takes its place."""

from __future__ import annotations

from typing import NoReturn

__all__ = ["refuse"]


def refuse(name: str, instead: str) -> NoReturn:
    """Raise the ImportError for a module."""
    raise ImportError(f"there is no {name} any more; {instead}", name=name)
