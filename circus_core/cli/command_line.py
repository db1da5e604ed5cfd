"""The command line of circusctl: what was typed -> a command, its message and the settings of the program."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from circus_core.cli.installed import InstalledCommands
from circus_core.commands.arguments import Option, Switch, Word, assign_words, convert_word
from circus_core.commands.command import Command
from circus_core.errors import CircusError, DriverError, MessageError, UnknownCommandError

__all__ = ["Line", "Settings", "command_help", "parse", "program_help", "usage"]

_VALUES: Final = ("endpoint", "timeout")
_FLAGS: Final = ("json", "prettify", "help", "version")


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds for every command of one run.

    Attributes:
        endpoint: None if neither given nor in CIRCUSCTL_ENDPOINT.
        is_endpoint_typed: it was given on the command line.
        timeout: seconds.
    """

    endpoint: str | None = None
    is_endpoint_typed: bool = False
    timeout: float = 5.0
    json: bool = False
    prettify: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One command line, understood.

    Attributes:
        command: None if none was given.
        arguments: of the command, by name, converted.
    """

    settings: Settings
    command: Command[Any, Any] | None = None
    arguments: dict[str, Any] | None = None
    wants_help: bool = False
    wants_version: bool = False

    def properties(self) -> dict[str, Any]:
        """Return the properties of the message; MessageError if what was typed can't be one."""
        if self.command is None:
            return {}
        return self.command.message(self.arguments or {})


def parse(argv: Sequence[str], commands: InstalledCommands) -> Line:
    """Understand a command line. Options of the program may stand before or behind the command.

    Raises:
        SystemExit: 2, after a message: it can't be understood.
        MessageError: the number of words or a value does not fit the command.
        DriverError: the command is installed but can't be loaded.
    """
    head, behind_dashes = _split_at_dashes(argv)
    at = _place_of_command(head)
    command = None if at is None else _find(head[at], commands)
    parser = _parser(command)
    typed = parser.parse_intermixed_args([word for index, word in enumerate(head) if index != at])
    settings = _settings(typed)
    if command is None or typed.help or typed.version:
        return Line(settings, command, None, typed.help, typed.version)
    return Line(settings, command, _arguments(command, typed, [*typed.words, *behind_dashes]))


def _split_at_dashes(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    words = list(argv)
    if "--" not in words:
        return words, []
    at = words.index("--")
    return words[:at], words[at + 1 :]


def _place_of_command(words: Sequence[str]) -> int | None:
    takes_value = False
    for index, word in enumerate(words):
        if takes_value:
            takes_value = False
        elif not word.startswith("-"):
            return index
        else:
            takes_value = _takes_value(word)
    return None


def _takes_value(word: str) -> bool:
    """Return whether this option of the program has its value in the next word; it may be shortened."""
    name = word.removeprefix("--")
    meant = [option for option in (*_VALUES, *_FLAGS) if option.startswith(name)]
    return "=" not in word and bool(meant) and set(meant) <= set(_VALUES)


def _find(name: str, commands: InstalledCommands) -> Command[Any, Any]:
    try:
        return commands.find(name.lower())
    except UnknownCommandError:
        _Parser(_PROGRAM).error(f"unrecognized arguments: {name}: no such command, see circusctl --help")


_PROGRAM: Final = "circusctl [options] command [args]"


class _Parser(argparse.ArgumentParser):
    def __init__(self, line: str) -> None:
        super().__init__(prog="circusctl", usage=line, add_help=False)
        self.add_argument("--endpoint")
        self.add_argument("--timeout", type=_seconds, default=5.0)
        for flag in _FLAGS:
            self.add_argument(f"--{flag}", action="store_true")


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < 1e7:
        raise ValueError
    return seconds


def _parser(command: Command[Any, Any] | None) -> _Parser:
    parser = _Parser(_PROGRAM if command is None else usage(command))
    parser.add_argument("words", nargs="*")
    for argument in command.arguments if command else ():
        if isinstance(argument, Switch):
            parser.add_argument(
                f"--{argument.flag or argument.name}", dest=f"given_{argument.name}", action="store_true"
            )
        elif isinstance(argument, Option):
            parser.add_argument(
                f"--{argument.name}", dest=f"given_{argument.name}", choices=argument.choices or None
            )
    return parser


def _settings(typed: argparse.Namespace) -> Settings:
    return Settings(
        endpoint=typed.endpoint or os.environ.get("CIRCUSCTL_ENDPOINT"),
        is_endpoint_typed=typed.endpoint is not None,
        timeout=typed.timeout,
        json=typed.json,
        prettify=typed.prettify,
    )


def _arguments(command: Command[Any, Any], typed: argparse.Namespace, words: list[str]) -> dict[str, Any]:
    try:
        found = assign_words(words, command.arguments)
    except MessageError as error:
        raise MessageError(f"{error}; usage: {usage(command)}") from error
    for argument in command.arguments:
        value = getattr(typed, f"given_{argument.name}", None)
        if isinstance(argument, Switch) and value:
            found[argument.name] = argument.value
        elif isinstance(argument, Option) and value is not None:
            found[argument.name] = convert_word(f"--{argument.name}", argument.convert, value)
    return found


# Help


def program_help(commands: InstalledCommands) -> str:
    """Return the list of all commands with what each is for."""
    names = commands.names()
    width = max((len(name) for name in names), default=0)
    lines = [f"  {name:{width}}  {_summary(name, commands)}" for name in names]
    return "\n".join(
        [
            f"usage: {_PROGRAM}",
            "",
            "Commands:",
            *lines,
            "",
            "Options, before or behind the command:",
            "  --endpoint E  where circusd listens: $CIRCUSCTL_ENDPOINT or tcp://127.0.0.1:5555 if not given",
            "  --timeout S   seconds to wait for its answer, 5 if not given",
            "  --json        print the answer as one line of JSON",
            "  --prettify    with --json: on several lines, sorted",
            "  --version     print the version",
            "  --help        with a command: all about it",
            "",
            "Without a command a shell is started.",
        ]
    )


def _summary(name: str, commands: InstalledCommands) -> str:
    try:
        return (commands.find(name).__doc__ or "").strip().partition("\n")[0]
    except CircusError as error:
        return f"({error})"


def command_help(command: Command[Any, Any]) -> str:
    """Return everything about one command."""
    import inspect

    lines = [f"usage: {usage(command)}", "", inspect.getdoc(command) or ""]
    labels = [(_label(argument), argument.help) for argument in command.arguments]
    width = max((len(label) for label, _ in labels), default=0)
    if labels:
        lines += ["", *(f"  {label:{width}}  {text}" for label, text in labels)]
    return "\n".join(lines)


def usage(command: Command[Any, Any]) -> str:
    """Return the one line that shows how a command is typed."""
    parts = [_shown(argument) for argument in command.arguments]
    return " ".join(["circusctl [options]", command.name, *parts])


def _shown(argument: object) -> str:
    if isinstance(argument, Word):
        text = f"{argument.metavar}..." if argument.is_many else argument.metavar
        return text if argument.is_required else f"[{text}]"
    return f"[{_label(argument)}]"


def _label(argument: object) -> str:
    if isinstance(argument, Word):
        return argument.metavar
    if isinstance(argument, Switch):
        return f"--{argument.flag or argument.name}"
    if isinstance(argument, Option):
        values = "|".join(argument.choices) if argument.choices else argument.name.upper()
        return f"--{argument.name} {values}"
    raise DriverError(f"an argument must be a Word, a Switch or an Option, got {argument!r}")
