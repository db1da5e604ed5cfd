"""What survives a restart of circushttpd: where it is, sessions, and the daemons that somebody connected."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from circus_httpd.tokens import StateError, write_private

__all__ = ["StateFile", "last_url"]

_logger = logging.getLogger("circus")


class StateFile:
    """A small JSON object in a file of its owner. It is written when something has changed, which is rare."""

    def __init__(self, folder: Path, name: str) -> None:
        """`name` tells the circushttpd of one user apart that listen at different places."""
        self._path = folder / f"state-{name}.json"

    def load(self) -> Mapping[str, Any]:
        """Return what was saved; nothing if there is nothing that can be used."""
        return _read(self._path)

    def save(self, state: Mapping[str, Any]) -> None:
        """Write it. What can't be written is logged: it is lost at the next restart, no sooner."""
        try:
            write_private(self._path, json.dumps(state))
        except StateError as error:
            _logger.warning("%s: a restart of circushttpd logs everybody out", error)


def last_url(folder: Path) -> str | None:
    """Return where the circushttpd of this folder is that wrote last; None if none has."""
    with suppress(OSError):
        for path in sorted(folder.glob("state-*.json"), key=lambda each: each.stat().st_mtime, reverse=True):
            url = _read(path).get("url")
            if isinstance(url, str):
                return url
    return None


def _read(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
