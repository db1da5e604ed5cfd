"""The folders of the import path: whether to look again what is installed in them."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import Final

__all__ = ["ImportPath"]

_MOST: Final = 5.0  # looks in a row
_AGAIN: Final = 10.0  # seconds until one more


class ImportPath:
    """Bounds how often one looks: a look reads files of every package.

    It is worth it whenever a folder has changed, as by an installation. An editable package may change its
    metadata where they are, which no folder shows; so there are some looks without a reason, and in the long
    run one in ten seconds: nobody can have the disk read all the time by asking for what there is not.
    """

    def __init__(self) -> None:
        self._seen: Mapping[str, int | None] | None = None
        self._left = _MOST
        self._counted = time.monotonic()

    def take_look(self) -> bool:
        """Tell whether to look now, and count on it."""
        times = {folder: _changed_at(folder) for folder in sys.path}
        if times != self._seen:
            self._seen = times
            return True
        now = time.monotonic()
        self._left = min(_MOST, self._left + (now - self._counted) / _AGAIN)
        self._counted = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


def _changed_at(folder: str) -> int | None:
    """Return the time of the last change in nanoseconds, None for what is not there."""
    try:
        return os.stat(folder or os.curdir).st_mtime_ns
    except OSError:
        return None
