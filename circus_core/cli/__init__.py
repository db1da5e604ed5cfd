"""The programs: each builds what it needs and runs it.

For programs that start one of ours under a name of their own; each function imports what it runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from circus_core.commands.command import Command

__all__ = ["run_circus_plugin", "run_circusctl", "run_circusd"]


def run_circusd(argv: Sequence[str] | None = None) -> int:
    """Run circusd with these arguments, or those of the process; returns the exit status."""
    from circus_core.cli.circusd import main

    return main(argv)


def run_circusctl(
    argv: Sequence[str] | None = None, *, more_commands: Mapping[str, Command[Any, Any]] | None = None
) -> int:
    """Run circusctl with these arguments, or those of the process; returns the exit status.

    Args:
        more_commands: by name, besides those that installed packages provide.
    """
    from circus_core.cli.circusctl import main

    return main(argv, more_commands=more_commands)


def run_circus_plugin(argv: Sequence[str] | None = None) -> int:
    """Run circus-plugin with these arguments, or those of the process; returns the exit status."""
    from circus_core.cli.circus_plugin import main

    return main(argv)
