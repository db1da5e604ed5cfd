"""Conversions of Circus 0.19: texts of options, sizes, accounts, environments."""

from __future__ import annotations

import grp
import os
import pwd
import re
import signal
from collections.abc import Mapping
from typing import Any, Final

__all__ = [
    "bytes2human",
    "convert_opt",
    "env_to_str",
    "get_default_gid",
    "get_username_from_uid",
    "human2bytes",
    "parse_env_dict",
    "parse_env_str",
    "to_bool",
    "to_bytes",
    "to_gid",
    "to_signum",
    "to_str",
    "to_uid",
]

_TRUE: Final = frozenset({"yes", "true", "on", "1"})
_FALSE: Final = frozenset({"no", "false", "off", "0"})

_POWERS: Final = (
    "B K M G T P E Z Y",
    "byte kilo mega giga tera peta exa zetta iotta",
    "Bi Ki Mi Gi Ti Pi Ei Zi Yi",
    "byte kibi mebi gibi tebi pebi exbi zebi yobi",
)
_FACTORS: Final = {word: 1024**power for words in _POWERS for power, word in enumerate(words.split())}
_SIZE: Final = re.compile(r"\s*([0-9]*\.?[0-9]+)\s*([A-Za-z]+)\s*")
_NAME: Final = re.compile(r"\$([A-Z][A-Z0-9_]*)")


def to_bool(s: str | bool | None) -> bool:
    """Return what a word such as `yes` or `off` means; ValueError for others."""
    if s is None or isinstance(s, int):
        return bool(s)
    word = s.strip().lower()
    if word not in _TRUE | _FALSE:
        raise ValueError(f"{s!r} is not a boolean")
    return word in _TRUE


def to_str(s: Any, encoding: str = "utf8", errors: str = "replace") -> str:
    """Return text; bytes are decoded."""
    return s.decode(encoding, errors) if isinstance(s, bytes) else str(s)


def to_bytes(s: Any, encoding: str = "utf8") -> bytes:
    """Return bytes; text is encoded."""
    return s if isinstance(s, bytes) else str(s).encode(encoding)


def to_signum(signum: str | int) -> int:
    """Return the number of a signal such as `QUIT`, `SIGQUIT`, `quit` or 3; ValueError for others."""
    word = str(signum).strip().upper()
    if word.isdecimal():
        return int(word)
    try:
        return int(signal.Signals[word if word.startswith("SIG") else f"SIG{word}"])
    except KeyError:
        raise ValueError(f"{signum!r} is not a signal; write a name such as TERM, or a number") from None


def to_uid(name: str | int) -> int:
    """Return the id of a user.

    Raises:
        ValueError: there is no such user.
        TypeError: this is None.
    """
    if str(_checked(name)).lstrip("-").isdecimal():
        try:
            return pwd.getpwuid(int(name)).pw_uid
        except (KeyError, OverflowError):
            raise ValueError(f"{name} isn't a valid user id") from None
    try:
        return pwd.getpwnam(str(name)).pw_uid
    except KeyError:
        raise ValueError(f"{name!r} isn't a valid user name") from None


def to_gid(name: str | int) -> int:
    """Return the id of a group; raises as `to_uid`."""
    try:
        if str(_checked(name)).lstrip("-").isdecimal():
            return grp.getgrgid(int(name)).gr_gid
        return grp.getgrnam(str(name)).gr_gid
    except (KeyError, OverflowError):
        raise ValueError(f"No such group: {name!r}") from None


def get_username_from_uid(uid: int) -> str:
    """Return the name of a user; KeyError if there is none."""
    return pwd.getpwuid(uid).pw_name


def get_default_gid(uid: int) -> int:
    """Return the group that a user belongs to; KeyError if there is no such user."""
    return pwd.getpwuid(uid).pw_gid


def bytes2human(n: int) -> str:
    """Return a size as text: `100B`, `9.77K`, `2.00G`; TypeError for anything but a whole number."""
    if not isinstance(n, int):
        raise TypeError(n)
    if abs(n) < 1024:
        return f"{int(n)}B"
    units = _POWERS[0].split()
    power = min((abs(n).bit_length() - 1) // 10, len(units) - 1)
    return f"{n / 1024**power:.2f}{units[power]}"


def human2bytes(s: str) -> int:
    """Return the bytes of a size with its unit, such as `9K` or `1.5 mega`; ValueError for others."""
    found = _SIZE.fullmatch(s)
    unit = found[2] if found else ""
    factor = _FACTORS.get("K" if unit == "k" else unit)
    if found is None or factor is None:
        raise ValueError(f"can't interpret {s!r}")
    return int(float(found[1]) * factor)


def parse_env_str(env_str: str) -> dict[str, str]:
    """Return the variables of `A=1,B=$HOME`; ValueError where there is no `=`."""
    pairs = (pair.partition("=") for pair in env_str.split(","))
    env = {}
    for name, equals, value in pairs:
        if not equals:
            raise ValueError(f"{env_str!r} is not of the form NAME=VALUE,NAME=VALUE")
        env[name.strip()] = value.strip()
    return parse_env_dict(env)


def parse_env_dict(env: Mapping[str, Any]) -> dict[str, str]:
    """Return the variables as text, stripped; a `$NAME` becomes what the environment has, or nothing."""
    return {str(name): _with_environment(str(value)) for name, value in env.items()}


def env_to_str(env: Mapping[str, Any] | None) -> str:
    """Return variables as `A=1,B=2`, sorted."""
    return ",".join(f"{name}={value}" for name, value in sorted((env or {}).items()))


def convert_opt(key: str, val: Any) -> str:
    """Return the value of an option as it is shown."""
    if val is None:
        return ""
    return env_to_str(val) if key == "env" else str(val)


def _checked(name: str | int) -> str | int:
    if not isinstance(name, (str, int)):
        raise TypeError(f"a user or group is a name or a number, got {name!r}")
    return name


def _with_environment(text: str) -> str:
    return _NAME.sub(lambda found: os.environ.get(found[1], ""), text).strip()
