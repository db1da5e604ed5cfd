"""Hook plugin: the daemon finds commands that a module registered which it has imported, as for a hook."""

from __future__ import annotations

import sys
from typing import Any

from circus_core import Command, hookimpl

__all__ = ["find_command"]


@hookimpl
def find_command(name: str) -> Command[Any, Any] | None:
    """Return the command, if it was imported."""
    base = sys.modules.get("circus.commands.base")
    if base is None:  # nothing can have been built on what was never imported
        return None
    command = base.own_commands().get(name)
    return None if command is None else command.as_installed()
