"""Statistics: what circusd-stats publishes, and circus-top shows."""

from __future__ import annotations

from typing import NoReturn

from circus._programs import end_as

__all__ = ["main"]


def main() -> NoReturn:
    """Run circusd-stats with the arguments of this process, then end it."""
    end_as("circusd-stats")
