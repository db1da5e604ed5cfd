"""Command: the base class of commands of one's own, for the daemon and for circusctl."""

from __future__ import annotations

import copy
import inspect
import time
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

from circus.client import make_message
from circus.commands.errors import NOT_SPECIFIED
from circus.exc import MessageError
from circus_core import Command as CoreCommand

__all__ = ["KNOWN_COMMANDS", "Command", "error", "get_commands", "ok", "own_commands"]

KNOWN_COMMANDS: list[type[Command]]

_WAITING: Final = ("waiting", "waiting", False, "Waiting the real end of the process")


def ok(props: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the reply of a command that was carried out."""
    return {"status": "ok", "time": time.time(), **(props or {})}


def error(reason: str = "unknown", tb: str | None = None, errno: int = NOT_SPECIFIED) -> dict[str, Any]:
    """Return the reply of a command that was refused."""
    return {"status": "error", "reason": reason, "tb": tb, "time": time.time(), "errno": errno}


class Command:
    """A command; a subclass with a name is known as soon as its module has been imported.

    Attributes:
        name: its word.
        msg_type: not looked at.
        options: switches and options: a short and a long name, the value that it has when it is not given,
            what it is for.
        properties: what a message must have.
        waiting: not looked at; `waiting` in a message is.
        short, desc: the first line of the docstring, and all of it.
    """

    name: ClassVar[str | None] = None
    msg_type: ClassVar[str] = "dealer"
    options: ClassVar[list[tuple[str, str, Any, str]]] = []
    properties: ClassVar[list[str]] = []
    waiting: ClassVar[bool] = False
    waiting_options: ClassVar[list[tuple[str, str, Any, str]]] = [_WAITING]

    @property
    def short(self) -> str:
        return self.desc.partition("\n")[0]

    @property
    def desc(self) -> str:
        return inspect.cleandoc(type(self).__doc__ or "")

    # -- in circusctl

    def make_message(self, **props: Any) -> dict[str, Any]:
        """Return a request for this command."""
        return make_message(str(self.name), **props)

    def message(self, *args: Any, **opts: Any) -> Any:
        """Return the request that the words and options on the command line make, or a list of requests."""
        return self.make_message(**opts)

    def console_msg(self, msg: Mapping[str, Any]) -> str:
        """Return what is printed of a reply."""
        return "ok" if msg.get("status") == "ok" else self.console_error(msg)

    def console_error(self, msg: Mapping[str, Any]) -> str:
        """Return what is printed of an error."""
        return f"error: {msg.get('reason')}"

    # -- in the daemon

    def validate(self, props: dict[str, Any]) -> None:
        """Check the properties of a request, which may be changed; MessageError if they are not right."""
        for name in self.properties:
            if name not in props:
                raise MessageError(f"message invalid {name!r} is missing")

    def execute(self, arbiter: Any, props: dict[str, Any]) -> Any:
        """Carry it out, on the loop of the daemon; returns a mapping, a list, None, or a future of one."""
        raise NotImplementedError(f"{type(self).__name__} has no execute()")

    def _get_watcher(self, arbiter: Any, watcher_name: str) -> Any:
        """Return a watcher; MessageError if there is none of this name."""
        try:
            return arbiter.get_watcher(watcher_name.lower())
        except KeyError:
            raise MessageError(f"program {watcher_name} not found") from None

    # -- as entry points

    def copy(self) -> Command:
        return copy.copy(self)

    @classmethod
    def as_installed(cls) -> CoreCommand[Any, Any]:
        """Return this command for circus-core: what an entry point of the group `circus.commands` names."""
        from circus.commands.adapting import core_command

        return core_command(cls())


def own_commands() -> dict[str, type[Command]]:
    """Return the commands that the program has imported, by name."""
    return {str(each.name): each for each in _below(Command) if each.name}


def get_commands() -> dict[str, Command]:
    """Return all commands by name: those that the program has imported, and those that are installed."""
    from circus.commands.installed import installed_commands

    own = {name: command() for name, command in own_commands().items()}
    return {**own, **installed_commands()}


def _below(kind: type[Command]) -> Iterator[type[Command]]:
    for each in kind.__subclasses__():
        yield each
        yield from _below(each)


def __getattr__(name: str) -> Any:
    if name == "KNOWN_COMMANDS":
        return list(own_commands().values())
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
