"""circusctl by its old path."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn

from circus.client import CircusClient
from circus.commands.base import Command, get_commands, own_commands
from circus.consumer import CircusConsumer
from circus_core import run_circusctl

__all__ = [
    "USAGE",
    "VERSION",
    "CircusClient",
    "CircusConsumer",
    "CircusCtl",
    "ControllerApp",
    "get_commands",
    "main",
    "prettify",
]

USAGE: Final = "circusctl [options] command [args]"
VERSION: str


def main() -> NoReturn:
    """Run circusctl with the arguments of this process, then end it.

    Commands that the program has imported before are known.
    """
    sys.exit(ControllerApp(get_commands()).run(sys.argv[1:]))


def prettify(jsonobj: Any, prettify: bool = True) -> str:
    """Return JSON text, on several lines if it is to be pretty."""
    return json.dumps(jsonobj, indent=2, sort_keys=True) if prettify else json.dumps(jsonobj)


class ControllerApp:
    """Runs command lines.

    Attributes:
        commands: by name; what is not in there by itself is known all the same.
    """

    def __init__(self, commands: Mapping[str, Command] | None = None, client: Any = None) -> None:
        """Args:
        client: not looked at; each run has a connection of its own.
        """
        self.commands = commands or {}
        self.client = client

    def run(self, args: Sequence[str]) -> int:
        """Carry out a command line; without a command, run the shell. Returns the exit status."""
        more = {name: command.as_installed() for name, command in own_commands().items()}
        return run_circusctl(list(args), more_commands=more)

    def dispatch(self, args: Sequence[str]) -> int:
        """Do as `run`."""
        return self.run(args)


class CircusCtl:
    """The shell."""

    prompt = "(circusctl) "

    def __init__(self, client: Any, commands: Mapping[str, Command], *args: Any, **kw: Any) -> None:
        """Args:
        client: whose daemon it is about.
        """
        self.client = client
        self.commands = commands

    def start(self, globalopts: Any = None) -> int:
        """Read commands until the end of the input; returns the exit status."""
        return ControllerApp(self.commands).run(["--endpoint", self.client.endpoint])

    def onecmd(self, line: str) -> int:
        """Carry out one line; returns the exit status."""
        return ControllerApp(self.commands).run(["--endpoint", self.client.endpoint, *line.split()])


def __getattr__(name: str) -> Any:
    if name == "VERSION":
        from circus import __version__

        return f"circusctl {__version__}"
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if __name__ == "__main__":
    main()
