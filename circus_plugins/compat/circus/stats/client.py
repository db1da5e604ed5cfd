"""StatsClient: the messages of circusd-stats, as watcher, subtopic and stat."""

from __future__ import annotations

import sys
from typing import NoReturn

from circus_stats import StatsClient

__all__ = ["StatsClient", "main"]


def main() -> NoReturn:
    """Run circus-top with the arguments of this process, then end it."""
    from circus_stats.top.main import main as run

    sys.exit(run())


if __name__ == "__main__":
    main()
