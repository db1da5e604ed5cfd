"""Programs of other packages, by the names under which these install them."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points
from typing import NoReturn

__all__ = ["end_as"]


def end_as(program: str) -> NoReturn:
    """Run a program with the arguments of this process, then end it.

    Raises:
        ImportError: no installed package has it.
    """
    for entry in entry_points(group="console_scripts", name=program):
        sys.exit(entry.load()())
    raise ImportError(f"there is no program {program!r}; install the package that has it")
