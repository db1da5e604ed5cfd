"""Statistics: what circusd-stats publishes, and circus-top shows."""

from __future__ import annotations

import sys
from typing import NoReturn

__all__ = ["main"]


def main() -> NoReturn:
    """Run circusd-stats with the arguments of this process, then end it."""
    from circus_stats.command_line import main as run

    sys.exit(run())


if __name__ == "__main__":
    main()
