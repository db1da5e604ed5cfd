"""Reading the properties of a message: each reader raises the MessageError that clients know."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from circus_core.errors import MessageError

__all__ = ["Properties"]

_BOOLEANS: Final[Mapping[str, bool]] = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}


class Properties:
    """The `properties` object of a message. A property that is null counts as absent."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def everything(self) -> dict[str, Any]:
        """Return all of them as they came."""
        return dict(self._values)

    def text(self, key: str) -> str:
        """Return a required text."""
        return self._text(key, self._required(key))

    def optional_text(self, key: str) -> str | None:
        value = self._values.get(key)
        return None if value is None else self._text(key, value)

    def integer(self, key: str) -> int:
        """Return a required integer."""
        return self._integer(key, self._required(key))

    def optional_integer(self, key: str) -> int | None:
        value = self._values.get(key)
        return None if value is None else self._integer(key, value)

    def optional_number(self, key: str) -> float | None:
        """Return a number >= 0."""
        value = self._values.get(key)
        return None if value is None else self._number(key, value)

    def boolean(self, key: str, *, default: bool = False) -> bool:
        value = self._values.get(key)
        if value is None:
            return default
        if isinstance(value, bool):
            return value
        found = _BOOLEANS.get(str(value).lower()) if isinstance(value, int | str) else None
        if found is None:
            raise MessageError(f"'{key}' isn't a valid boolean")
        return found

    def mapping(self, key: str) -> Mapping[str, Any]:
        """Return a required object."""
        return self._mapping(key, self._required(key))

    def optional_mapping(self, key: str) -> Mapping[str, Any]:
        value = self._values.get(key)
        return {} if value is None else self._mapping(key, value)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a required array of texts; a single text counts as an array of one."""
        value = self._required(key)
        if isinstance(value, str):
            return (value,)
        if not isinstance(value, list):
            raise MessageError(f"'{key}' isn't a valid array")
        return tuple(self._text(key, item) for item in value)

    def value(self, key: str) -> Any:
        """Return a property as it came, None if absent."""
        return self._values.get(key)

    def required_value(self, key: str) -> Any:
        return self._required(key)

    def _required(self, key: str) -> Any:
        value = self._values.get(key)
        if value is None:
            raise MessageError(f"message invalid '{key}' is missing")
        return value

    @staticmethod
    def _text(key: str, value: Any) -> str:
        if not isinstance(value, str):
            raise MessageError(f"'{key}' isn't a string")
        return value

    @staticmethod
    def _integer(key: str, value: Any) -> int:
        """Accept also what old clients send: digits as text."""
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            try:
                found = int(value)
            except (ValueError, OverflowError):
                pass
            else:
                if isinstance(value, str) or found == value:
                    return found
        raise MessageError(f"'{key}' isn't an integer")

    @staticmethod
    def _number(key: str, value: Any) -> float:
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            try:
                found = float(value)
            except (ValueError, OverflowError):
                pass
            else:
                if math.isfinite(found) and found >= 0:
                    return found
        raise MessageError(f"'{key}' isn't a number")

    @staticmethod
    def _mapping(key: str, value: Any) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            raise MessageError(f"'{key}' property should be an object")
        return value
