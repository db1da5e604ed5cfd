"""circusctl without a command: a prompt at which commands are typed."""

from __future__ import annotations

import cmd
import shlex
import sys
from dataclasses import replace

from circus_core.cli.carrying_out import carry_out, version
from circus_core.cli.command_line import Line, Settings, command_help, parse
from circus_core.cli.conversation import ControlConversation
from circus_core.cli.installed import InstalledCommands
from circus_core.errors import CircusError

__all__ = ["Shell"]


class Shell(cmd.Cmd):
    """Reads lines from a terminal or a pipe; Ctrl-D or Ctrl-C leaves. Commands are those installed."""

    prompt = "(circusctl) "
    doc_header = "Documented commands (type help <topic>):"

    def __init__(self, commands: InstalledCommands, settings: Settings) -> None:
        super().__init__()
        self._commands = commands
        self._settings = settings

    def run(self) -> int:
        """Show where things stand, then serve until the end; returns the exit status."""
        print(f"circusctl {version()}")
        try:
            self.onecmd("status")
            self.cmdloop()
        except KeyboardInterrupt:
            print()
        return 0

    def onecmd(self, line: str) -> bool:
        """Carry out one line; True at the end. Nothing that is typed wrong ends the shell."""
        word, _, rest = line.strip().partition(" ")
        if word == "EOF":
            print()
            return True
        if word in ("help", "?"):
            self.do_help(rest.strip())
        elif word and word.lower() not in self._commands.names():
            print(f"*** Unknown syntax: {line}")
        elif word:
            self._run(line)
        sys.stdout.flush()
        return False

    def do_help(self, arg: str) -> None:
        """List the commands, or tell all about one."""
        if not arg:
            self.print_topics(self.doc_header, self._commands.names(), 15, 80)
            self.print_topics(self.undoc_header, ["EOF"], 15, 80)
            return
        try:
            print(command_help(self._commands.find(arg.lower())))
        except CircusError as error:
            print(f"*** {error}")

    def completenames(self, text: str, *ignored: object) -> list[str]:
        return [name for name in ("help", *self._commands.names()) if name.startswith(text)]

    def _run(self, text: str) -> None:
        try:
            line = parse(shlex.split(text), self._commands)
            if line.wants_help and line.command is not None:
                print(command_help(line.command))
            else:
                self._carry_out(self._with_settings(line))
        except SystemExit:
            pass  # argparse has said what is wrong
        except (CircusError, ValueError) as error:  # ValueError: a quote is not closed
            print(f"error: {error}", file=sys.stderr)

    @staticmethod
    def _carry_out(line: Line) -> None:
        with ControlConversation(line.settings) as daemon:
            carry_out(line, daemon)

    def _with_settings(self, line: Line) -> Line:
        """Let what was given to the program hold for the line, unless that says otherwise."""
        typed, given = line.settings, self._settings
        endpoint = typed.endpoint if typed.is_endpoint_typed else given.endpoint
        settings = Settings(
            endpoint=endpoint,
            is_endpoint_typed=typed.is_endpoint_typed,
            timeout=typed.timeout if typed.timeout != Settings().timeout else given.timeout,
            json=typed.json or given.json,
            prettify=typed.prettify or given.prettify,
        )
        return replace(line, settings=settings)
