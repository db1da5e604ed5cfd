"""What may follow on a command line of circusctl: for the shell of circusctl, and for bash, zsh and fish."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from circus_core.cli.command_line import PROGRAM_FLAGS, PROGRAM_VALUES
from circus_core.cli.installed import InstalledCommands
from circus_core.cli.live import Live
from circus_core.commands.arguments import Argument, Option, Switch, Word
from circus_core.commands.command import Command
from circus_core.errors import CircusError
from circus_core.records import dataclass, field

__all__ = ["KINDS", "Candidate", "Completer"]

KINDS: Final = (
    "",
    "command",
    "file",
    "globaloption",
    "option",
    "pid",
    "setting",
    "signal",
    "socket",
    "watcher",
)
"""What an argument can say that its values are. `option` and `pid` are of the watcher that stands before;
`setting` is an option and its value in turn."""

_FILES: Final = ("config", "ssh-keyfile", "ssh_keyfile")
_HIDDEN: Final = ("ssh_keyfile",)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to go on: the whole word, and what it is."""

    word: str
    help: str = ""


class Completer:
    """Finds the candidates. `extra` are further words with their help that may stand for a command."""

    def __init__(
        self, commands: InstalledCommands, live: Live, extra: Mapping[str, str] | None = None
    ) -> None:
        self._commands = commands
        self._live = live
        self._extra = dict(extra or {})

    def candidates(self, words: Sequence[str], begun: str) -> list[Candidate]:
        """Return what the word that is begun can become.

        Args:
            words: those before it, without the program.
            begun: what there is of it.
        """
        line = _Line.read(words, self._commands)
        found = self._all(line, begun)
        return [each for each in dict.fromkeys(found) if each.word.lower().startswith(begun.lower())]

    def _all(self, line: _Line, begun: str) -> Iterable[Candidate]:
        if line.waits_for is not None:
            return self._values_of(line.waits_for, line, begun)
        if begun.startswith("-") and not line.has_dashes:
            option, equals, value = begun.partition("=")
            if not equals:
                return _switches(line)
            return [
                Candidate(f"{option}={each.word}", each.help) for each in self._values_of(option, line, value)
            ]
        if line.is_first:
            return self._first_words()
        return [each for word in _places(line) for each in self._of_argument(word, line, begun)]

    def _first_words(self) -> list[Candidate]:
        names = [Candidate(name, self._summary(name)) for name in self._commands.names()]
        return sorted(
            [*names, *(Candidate(*item) for item in self._extra.items())], key=lambda each: each.word
        )

    def _summary(self, name: str) -> str:
        try:
            return (self._commands.find(name).__doc__ or "").strip().partition("\n")[0]
        except CircusError:
            return ""

    def _values_of(self, option: str, line: _Line, begun: str) -> list[Candidate]:
        if option.removeprefix("--") in _FILES:
            return _paths(begun)
        for argument in line.options():
            if option in _spellings(argument) and isinstance(argument, Option):
                return self._of_argument(argument, line, begun)
        return []

    def _of_argument(self, argument: Word | Option, line: _Line, begun: str) -> list[Candidate]:
        if argument.choices:
            return [Candidate(choice) for choice in argument.choices]
        watcher = line.words[0] if line.words else ""
        finders: Mapping[str, Callable[[], Iterable[Candidate]]] = {
            "watcher": lambda: (Candidate(*item) for item in self._live.watchers().items()),
            "pid": lambda: map(Candidate, self._live.pids(watcher)),
            "signal": lambda: map(Candidate, _signals()),
            "option": lambda: map(Candidate, self._live.options(watcher) or _settable()),
            "setting": lambda: self._settings(line, watcher),
            "globaloption": lambda: map(Candidate, self._live.global_options()),
            "socket": lambda: map(Candidate, self._live.sockets()),
            "command": self._first_words,
            "file": lambda: _paths(begun),
        }
        return list(finders.get(argument.completes, list)())

    def _settings(self, line: _Line, watcher: str) -> Iterable[Candidate]:
        """Return names of options, or values of the one that stands before."""
        typed = line.words[1:]
        if len(typed) % 2 == 0:
            return [Candidate(name) for name in _settable()]
        from circus_core.commands.watcher_options import suggest

        key = typed[-1].lower()
        current = self._live.options(watcher).get(key)
        values = dict.fromkeys(suggest(key), "")
        if isinstance(current, int | float | str) and not isinstance(current, bool):
            values[str(current)] = "as it is"
        return [Candidate(value, help) for value, help in values.items() if value]


