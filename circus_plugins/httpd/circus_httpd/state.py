"""What survives a restart of circushttpd: sessions, and the daemons that somebody connected."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from circus_httpd.tokens import StateError, write_private

__all__ = ["StateFile"]

_logger = logging.getLogger("circus")


class StateFile:
    """A small JSON object in a file of its owner. It is written when something has changed, which is rare."""

    def __init__(self, folder: Path, name: str) -> None:
        """`name` tells the circushttpd of one user apart that listen at different places."""
        self._path = folder / f"state-{name}.json"

    def load(self) -> Mapping[str, Any]:
        """Return what was saved; nothing if there is nothing that can be used."""
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def save(self, state: Mapping[str, Any]) -> None:
        """Write it. What can't be written is logged: it is lost at the next restart, no sooner."""
        try:
            write_private(self._path, json.dumps(state))
        except StateError as error:
            _logger.warning("%s: a restart of circushttpd logs everybody out", error)
