"""The command line of circusctl: what was typed -> a command, its message and the settings of the program."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Any, Final, NoReturn

from circus_core.cli.installed import InstalledCommands
from circus_core.commands.arguments import Option, Switch, Word, assign_words, convert_word
from circus_core.commands.command import Command
from circus_core.errors import CircusError, DriverError, MessageError, UnknownCommandError
from circus_core.records import dataclass

__all__ = [
    "PROGRAM_FLAGS",
    "PROGRAM_VALUES",
    "Line",
    "Settings",
    "UsageError",
    "command_help",
    "parse",
    "program_help",
    "usage",
]

PROGRAM_VALUES: Final = ("endpoint", "timeout", "config", "ssh", "ssh-keyfile", "ssh_keyfile")
PROGRAM_FLAGS: Final = ("json", "prettify", "stop-on-error", "help", "version")

_BATCH: Final = "-"


class UsageError(CircusError):
    """A command line that can't be understood; the text says why.

    Attributes:
        usage: how it would be typed.
    """

    def __init__(self, text: str, usage: str) -> None:
        super().__init__(text)
        self.usage = usage


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds for every command of one run.

    Attributes:
        endpoint: None if neither given nor in CIRCUSCTL_ENDPOINT.
        is_endpoint_typed: it was given on the command line.
        timeout: seconds; None if not given.
        config: configuration file of the daemon, which says where it listens.
        ssh: `[user@]host[:port]`.
        stop_on_error: of several commands, none is carried out behind one that failed.
    """

    endpoint: str | None = None
    is_endpoint_typed: bool = False
    timeout: float | None = None
    config: str | None = None
    ssh: str | None = None
    ssh_keyfile: str | None = None
    json: bool = False
    prettify: bool = False
    stop_on_error: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One command line, understood.

    Attributes:
        command: None if none was given.
        arguments: of the command, by name, converted.
        is_batch: instead of a command there is `-`: commands are read from standard input.
    """

    settings: Settings
    command: Command[Any, Any] | None = None
    arguments: dict[str, Any] | None = None
    wants_help: bool = False
    wants_version: bool = False
    is_batch: bool = False

    def properties(self) -> dict[str, Any]:
        """Return the properties of the message; MessageError if what was typed can't be one."""
        if self.command is None:
            return {}
        return self.command.message(self.arguments or {})


def parse(argv: Sequence[str], commands: InstalledCommands, given: Settings | None = None) -> Line:
    """Understand a command line. Options of the program may stand before or behind the command.

    Args:
        given: the settings of the program, for a line that is typed into it; those of the line go first.

    Raises:
        UsageError: it can't be understood.
        MessageError: the number of words or a value does not fit the command.
        DriverError: the command is installed but can't be loaded.
    """
    head, behind_dashes = _split_at_dashes(argv)
    at = _place_of_command(head)
    if at is not None and head[at].lower() == "help":
        return parse([*head[:at], *head[at + 1 :], "--help"], commands, given)
    is_batch = at is not None and head[at] == _BATCH
    command = None if at is None or is_batch else _find(head[at], commands)
    parser = _parser(command)
    typed = parser.parse_intermixed_args([word for index, word in enumerate(head) if index != at])
    settings = _settings(typed, given or Settings(endpoint=os.environ.get("CIRCUSCTL_ENDPOINT")))
    if command is None and typed.words:
        parser.error(f"unrecognized arguments: {' '.join(typed.words)}")
    if command is None or typed.help or typed.version:
        return Line(settings, command, None, typed.help, typed.version, is_batch)
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
        elif not word.startswith("-") or word == _BATCH:
            return index
        else:
            takes_value = _takes_value(word)
    return None


def _takes_value(word: str) -> bool:
    """Return whether this option of the program has its value in the next word; it may be shortened."""
    name = word.removeprefix("--")
    if name in PROGRAM_VALUES:
        return True
    meant = [option for option in (*PROGRAM_VALUES, *PROGRAM_FLAGS) if option.startswith(name)]
    return "=" not in word and bool(meant) and set(meant) <= set(PROGRAM_VALUES)


def _find(name: str, commands: InstalledCommands) -> Command[Any, Any]:
    try:
        return commands.find(name.lower())
    except UnknownCommandError as error:
        meant = _nearest(name, commands)
        advice = f"did you mean '{meant}'?" if meant else "see circusctl --help"
        what = f"unrecognized arguments: {name}: no such command, {advice}"
        raise UsageError(what, f"usage: {_PROGRAM}") from error


