"""The numbers of errors in replies."""

from typing import Final

__all__ = [
    "BAD_MSG_DATA_ERROR",
    "COMMAND_ERROR",
    "INVALID_JSON",
    "MESSAGE_ERROR",
    "NOT_SPECIFIED",
    "OS_ERROR",
    "UNKNOWN_COMMAND",
]

NOT_SPECIFIED: Final = 0
INVALID_JSON: Final = 1
UNKNOWN_COMMAND: Final = 2
MESSAGE_ERROR: Final = 3
OS_ERROR: Final = 4
COMMAND_ERROR: Final = 5
BAD_MSG_DATA_ERROR: Final = 6
