"""circusctl on a terminal without a command: a prompt at which commands are typed."""

from __future__ import annotations

import shlex
from types import ModuleType
from typing import Final

from circus_core.cli.carrying_out import carry_out, complain, version
from circus_core.cli.command_line import Line, Settings, command_help, parse
from circus_core.cli.completion import Completer
from circus_core.cli.conversation import ControlConversation
from circus_core.cli.history import History
from circus_core.cli.installed import InstalledCommands
from circus_core.cli.live import Live
from circus_core.cli.words import quoted, split
from circus_core.commands.colours import paint
from circus_core.errors import CircusError

__all__ = ["Shell"]

_PROMPT: Final = "(circusctl) "
_OWN: Final = {
    "exit": "Leave this shell, as Ctrl-D does; circusd goes on",
    "help": "List the commands, or tell all about one",
}
_LEAVING: Final = ("exit", "EOF")
_ENDS_THE_DAEMON: Final = "quit"


class Shell:
    """Reads lines from a terminal. Nothing that is typed wrong ends it, and no command that fails.

    Ctrl-C ends a command that runs, or drops the line that is typed; at an empty prompt it leaves, as Ctrl-D
    does. An empty line does nothing. `quit`, which ends the daemon, asks first.
    """

    def __init__(self, commands: InstalledCommands, settings: Settings, daemon: ControlConversation) -> None:
        self._commands = commands
        self._settings = settings
        self._daemon = daemon
        self._completer = Completer(commands, Live(daemon), _OWN)
        self._found: list[str] = []
        self._readline = _readline()

    def run(self) -> int:
        """Show where things stand, then serve until the end; returns the exit status."""
        print(f"circusctl {version()}")
        history = None if self._readline is None else History(self._readline)
        if history is not None:
            history.load()
            self._bind()
        try:
            self._show_states()
            while self._goes_on():
                pass
        finally:
            if history is not None:
                history.save()
        return 0

    def _show_states(self) -> None:
        try:
            self._carry_out("status")
        except KeyboardInterrupt:
            self._daemon.hang_up()
            print()

    def _goes_on(self) -> bool:
        """Read one line and carry it out; False at the end."""
        try:
            text = self._read()
            if text is None or text.strip().partition(" ")[0] in _LEAVING:
                return False
            self._carry_out(text)
        except KeyboardInterrupt:
            self._daemon.hang_up()
            print()
        return True

    def _read(self) -> str | None:
        """Return a line; None at the end of the input, and after Ctrl-C with nothing typed."""
        try:
            return input(self._prompt())
        except EOFError:
            print()
            return None
        except KeyboardInterrupt:
            print()
            is_dropped = self._readline is not None and self._readline.get_line_buffer().strip()
            return "" if is_dropped else None

    def _carry_out(self, text: str) -> None:
        try:
            self._run(text)
        except (CircusError, ValueError) as error:  # ValueError: a quote is not closed
            complain(f"error: {error}")

    def _run(self, text: str) -> None:
        words = shlex.split(text, comments=True)
        if not words:
            return
        if words[0] in ("help", "?"):
            self._help(words[1:])
            return
        line = parse(words, self._commands, self._settings)
        if line.wants_help or line.command is None:
            self._help([line.command.name] if line.command else [])
        elif self._is_meant(line):
            self._daemon.use(line.settings)
            carry_out(line, self._daemon)

    def _is_meant(self, line: Line) -> bool:
        """Ask before the daemon is ended; many a shell is left with this word."""
        if line.command is None or line.command.name != _ENDS_THE_DAEMON:
            return True
        try:
            answer = input("This ends circusd and all its watchers ('exit' leaves this shell). Go on? [y/N] ")
        except EOFError:
            print()
            return False
        if answer and self._readline is not None:
            self._readline.remove_history_item(self._readline.get_current_history_length() - 1)
        return answer.strip().lower() in ("y", "yes")

    def _help(self, words: list[str]) -> None:
        if not words:
            print(self._topics())
        elif words[0] in _OWN:
            print(_OWN[words[0]])
        else:
            print(command_help(self._commands.find(words[0].lower())))

    def _topics(self) -> str:
        header = "Documented commands (type help <topic>):"
        found = [each for each in self._completer.candidates([], "") if each.word]
        width = max(len(each.word) for each in found)
        lines = [f"  {each.word:{width}}  {each.help}" for each in found]
        return "\n".join([header, "=" * len(header), *lines, "", "Tab completes. Ctrl-D leaves."])

    # -- the line editor

    def _prompt(self) -> str:
        if not self._daemon.wants_colours:
            return _PROMPT
        if self._readline is None:
            return paint(_PROMPT, "bold")
        # \1 and \2 tell readline(3) what takes no place.
        return f"\1\x1b[1m\2{_PROMPT}\1\x1b[0m\2"

    def _bind(self) -> None:
        if self._readline is None:
            return
        is_libedit = "libedit" in (self._readline.__doc__ or "")
        self._readline.set_completer_delims(" \t\n")
        self._readline.set_completer(self._complete)
        self._readline.parse_and_bind("bind ^I rl_complete" if is_libedit else "tab: complete")

    def _complete(self, text: str, state: int) -> str | None:
        """Return the candidate with the number `state` for readline(3); it swallows what is raised."""
        if state == 0:
            self._found = self._candidates()
        return self._found[state] if state < len(self._found) else None

    def _candidates(self) -> list[str]:
        if self._readline is None:
            return []
        line = self._readline.get_line_buffer()[: self._readline.get_endidx()]
        begun = split(line)
        words = [word for word in begun.words if word not in ("help", "?")]
        found = [each.word for each in self._completer.candidates(words, begun.word)]
        # readline replaces what is behind the last blank only, which may be within quotes.
        kept = self._readline.get_begidx() - begun.start
        shown = [quoted(word, begun.quote)[kept:] for word in found]
        return [f"{word} " if len(shown) == 1 and not word.endswith("/") else word for word in shown]


def _readline() -> ModuleType | None:
    """Return the line editor, None where Python has none."""
    try:
        import readline
    except ImportError:
        return None
    return readline
