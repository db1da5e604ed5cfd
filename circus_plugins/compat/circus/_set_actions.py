"""The numbers that `Watcher.set_opt` returns: what a changed option asks for."""

from __future__ import annotations

from dataclasses import fields
from typing import Final

from circus_core import WatcherConfig

__all__ = ["ADJUST", "NOTHING", "RELOAD", "action_of", "is_unknown"]

NOTHING: Final = -1
ADJUST: Final = 0
RELOAD: Final = 1

_RELOADS: Final = frozenset(
    {"working_dir", "shell", "env", "cmd", "args", "uid", "gid", "max_age", "max_age_variance"}
)


def is_unknown(key: str, config: WatcherConfig) -> bool:
    """Tell whether no watcher has such an option, and this one no free key of that name."""
    known = {field.name for field in fields(WatcherConfig)} | set(config.options)
    return key not in known and key.partition(".")[0] not in known and not key.startswith("rlimit_")


def action_of(key: str, config: WatcherConfig) -> int:
    """Return what 0.19 would have to do after this key has changed.

    Args:
        config: of before.
    """
    if key in config.options or key == "graceful_timeout":
        return NOTHING
    if key in _RELOADS:
        return RELOAD
    family = key.partition(".")[0]
    if family in ("stdout_stream", "stderr_stream"):
        return ADJUST if getattr(config, family) is not None else RELOAD
    return ADJUST
