"""Names that circusd and circusd-stats agree on."""

from __future__ import annotations

from typing import Final

__all__ = ["DASHBOARD", "HISTORY_VARIABLE", "WATCHER"]

WATCHER: Final = "circusd-stats"
DASHBOARD: Final = "circushttpd"
"""Watchers of these names serve the daemon: their processes are shown with its own."""

HISTORY_VARIABLE: Final = "CIRCUS_STATS_HISTORY"
"""Environment variable of circusd-stats: the abstract name (unix(7)) at which it answers about the past."""