def _nearest(name: str, commands: InstalledCommands) -> str | None:
    """Return the command that was probably meant."""
    from circus_core.config.misspelling import Speller

    names = commands.names()
    longer = [other for other in names if other.startswith(name.lower())]
    if longer and all(other.startswith(longer[0]) for other in longer):
        return longer[0]
    return Speller(names, is_strict=False).nearest(name.lower())


_PROGRAM: Final = "circusctl [options] command [args]"
_PROGRAM_HELP: Final = """\
Options, before or behind the command:
  --endpoint E         where circusd listens: $CIRCUSCTL_ENDPOINT or tcp://127.0.0.1:5555 if not given
  --config FILE        take that from the configuration file of circusd
  --timeout S          seconds to wait for the answer: 5 if not given, with --waiting as long as it takes
  --ssh SERVER         reach circusd through a login at [USER@]HOST[:PORT]; endpoints are those over there
  --ssh-keyfile FILE   with --ssh: log in with this private key
  --json               print the answer as one line of JSON
  --prettify           with --json: on several lines, sorted
  -e, --stop-on-error  of several commands, carry out none behind one that failed
  --version            print the version
  --help               this; with a command, all about it: circusctl help COMMAND does the same

Without a command a shell is started; commands that come from a pipe or a file, or after -, are carried out
one by one, a line each.

Exit status: 0 done; 1 no answer, or arguments that make no sense; 2 the command line can't be understood;
3 circusd refused, or what was waited for did not work. Of several commands, that of the first that failed.
"""


class _Parser(argparse.ArgumentParser):
    def __init__(self, line: str) -> None:
        super().__init__(prog="circusctl", usage=line, add_help=False, formatter_class=_formatter)
        self.add_argument("--endpoint")
        self.add_argument("--timeout", type=_seconds)
        self.add_argument("--config")
        self.add_argument("--ssh")
        self.add_argument("--ssh_keyfile", "--ssh-keyfile")
        self.add_argument("-e", "--stop-on-error", action="store_true")
        for flag in ("json", "prettify", "help", "version"):
            self.add_argument(f"--{flag}", action="store_true")

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, f"usage: {self.usage}")


def _formatter(prog: str) -> argparse.HelpFormatter:
    """Return what prints nothing here; without a width it would ask for the terminal's, 3 ms of imports."""
    return argparse.HelpFormatter(prog, width=80)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e7:
        raise argparse.ArgumentTypeError(f"must be seconds above 0, got '{text}'")
    return seconds


def _parser(command: Command[Any, Any] | None) -> _Parser:
    parser = _Parser(_PROGRAM if command is None else usage(command))
    parser.add_argument("words", nargs="*")
    for argument in command.arguments if command else ():
        if isinstance(argument, Switch):
            parser.add_argument(*_flags(argument), dest=f"given_{argument.name}", action="store_true")
        elif isinstance(argument, Option):
            parser.add_argument(
                *_flags(argument), dest=f"given_{argument.name}", choices=argument.choices or None
            )
    return parser


def _flags(argument: Switch | Option) -> list[str]:
    """Return how it is spelled on the command line, the short form first."""
    long = (argument.flag if isinstance(argument, Switch) else "") or argument.name
    return [f"-{argument.letter}", f"--{long}"] if argument.letter else [f"--{long}"]


def _settings(typed: argparse.Namespace, given: Settings) -> Settings:
    return Settings(
        endpoint=typed.endpoint or (None if typed.config else given.endpoint),
        is_endpoint_typed=typed.endpoint is not None,
        timeout=given.timeout if typed.timeout is None else typed.timeout,
        config=typed.config or (None if typed.endpoint else given.config),
        ssh=given.ssh if typed.ssh is None else typed.ssh,
        ssh_keyfile=given.ssh_keyfile if typed.ssh_keyfile is None else typed.ssh_keyfile,
        json=typed.json or given.json,
        prettify=typed.prettify or given.prettify,
        stop_on_error=typed.stop_on_error or given.stop_on_error,
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
            *_PROGRAM_HELP.splitlines(),
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
        return "/".join(_flags(argument))
    if isinstance(argument, Option):
        values = "|".join(argument.choices) if argument.choices else argument.name.upper()
        return f"{'/'.join(_flags(argument))} {values}"
    raise DriverError(f"an argument must be a Word, a Switch or an Option, got {argument!r}")
