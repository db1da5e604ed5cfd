"""`%(name)s` in values of Supervisor: what is known is put in, the environment becomes variables of ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from circus_convert.text import Text, Variable

__all__ = ["expand", "names"]

_EXPRESSION: Final = re.compile(r"%(?:(%)|\(([^)]*)\)([#0 +-]*\d*(?:\.\d+)?[a-zA-Z])|())")
_PLAIN_FORMATS: Final = ("d", "i", "s", "u")

Known = Mapping[str, str | int | Variable]


def expand(value: str, known: Known) -> Text:
    """Return the pieces of a value.

    The environment is never looked at: `%(ENV_X)s` becomes the variable that circusd replaces.

    Raises:
        ValueError: something with `%` that Supervisor can't expand either, or that has no equivalent.
    """
    pieces: list[str | Variable] = []
    end = 0
    for match in _EXPRESSION.finditer(value):
        pieces += [value[end : match.start()], _replacement(match, known)]
        end = match.end()
    pieces.append(value[end:])
    return _joined(pieces)


def names(value: str) -> set[str]:
    """Return the names that a value uses."""
    return {match.group(2) for match in _EXPRESSION.finditer(value) if match.group(2)}


def _replacement(match: re.Match[str], known: Known) -> str | Variable:
    if match.group(1):
        return "%"
    name, form = match.group(2), match.group(3)
    if name is None:
        raise ValueError("a single '%' means nothing to Supervisor; write '%%'")
    if name.startswith("ENV_"):
        return _variable(Variable(f"env.{name.removeprefix('ENV_')}"), name, form)
    if name not in known:
        raise ValueError(f"'%({name}){form}' is nothing that Supervisor knows here")
    found = known[name]
    if isinstance(found, Variable):
        return _variable(found, name, form)
    try:
        return str(f"%{form}" % found)
    except (TypeError, ValueError):
        raise ValueError(f"'%({name}){form}' can't be formatted") from None


def _variable(variable: Variable, name: str, form: str) -> Variable:
    if form not in _PLAIN_FORMATS:
        raise ValueError(f"'%({name}){form}' is formatted in a way that circusd does not know")
    return variable


def _joined(pieces: list[str | Variable]) -> Text:
    """Put neighbouring literal pieces together and leave empty ones out."""
    text: list[str | Variable] = []
    for piece in pieces:
        if isinstance(piece, str) and text and isinstance(text[-1], str):
            text[-1] += piece
        elif piece != "":
            text.append(piece)
    return tuple(text)
