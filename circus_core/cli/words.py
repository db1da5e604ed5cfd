"""A line of words, as far as it is typed."""

from __future__ import annotations

import shlex

from circus_core.records import dataclass

__all__ = ["Begun", "quoted", "split"]


@dataclass(frozen=True, slots=True)
class Begun:
    """A line up to the cursor.

    Attributes:
        words: the finished ones.
        word: the last one, as far as it is typed, without quotes.
        start: where it begins in the line, with its quote.
        quote: the quote that is open: ', " or nothing.
    """

    words: tuple[str, ...]
    word: str
    start: int
    quote: str = ""


def split(line: str) -> Begun:
    """Take a line apart as sh(1) does; what is not finished is the last word."""
    words: list[str] = []
    word, start, quote = "", len(line), ""
    is_in_word = is_escaped = False
    for at, character in enumerate(line):
        if not is_in_word and not character.isspace():
            is_in_word, start = True, at
        if is_escaped:
            word, is_escaped = word + character, False
        elif quote:
            if character == quote:
                quote = ""
            elif character == "\\" and quote == '"':
                is_escaped = True
            else:
                word += character
        elif character in "'\"":
            quote = character
        elif character == "\\":
            is_escaped = True
        elif character.isspace():
            if is_in_word:
                words.append(word)
            word, is_in_word, start = "", False, len(line)
        else:
            word += character
    return Begun(tuple(words), word, start, quote)


def quoted(word: str, quote: str = "") -> str:
    """Write a word so that a shell takes it for one; in the quotes that were begun, if any were."""
    if quote and quote not in word:
        return f"{quote}{word}{quote}"
    return shlex.quote(word)
