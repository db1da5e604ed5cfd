"""Secrets in environments, options and command lines, found by how they are called and how they look."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["MASK", "has_mask", "mask_text", "mask_value", "mask_values"]

MASK: Final = "\u2022" * 8

_SECRET_NAME: Final = re.compile(
    r"key|token|secret|passw|passphrase|passwd|(?<!by)pass(?![a-z])|(^|_)pwd$|credential|private|(^|_)auth($|_)|"
    r"cookie|salt|signature|webhook",
    re.IGNORECASE,
)
_NO_SECRET: Final = re.compile(r"^(PWD|OLDPWD|CIRCUS_KEYS|SSH_AUTH_SOCK|KEYMAP|.*keyboard.*)$", re.IGNORECASE)
_PLACE_NAME: Final = re.compile(r"dsn", re.IGNORECASE)

# Each pattern can begin at one place of a word only: what is long is not looked at again and again.
# scheme://user:PASSWORD@host; the password ends at the last @ before the path.
_URL_PASSWORD: Final = re.compile(
    r"(?P<before>(?<![a-z0-9+.-])[a-z][a-z0-9+.-]*://[^\s/?#:@]*:)[^\s/?#]+(?=@)", re.IGNORECASE
)
_URL_USER: Final = re.compile(
    r"(?P<before>(?<![a-z0-9+.-])[a-z][a-z0-9+.-]*://)[^\s/?#]+(?=@)", re.IGNORECASE
)
# --password=X, --password X, PASSWORD=X, ?token=X; a value in quotes goes up to its end.
_ASSIGNMENT: Final = re.compile(
    r"(?<![\w.-])(?P<name>[\w.-]+)=|(?:^|(?<=\s))(?P<option>--?[\w.-]+)\s+(?![\s-])"
)
_VALUE: Final = re.compile(r"\"[^\"]*\"|'[^']*'|[^\s&;'\"]+")
_SECRET_WORD: Final = re.compile(
    r"key(?!board|map|file|_?path|_?id)|token|secret|passw(or)?d|passphrase|(?<![a-z])pass|(?<![a-z])pwd|"
    r"credential",
    re.IGNORECASE,
)
_LOOKS_SECRET: Final = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----|^eyJ[\w-]{10,}\.[\w-]{10,}\.|^(AKIA|ASIA)[A-Z0-9]{16}$|"
    r"^(ghp|gho|ghs|github_pat|glpat|xox[abp]|sk)[-_][\w-]{16,}$"
)


def mask_text(text: str) -> str:
    """Return a command line or a sentence with the secrets masked that it gives by name or in a URL."""
    return _mask_assigned(_URL_PASSWORD.sub(rf"\g<before>{MASK}", text))


def mask_value(name: str, value: str) -> str:
    """Return the value of something with a name, such as a variable, so that it can be shown."""
    if not value:
        return value
    if _is_secret(name) or _LOOKS_SECRET.search(value):
        return MASK
    if _PLACE_NAME.search(name):
        value = _URL_USER.sub(rf"\g<before>{MASK}", value)
    return mask_text(value)


def mask_values(values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return a copy that can be shown, and the names of what is masked in it: `a.b` for a value within."""
    masked: list[str] = []
    return {name: _mask_any(name, name, value, masked) for name, value in values.items()}, masked


def has_mask(value: Any) -> bool:
    """Tell whether something holds what was masked, at any depth."""
    if isinstance(value, Mapping):
        return any(map(has_mask, value.values()))
    if isinstance(value, list | tuple):
        return any(map(has_mask, value))
    return isinstance(value, str) and MASK in value


def _mask_assigned(text: str) -> str:
    pieces, done = [], 0
    for assignment in _ASSIGNMENT.finditer(text):
        name = assignment["name"] or assignment["option"]
        if assignment.start() < done or not _SECRET_WORD.search(name):
            continue
        value = _VALUE.match(text, assignment.end())
        if value is not None:
            pieces += [text[done : value.start()], MASK]
            done = value.end()
    return "".join([*pieces, text[done:]])


def _mask_any(path: str, name: str, value: Any, masked: list[str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _mask_any(f"{path}.{key}", str(key), item, masked) for key, item in value.items()}
    if isinstance(value, list | tuple):
        text = " ".join(map(str, value))
        if mask_value(name, text) == text:
            return list(value)
        masked.append(path)
        return mask_value(name, text)
    if not isinstance(value, str):
        return value
    shown = mask_value(name.rpartition(".")[2], value)
    if shown != value:
        masked.append(path)
    return shown


def _is_secret(name: str) -> bool:
    return bool(_SECRET_NAME.search(name)) and not _NO_SECRET.match(name)
