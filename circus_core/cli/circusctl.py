"""`circusctl`: ask a running circusd for something and print the answer.

Exit status: 0 done; 1 no answer in time, or arguments that make no sense; 2 the command line can't be
understood; 3 circusd answered with an error.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from circus_core.cli.carrying_out import DONE, FAILED, MISUSED, carry_out, complain, version
from circus_core.cli.command_line import Line, UsageError, command_help, parse, program_help
from circus_core.cli.conversation import ControlConversation
from circus_core.cli.installed import InstalledCommands
from circus_core.errors import CircusError

if TYPE_CHECKING:
    from circus_core.commands.command import Command

__all__ = ["main"]

_SOME: Final = 100_000
"""New objects after which garbage is looked for: not while one question is asked."""


def main(
    argv: Sequence[str] | None = None, *, more_commands: Mapping[str, Command[Any, Any]] | None = None
) -> int:
    """Run the program; returns its exit status.

    Args:
        argv: its words, where another program calls it; None: those of the process, which it has for itself.
        more_commands: by name, besides those that installed packages provide.
    """
    commands = InstalledCommands(more=more_commands)
    if argv is not None:
        return _answered(argv, commands)
    gc.set_threshold(_SOME)
    try:
        return _answered(sys.argv[1:], commands)
    finally:
        gc.freeze()  # nor at the end of the interpreter


def _answered(words: Sequence[str], commands: InstalledCommands) -> int:
    try:
        if "CIRCUSCTL_COMPLETE" in os.environ:
            from circus_core.cli.tab_key import complete

            return complete(words, commands)
        if "AUTO_COMPLETE" in os.environ:
            print(_first_words(commands))
            return FAILED  # as ever: the completion function of 0.19 does not look at it
        return _main(words, commands)
    except KeyboardInterrupt:
        return DONE
    except BrokenPipeError:  # the reader of our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def _main(words: Sequence[str], commands: InstalledCommands) -> int:
    try:
        line = parse(words, commands)
    except UsageError as error:
        return complain(f"{error.usage}\ncircusctl: error: {error}", MISUSED)
    except CircusError as error:
        return complain(f"error: {error}")
    if line.wants_version:
        print(f"circusctl {version()}")
    elif line.wants_help:
        print(program_help(commands) if line.command is None else command_help(line.command))
    else:
        with ControlConversation(line.settings) as daemon:
            return _run(line, commands, daemon)
    return DONE


def _run(line: Line, commands: InstalledCommands, daemon: ControlConversation) -> int:
    if line.command is not None:
        return carry_out(line, daemon)
    if line.is_batch or sys.stdin is None or not sys.stdin.isatty():
        from circus_core.cli.batch import run_batch, standard_input

        return run_batch(standard_input(), commands, line.settings, daemon)
    from circus_core.cli.shell import Shell

    return Shell(commands, line.settings, daemon).run()


def _first_words(commands: InstalledCommands) -> str:
    """Return the commands that can complete the first word; COMP_WORDS and COMP_CWORD are those of bash."""
    words = os.environ.get("COMP_WORDS", "").split()[1:]
    at = int(os.environ.get("COMP_CWORD") or 1)
    if at != 1:
        return ""
    begun = words[0] if words else ""
    return " ".join(name for name in commands.names() if name.startswith(begun))


if __name__ == "__main__":
    sys.exit(main())
