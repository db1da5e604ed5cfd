"""The exit statuses of circusd, besides argparse's 2 for a wrong command line; see `circusd --help`."""

from typing import Final

__all__ = ["ADDRESS_NOT_BOUND", "CANNOT_START", "INTERRUPTED", "OK"]

OK: Final = 0
CANNOT_START: Final = 1
ADDRESS_NOT_BOUND: Final = 3
INTERRUPTED: Final = 130  # by Ctrl-C, as shells count it