@dataclass(slots=True)
class _Line:
    """The finished words.

    Attributes:
        command: None if there is none yet, or none of this name.
        is_first: the next word is the command.
        words: those of the command, in order.
        given: the options and switches.
        waits_for: the option whose value comes next.
        has_dashes: `--` was among them: no options any more.
    """

    command: Command[Any, Any] | None = None
    is_first: bool = True
    words: list[str] = field(default_factory=list)
    given: list[str] = field(default_factory=list)
    waits_for: str | None = None
    has_dashes: bool = False

    @classmethod
    def read(cls, words: Sequence[str], commands: InstalledCommands) -> _Line:
        line = cls()
        for word in words:
            line._take(word, commands)
        return line

    def arguments(self) -> Sequence[Argument]:
        """Return what the command takes."""
        return self.command.arguments if self.command else ()

    def options(self) -> list[Argument]:
        """Return the options and switches of the command."""
        return [argument for argument in self.arguments() if not isinstance(argument, Word)]

    def _take(self, word: str, commands: InstalledCommands) -> None:
        if self.waits_for is not None:
            self.waits_for = None
        elif word == "--":
            self.has_dashes = True
        elif word.startswith("-") and word != "-" and not self.has_dashes:
            self.given.append(word.partition("=")[0])
            if self._takes_value(word):
                self.waits_for = word
        elif self.is_first:
            self.is_first = False
            with contextlib.suppress(CircusError):
                self.command = commands.find(word.lower())
        else:
            self.words.append(word)

    def _takes_value(self, word: str) -> bool:
        if word.removeprefix("--") in PROGRAM_VALUES:
            return True
        return any(word in _spellings(option) for option in self.options() if isinstance(option, Option))


def _switches(line: _Line) -> list[Candidate]:
    """Return the options that are not given yet, those of the command first."""
    own = [Candidate(_spellings(option)[0], option.help) for option in line.options()]
    program = [
        Candidate(f"--{name}", "of circusctl")
        for name in sorted({*PROGRAM_VALUES, *PROGRAM_FLAGS} - {*_HIDDEN})
    ]
    return [each for each in dict.fromkeys([*own, *program]) if each.word not in line.given]


def _spellings(argument: Argument) -> list[str]:
    """Return how an option is written, the long way first."""
    name = (argument.flag if isinstance(argument, Switch) else "") or argument.name
    letter = argument.letter if isinstance(argument, Switch | Option) else ""
    return [f"--{name}", *([f"-{letter}"] if letter else [])]


def _places(line: _Line) -> list[Word]:
    """Return the arguments that the next word can be: optional ones may have been left out."""
    at, required, found = len(line.words), 0, []
    for place, word in enumerate(each for each in line.arguments() if isinstance(each, Word)):
        if required <= at and (at <= place or word.is_many):
            found.append(word)
        required += word.is_required
    return found


def _signals() -> list[str]:
    return sorted(each.name.removeprefix("SIG") for each in signal.Signals)


def _settable() -> list[str]:
    from circus_core.commands.watcher_options import settable

    return settable()


def _paths(begun: str) -> list[Candidate]:
    """Return the files and folders that a path can become, folders with a slash."""
    folder, name = os.path.split(begun)
    try:
        entries = sorted(os.scandir(os.path.expanduser(folder) or "."), key=lambda entry: entry.name)
    except OSError:
        return []
    return [
        Candidate(os.path.join(folder, entry.name) + ("/" if entry.is_dir() else ""))
        for entry in entries
        if entry.name.startswith(name) and (name or not entry.name.startswith("."))
    ]
