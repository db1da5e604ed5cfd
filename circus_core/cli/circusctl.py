"""`circusctl`: ask a running circusd for something and print the answer.

Exit status: 0 done; 1 no answer in time, or arguments that make no sense; 2 the command line can't be
understood; 3 circusd answered with an error.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from circus_core.cli.carrying_out import DONE, FAILED, carry_out, complain, version
from circus_core.cli.command_line import command_help, parse, program_help
from circus_core.cli.conversation import ControlConversation
from circus_core.cli.installed import InstalledCommands
from circus_core.errors import CircusError

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit status."""
    commands = InstalledCommands()
    if "AUTO_COMPLETE" in os.environ:
        print(_completions(commands))
        return FAILED  # as ever: the completion function of the shell does not look at it
    try:
        return _main(sys.argv[1:] if argv is None else argv, commands)
    except KeyboardInterrupt:
        return DONE
    except BrokenPipeError:  # the reader of our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def _main(argv: Sequence[str], commands: InstalledCommands) -> int:
    try:
        line = parse(argv, commands)
    except CircusError as error:
        return complain(f"error: {error}")
    if line.wants_version:
        print(f"circusctl {version()}")
    elif line.wants_help:
        print(program_help(commands) if line.command is None else command_help(line.command))
    elif line.command is None:
        from circus_core.cli.shell import Shell

        return Shell(commands, line.settings).run()
    else:
        with ControlConversation(line.settings) as daemon:
            return carry_out(line, daemon)
    return DONE


def _completions(commands: InstalledCommands) -> str:
    """Return the commands that can complete the first word; COMP_WORDS and COMP_CWORD are those of bash."""
    words = os.environ.get("COMP_WORDS", "").split()[1:]
    at = int(os.environ.get("COMP_CWORD") or 1)
    if at != 1:
        return ""
    begun = words[0] if words else ""
    return " ".join(name for name in commands.names() if name.startswith(begun))


if __name__ == "__main__":
    sys.exit(main())
