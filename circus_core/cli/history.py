"""Lines typed into the shell of circusctl, kept for the next time."""

from __future__ import annotations

import contextlib
import os
from types import ModuleType
from typing import Final

__all__ = ["History"]

_LINES: Final = 1000
"""Lines that are kept."""


class History:
    """The file $CIRCUSCTL_HISTORY, or circus/history in $XDG_STATE_HOME; none if the variable is empty.

    Only its owner can read it. What goes wrong with it is no reason to trouble anybody.
    """

    def __init__(self, readline: ModuleType) -> None:
        self._readline = readline
        self._path = _path()

    def load(self) -> None:
        """Take over what was kept."""
        self._readline.set_history_length(_LINES)
        if self._path:
            with contextlib.suppress(OSError):
                self._readline.read_history_file(self._path)

    def save(self) -> None:
        """Keep what there is now, in a file that replaces the one of before at once."""
        if not self._path:
            return
        with contextlib.suppress(OSError):
            os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
            new = f"{self._path}.{os.getpid()}"
            os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
            self._readline.write_history_file(new)
            os.replace(new, self._path)


def _path() -> str | None:
    given = os.environ.get("CIRCUSCTL_HISTORY")
    if given is not None:
        return os.path.abspath(os.path.expanduser(given)) if given else None
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return os.path.join(state, "circus", "history")
