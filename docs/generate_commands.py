"""Write the part of docs/commands.md that says the same as the command classes.

python docs/generate_commands.py
"""

from __future__ import annotations

import inspect
import tomllib
from pathlib import Path
from typing import Any

from circus_core.cli.command_line import usage
from circus_core.commands.arguments import Argument, Option, Switch, Word
from circus_core.commands.command import Command
from circus_core.drivers import resolve_name

PAGE = Path(__file__).with_name("commands.md")
BEGIN, END = "<!-- made by generate_commands.py: begin -->", "<!-- made by generate_commands.py: end -->"


def commands() -> list[Command[Any, Any]]:
    """Return the kernel's commands, by name."""
    project = tomllib.loads((PAGE.parents[1] / "pyproject.toml").read_text())["project"]
    listed = project["entry-points"]["circus.commands"]
    return [resolve_name(listed[name])() for name in sorted(listed)]


def render() -> str:
    """Return the generated part."""
    return "\n\n".join(_section(command) for command in commands())


def _section(command: Command[Any, Any]) -> str:
    summary, _, rest = (inspect.getdoc(command) or "").partition("\n")
    role = "The role `read` may have it." if command.access == "read" else ""
    parts = [f"### {command.name}", f"{summary}.", rest.strip(), role, f"    {usage(command)}"]
    rows = [_row(argument) for argument in command.arguments]
    if rows:
        parts.append("\n".join(["| typed | in `properties` | meaning |", "|---|---|---|", *rows]))
    return "\n\n".join(part for part in parts if part)


def _row(argument: Argument) -> str:
    typed, sent, choices = f"`--{argument.name}`", f"`{argument.name}`", ""
    if isinstance(argument, Word):
        typed = f"`{argument.metavar}`"
    elif isinstance(argument, Switch):
        typed = _typed(argument.letter, argument.flag or argument.name)
        sent = f"`{argument.name}`: {str(argument.value).lower()}"
    elif isinstance(argument, Option):
        typed = _typed(argument.letter, argument.name)
        choices = f" ({', '.join(argument.choices)})" if argument.choices else ""
    return f"| {typed} | {sent} | {argument.help}{choices} |"


def _typed(letter: str, name: str) -> str:
    return f"`-{letter}`, `--{name}`" if letter else f"`--{name}`"


def page() -> str:
    """Return the page as it should be."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    return f"{before}{BEGIN}\n\n{render()}\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
