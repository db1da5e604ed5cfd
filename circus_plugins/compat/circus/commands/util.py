"""Options of watchers, as the commands `set` and `add` take them."""

from __future__ import annotations

from typing import Any

from circus.exc import ArgumentError, MessageError
from circus_core.commands import check_options, convert_words

__all__ = ["convert_option", "validate_option"]


def convert_option(key: str, val: str) -> Any:
    """Return the value of what was typed; ArgumentError if there is no such option, or it can't have it."""
    try:
        return convert_words({key: val})[key]
    except MessageError as error:
        raise ArgumentError(str(error)) from error


def validate_option(key: str, val: Any) -> None:
    """Check the value of an option in a request; MessageError if it is not right."""
    check_options({key: val})
