"""Text with variables in it, written so that circus-core reads the same text again.

`$(circus.NAME)`, `((circus.NAME))` and `$WID` mean something to circus-core, a `;` behind a blank begins a
comment in an ini file. To the programs that files are converted from, they are ordinary text. See
docs/configuration.md.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import Final

__all__ = ["Text", "Variable", "as_command", "as_environment", "as_option", "is_literal", "means_something"]


@dataclass(frozen=True, slots=True)
class Variable:
    """What circus-core puts in: `env.NAME` when it loads the file, `wid` when it spawns."""

    path: str

    def __str__(self) -> str:
        return f"$(circus.{self.path})"


Text = tuple[str | Variable, ...]

_MEANS_SOMETHING: Final = re.compile(
    r"[\r\n]|(?:^|\s);|[$(]\(circus\.|\$WID(?![A-Za-z0-9_])|^\s|\s$|\A\"\"\Z", re.IGNORECASE
)
_LINE_END: Final = re.compile(r"\s*\n\s*")
_PLACEHOLDERS: Final = 0xF0000  # a plane for private use
_PLACEHOLDER: Final = re.compile("([\U000f0000-\U000ffffd])")


def is_literal(text: Text) -> bool:
    """Tell whether there is no variable in it."""
    return not any(isinstance(piece, Variable) for piece in text)


def means_something(plain: str) -> bool:
    """Tell whether circus-core or an ini file would find more in a text than its characters."""
    return _MEANS_SOMETHING.search(plain) is not None


def as_option(text: Text) -> str:
    """Write the value of an option that is no command."""
    return "".join(
        str(piece)
        if isinstance(piece, Variable)
        else re.sub(r"\$(?=\(circus\.)", "$$", piece, flags=re.IGNORECASE)
        for piece in text
    )


def as_environment(text: Text) -> str:
    """Write the value of a variable in an [env] section, where `$NAME` means one of the daemon's."""
    return "".join(str(piece) if isinstance(piece, Variable) else piece.replace("$", "$$") for piece in text)


def as_command(text: Text) -> str:
    """Write a command that is split into words as shlex does: as it stands if that is possible.

    Raises:
        ValueError: its quotes are not balanced.
    """
    placed, variables = _with_placeholders(text)
    words = shlex.split(placed)
    on_one_line = tuple(_LINE_END.sub(" ", piece) if isinstance(piece, str) else piece for piece in text)
    if shlex.split(_with_placeholders(on_one_line)[0]) == words and not _has_meaning(on_one_line):
        return "".join(map(str, on_one_line))
    return " ".join(_written(word, variables) for word in words)


def _has_meaning(text: Text) -> bool:
    """Whether circus-core would find anything in the literal pieces; a `$` before a variable escapes that."""
    plain = "".join("x" if isinstance(piece, Variable) else piece for piece in text)
    return means_something(plain) or any(
        isinstance(piece, str) and piece.endswith("$") for piece in text[:-1]
    )


def _with_placeholders(text: Text) -> tuple[str, list[Variable]]:
    variables: list[Variable] = []
    placed = ""
    for piece in text:
        if isinstance(piece, Variable):
            placed += chr(_PLACEHOLDERS + len(variables))
            variables.append(piece)
        else:
            placed += piece
    return placed, variables


def _written(word: str, variables: list[Variable]) -> str:
    """Quote a word around its variables."""
    pieces = _PLACEHOLDER.split(word) if variables else [word]
    if len(pieces) == 1:
        return _quoted(word)
    return "".join(
        str(variables[ord(piece) - _PLACEHOLDERS]) if index % 2 else _quoted(piece)
        for index, piece in enumerate(pieces)
        if piece
    )


def _quoted(word: str) -> str:
    """Quote for shlex, and cut quoted text in two where circus-core or an ini file would see more in it."""
    quoted = shlex.quote(word)
    quoted = re.sub(r"\((?=circus\.)", "(''", quoted, flags=re.IGNORECASE)
    quoted = re.sub(r"\$(?=WID(?![A-Za-z0-9_]))", "$''", quoted)
    quoted = re.sub(r"(?<=\s);", "'';", quoted)
    return quoted.replace("\n", "''\n''")
