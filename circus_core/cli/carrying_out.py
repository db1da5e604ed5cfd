"""Carry out one command line of circusctl: ask circusd, print the answer, and say how it went."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Final

from circus_core.cli.command_line import Line, Settings
from circus_core.cli.conversation import ControlConversation
from circus_core.commands.colours import are_wanted, paint
from circus_core.commands.command import Answer, Command
from circus_core.errors import CallTimeoutError, CircusError, RefusedError

__all__ = ["DONE", "FAILED", "MISUSED", "REFUSED", "carry_out", "complain", "version"]

DONE: Final = 0
FAILED: Final = 1
MISUSED: Final = 2
REFUSED: Final = 3


def version() -> str:
    """Return the version of this distribution."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as find

    try:
        return find("circus-core")
    except PackageNotFoundError:
        return "unknown"


def carry_out(line: Line, daemon: ControlConversation, where: str = "") -> int:
    """Carry out a command line and print what comes of it, as it comes; returns the exit status.

    Args:
        where: put before what is complained about.
    """
    command = line.command
    if command is None:
        return DONE
    try:
        for answer in command.converse(daemon, line.properties()):
            is_aside = answer.is_aside and not line.settings.json
            shown = _shown(answer, command, line.settings)
            print(shown, flush=True, file=sys.stderr if is_aside else sys.stdout)
    except RefusedError as error:
        return _refused(error, command, line.settings, where)
    except CallTimeoutError:
        return complain(f"{where}{daemon.explain_silence()}")
    except CircusError as error:
        return complain(f"{where}error: {error}")
    return DONE


def complain(text: str, status: int = FAILED) -> int:
    """Print to standard error, red on a terminal; returns the exit status."""
    print(paint(text, "red") if are_wanted(sys.stderr) else text, file=sys.stderr, flush=True)
    return status


def _shown(answer: Answer, command: Command[Any, Any], settings: Settings) -> str:
    if settings.json:
        return _as_json(answer.data, prettify=settings.prettify)
    try:
        return answer.text()
    except (KeyError, TypeError, AttributeError) as error:
        what = f"the answer to '{command.name}' can't be understood: {answer.data}"
        raise CircusError(what) from error


def _refused(error: RefusedError, command: Command[Any, Any], settings: Settings, where: str) -> int:
    if not settings.json:
        return complain(where + command.error_text(str(error)), REFUSED)
    print(_as_json(error.reply, prettify=settings.prettify), flush=True)
    return REFUSED


def _as_json(reply: Mapping[str, Any], *, prettify: bool) -> str:
    import json

    if not prettify:
        return json.dumps(reply)
    text = json.dumps(reply, indent=2, sort_keys=True)
    return _coloured(text) if are_wanted(sys.stdout) else text


def _coloured(text: str) -> str:
    """Return JSON with colours for a terminal, if pygments is installed."""
    from importlib import import_module

    try:
        pygments, formatters, lexers = (
            import_module(f"pygments{part}") for part in ("", ".formatters", ".lexers")
        )
    except ImportError:
        return text
    return str(pygments.highlight(text, lexers.JsonLexer(), formatters.TerminalFormatter())).rstrip("\n")
