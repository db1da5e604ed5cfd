"""Commands from a pipe or a file, one to a line."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterable, Iterator

from circus_core.cli.carrying_out import DONE, FAILED, MISUSED, carry_out, complain
from circus_core.cli.command_line import Settings, UsageError, command_help, parse, program_help
from circus_core.cli.conversation import ControlConversation
from circus_core.cli.installed import InstalledCommands
from circus_core.errors import CircusError

__all__ = ["run_batch", "standard_input"]


def standard_input() -> Iterator[str]:
    """Yield the lines of standard input, as arguments are read; none if it is closed."""
    if sys.stdin is not None:
        for line in sys.stdin.buffer:
            yield os.fsdecode(line)


def run_batch(
    lines: Iterable[str], commands: InstalledCommands, settings: Settings, daemon: ControlConversation
) -> int:
    """Carry out each line over one connection; blank ones and what follows a # are nothing.

    Returns:
        The exit status of the first line that failed, 0 if none did. A failure ends it with stop_on_error
        only; complaints name the line by its number.
    """
    first = DONE
    for number, text in enumerate(lines, 1):
        status = _carry_out(text, f"line {number}: ", commands, settings, daemon)
        first = first or status
        if status and settings.stop_on_error:
            break
    return first


def _carry_out(
    text: str, where: str, commands: InstalledCommands, settings: Settings, daemon: ControlConversation
) -> int:
    try:
        words = shlex.split(text, comments=True)
        if not words:
            return DONE
        line = parse(words, commands, settings)
    except UsageError as error:
        return complain(f"{where}error: {error}", MISUSED)
    except (CircusError, ValueError) as error:  # ValueError: a quote is not closed
        return complain(f"{where}error: {error}", FAILED)
    if line.wants_help:
        print(command_help(line.command) if line.command else program_help(commands), flush=True)
        return DONE
    daemon.use(line.settings)
    return carry_out(line, daemon, where)
