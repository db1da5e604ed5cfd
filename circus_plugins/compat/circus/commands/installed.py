"""The commands of installed packages, by the names and signatures of 0.19."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from typing import Any

from circus.client import make_message
from circus.commands.base import Command
from circus.exc import ArgumentError, MessageError
from circus_core import Command as CoreCommand
from circus_core.commands import Switch, assign_words

__all__ = ["InstalledCommand", "installed_commands"]


class InstalledCommand(Command):
    """A command of circus-core, or of a package built on it; the daemon has it anyway."""

    def __init__(self, command: CoreCommand[Any, Any]) -> None:
        self._command = command
        self.name = command.name  # type: ignore[misc]  # of the class in commands of one's own

    @property
    def desc(self) -> str:
        return inspect.cleandoc(self._command.__doc__ or "")

    def message(self, *args: Any, **opts: Any) -> dict[str, Any]:
        """Return the request that the words and options on the command line make; raises ArgumentError."""
        given = dict(self._properties(opts))
        try:
            words = assign_words(args, self._command.arguments)
            return make_message(self._command.name, **self._command.message({**given, **words}))
        except MessageError as error:
            raise ArgumentError(str(error)) from error

    def _properties(self, opts: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """Yield what options send; one that is spelled otherwise, such as `terminate`, may be given so."""
        flags = {
            each.flag: each for each in self._command.arguments if isinstance(each, Switch) and each.flag
        }
        for name, value in opts.items():
            if name not in flags:
                if value is not None:
                    yield name, value
            elif value:
                yield flags[name].name, flags[name].value

    def console_msg(self, msg: Mapping[str, Any]) -> str:
        if msg.get("status") == "error":
            return self.console_error(msg)
        return self._command.result.from_json(msg).to_text()

    def console_error(self, msg: Mapping[str, Any]) -> str:
        return self._command.error_text(str(msg.get("reason")))

    def execute(self, arbiter: Any, props: dict[str, Any]) -> Any:
        """Refuse: what the daemon carries out is the command of circus-core."""
        raise NotImplementedError(f"'{self.name}' is carried out by the daemon: send it as a request")


def installed_commands() -> dict[str, Command]:
    """Return the commands that installed packages provide, by name."""
    return {entry.name: InstalledCommand(entry.load()()) for entry in entry_points(group="circus.commands")}
