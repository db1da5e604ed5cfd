"""The command line of a command, as data: what circusctl parses, completes and explains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from circus_core.errors import MessageError
from circus_core.records import dataclass

__all__ = ["Argument", "Option", "Switch", "Word", "assign_words", "count", "integer", "number"]

Convert = Callable[[str], Any]
"""Make a value from a word; ValueError with what was expected if it can't be one."""


def integer(text: str) -> int:
    """Read a whole number."""
    try:
        return int(text)
    except ValueError:
        raise ValueError("a whole number") from None


def count(text: str) -> int:
    """Read a whole number that is not negative."""
    try:
        number = int(text)
    except ValueError:
        number = -1
    if number < 0:
        raise ValueError("a whole number >= 0")
    return number


def number(text: str) -> float:
    """Read a number."""
    try:
        return float(text)
    except ValueError:
        raise ValueError("a number") from None


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument.

    Attributes:
        name: its property in the message, unless the command's `message` says otherwise.
        help: a line for people.
    """

    name: str
    help: str


@dataclass(frozen=True, slots=True)
class Word(Argument):
    """A word by its place.

    Attributes:
        metavar: how the usage line calls it.
        is_required: optional ones may be followed by required ones: these are served first.
        is_many: takes all that are left, as a list; at least one if required.
        completes: what its values are, for completion: a name of `circus_core.cli.completion`, such as
            "watcher" or "pid", or nothing.
        choices: the values that there are, for completion; empty if there is no telling.
    """

    metavar: str = "W"
    is_required: bool = True
    is_many: bool = False
    completes: str = ""
    choices: tuple[str, ...] = ()
    convert: Convert = str


@dataclass(frozen=True, slots=True)
class Switch(Argument):
    """`--name`, without a value.

    Attributes:
        flag: its spelling if it is not its name.
        value: what it sends.
        letter: `-l` means the same.
    """

    flag: str = ""
    value: bool = True
    letter: str = ""


@dataclass(frozen=True, slots=True)
class Option(Argument):
    """`--name VALUE`; `choices` are its only values, `completes` is as in Word, `letter` as in Switch."""

    choices: tuple[str, ...] = ()
    convert: Convert = str
    completes: str = ""
    letter: str = ""


def assign_words(words: Sequence[str], arguments: Sequence[Argument]) -> dict[str, Any]:
    """Give the words of a command line to its Words.

    Raises:
        MessageError: too few, too many, or one that can't be converted.
    """
    places = [argument for argument in arguments if isinstance(argument, Word)]
    required = sum(place.is_required for place in places)
    to_spare = len(words) - required
    if to_spare < 0:
        raise MessageError("Invalid number of arguments")
    values: dict[str, Any] = {}
    left = list(words)
    for place in places:
        if place.is_many:
            values[place.name] = [convert_word(place.metavar, place.convert, word) for word in left]
            left = []
        elif place.is_required or to_spare > 0:
            to_spare -= not place.is_required
            values[place.name] = convert_word(place.metavar, place.convert, left.pop(0))
    if left:
        raise MessageError("Invalid number of arguments")
    return values


def convert_word(label: str, convert: Convert, word: str) -> Any:
    """Convert one word; MessageError naming the argument by its `label`."""
    try:
        return convert(word)
    except ValueError as error:
        raise MessageError(f"{label} must be {error}, got '{word}'") from error
