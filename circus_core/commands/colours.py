"""Colours of what circusctl prints on a terminal: select graphic rendition of ECMA-48."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import IO, Final, Literal

__all__ = ["Colour", "are_wanted", "paint", "paint_states"]

Colour = Literal["red", "green", "yellow", "blue", "magenta", "cyan", "dim", "bold"]

_CODES: Final[Mapping[Colour, int]] = {
    "bold": 1,
    "dim": 2,
    "red": 31,
    "green": 32,
    "yellow": 33,
    "blue": 34,
    "magenta": 35,
    "cyan": 36,
}
_STATES: Final[Mapping[str, Colour]] = {
    "active": "green",
    "stopped": "red",
    "starting": "yellow",
    "stopping": "yellow",
}
_STATE_AT_THE_END: Final = re.compile(rf"^(|.*: )({'|'.join(_STATES)})( \(.*\))?$", re.MULTILINE)


def are_wanted(stream: IO[str]) -> bool:
    """Whether `stream` is a terminal that shows colours, and nobody said NO_COLOR or TERM=dumb."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"


def paint(text: str, colour: Colour) -> str:
    """Return a text in a colour, what comes behind it as before."""
    return f"\x1b[{_CODES[colour]}m{text}\x1b[0m"


def paint_states(text: str) -> str:
    """Paint the state of a watcher at the end of each line, and the reason behind it."""
    return _STATE_AT_THE_END.sub(_painted, text)


def _painted(found: re.Match[str]) -> str:
    name, state, reason = found.groups(default="")
    return name + paint(state, _STATES[state]) + (paint(reason, "yellow") if reason else "")
