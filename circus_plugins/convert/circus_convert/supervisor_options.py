"""The options of one section of Supervisor, by kind of value, with what `%(name)s` means in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from circus_convert.expansions import Known, expand
from circus_convert.problems import ConvertError, Place
from circus_convert.supervisor_file import SupervisorOption, SupervisorSection
from circus_convert.text import Text, as_option, is_literal

__all__ = ["Options"]

_WORDS: Final = {
    **dict.fromkeys(("true", "yes", "on", "t", "1"), True),
    **dict.fromkeys(("false", "no", "off", "f", "0"), False),
}
_ASSIGNMENT: Final = re.compile(r"""\s*([^\s=,"']+)\s*=\s*("[^"]*"|'[^']*'|[^,\s]*)\s*(?:,\s*|\Z)""")


class Options:
    """Reads the options of a section; a value that can't be used is a ConvertError with its place."""

    def __init__(self, section: SupervisorSection, known: Known | None = None) -> None:
        self.section = section
        self._known = dict(known or {})

    def __contains__(self, key: str) -> bool:
        return key in self.section.options

    def with_known(self, known: Known) -> Options:
        """Return the same options, of which more is known."""
        return Options(self.section, {**self._known, **known})

    def place(self, key: str) -> Place:
        option = self.section.options.get(key)
        return self.section.place if option is None else option.place

    def raw(self, key: str) -> str:
        """Return a value as it is written, "" if there is none."""
        option = self.section.options.get(key)
        return "" if option is None else option.value

    def text(self, key: str) -> Text | None:
        """Return a value, None if it is absent or empty."""
        option = self.section.options.get(key)
        return self._expanded(key, option.value, option) or None if option is not None else None

    def word(self, key: str, default: str = "") -> str:
        """Return a value as the value of an option of circus-core; it may hold variables."""
        text = self.text(key)
        return default if text is None else as_option(text)

    def flag(self, key: str, *, default: bool) -> bool:
        word = self.word(key).strip().lower()
        if not word:
            return default
        if word not in _WORDS:
            raise ConvertError(f"{self.place(key)}: {key} must be true or false, got {self.raw(key)!r}")
        return _WORDS[word]

    def whole(self, key: str, default: int) -> int:
        """Return a whole number that must be known now."""
        text = self.text(key)
        if text is None:
            return default
        try:
            return int(as_option(text))
        except ValueError:
            hint = "" if is_literal(text) else "; write the number instead of a variable"
            what = f"{key} must be a whole number, got {self.raw(key)!r}{hint}"
            raise ConvertError(f"{self.place(key)}: {what}") from None

    def assignments(self, key: str) -> Iterator[tuple[str, Text]]:
        """Yield the variables of an `environment`."""
        option = self.section.options.get(key)
        if option is None:
            return
        position, last = 0, ""
        while option.value[position:].strip():
            match = _ASSIGNMENT.match(option.value, position)
            if match is None:  # the text itself may be secret
                behind = f" behind {last}" if last else ""
                raise ConvertError(f'{option.place}: {key}{behind}: not NAME="value",NAME="value"')
            last, position = match.group(1), match.end()
            yield last, self._expanded(key, match.group(2).strip("\"'"), option)

    def _expanded(self, key: str, value: str, option: SupervisorOption) -> Text:
        known: Known = {"here": option.here, **self._known}
        try:
            return expand(value, known)
        except ValueError as error:
            raise ConvertError(f"{option.place}: {key}: {error}") from None
