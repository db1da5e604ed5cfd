"""StatsClient: the messages of circusd-stats, as watcher, subtopic and stat."""

from __future__ import annotations

from typing import NoReturn

from circus._programs import end_as
from circus_stats import StatsClient

__all__ = ["StatsClient", "main"]


def main() -> NoReturn:
    """Run circus-top with the arguments of this process, then end it."""
    end_as("circus-top")


if __name__ == "__main__":
    main()
