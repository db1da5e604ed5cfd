"""The commands, and what commands of one's own are made of."""

from circus.commands.base import error, get_commands, ok

__all__ = ["error", "get_commands", "ok"]
