"""Kinds of values: what is accepted, how text or an API value becomes the value, what to write instead."""

from __future__ import annotations

import math
import os
import re
import signal
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from circus_core.records import dataclass

__all__ = [
    "BOOL",
    "CONTROL_ENDPOINT",
    "EXIT_STATUSES",
    "GROUP",
    "HOOK",
    "MULTICAST",
    "NUMBER",
    "OCTAL",
    "OPTIONAL_TEXT",
    "OPTIONAL_WHOLE",
    "RLIMIT",
    "SIGNAL",
    "TEXT",
    "USER",
    "USERS",
    "WHOLE",
    "WORDS",
    "Kind",
    "choice",
    "positive_seconds",
    "seconds",
    "to_text",
    "whole",
    "whole_seconds",
]


def _no_idea(_text: str) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of value.

    Attributes:
        accepts: completes "must be ..." in messages and in the documentation.
        parse: makes the value from text or from a typed value; raises ValueError.
        suggest: from text that was refused, what to write instead; "" if it can't tell.
    """

    accepts: str
    parse: Callable[[Any], Any]
    suggest: Callable[[str], str] = _no_idea


# -- text ------------------------------------------------------------------------------------------


def to_text(value: Any) -> str:
    """Write a scalar the way an ini file would have it. Raises ValueError for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "True" if value else "False"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    if hasattr(value, "isoformat"):  # dates and times of toml
        return str(value.isoformat())
    raise ValueError(value)


def _text(value: Any) -> str:
    if isinstance(value, (bool, float)):
        raise ValueError(value)
    return to_text(value)


def _optional_text(value: Any) -> str | None:
    return _text(value) or None


def _words(value: Any) -> str | tuple[str, ...]:
    if isinstance(value, (list, tuple)):
        return tuple(to_text(item) for item in value)
    return _text(value)


TEXT: Final = Kind("text", _text)
OPTIONAL_TEXT: Final = Kind("text", _optional_text)
WORDS: Final = Kind("text or a list of texts", _words)

# -- bool ------------------------------------------------------------------------------------------

_BOOLEANS: Final[Mapping[str, bool]] = {
    "yes": True,
    "true": True,
    "on": True,
    "1": True,
    "no": False,
    "false": False,
    "off": False,
    "0": False,
}


def _bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    try:
        return _BOOLEANS[to_text(value).strip().lower()]
    except KeyError:
        raise ValueError(value) from None


def _nearest(word: str, words: Iterable[str], likeness: float = 0.6) -> str:
    """Return the word that resembles it most, nothing if none is as like as that (0 to 1)."""
    from difflib import get_close_matches  # for mistakes only

    return next(iter(get_close_matches(word, list(words), 1, likeness)), "")


def _nearest_bool(text: str) -> str:
    near = _nearest(text.strip().lower(), [word for word in _BOOLEANS if len(word) > 1], 0.7)
    return f"write {near}" if near else ""


BOOL: Final = Kind("yes, true, on, 1 or no, false, off, 0", _bool, _nearest_bool)

# -- numbers ---------------------------------------------------------------------------------------

_LEADING_INTEGER: Final = re.compile(r"\s*([+-]?[0-9]+)")
_LEADING_NUMBER: Final = re.compile(r"\s*([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))")


def _integer(value: Any) -> int:
    if isinstance(value, bool):
        raise ValueError(value)
    if isinstance(value, float):
        if not value.is_integer():
            raise ValueError(value)
        return int(value)
    return int(value) if isinstance(value, int) else int(to_text(value))


def _float(value: Any) -> float:
    if isinstance(value, bool):
        raise ValueError(value)
    number = float(value if isinstance(value, (int, float)) else to_text(value))
    if not math.isfinite(number):
        raise ValueError(value)
    return number


def _within(low: float | None, high: float | None, number: Any) -> Any:
    if (low is not None and number < low) or (high is not None and number > high):
        raise ValueError(number)
    return number


def _range_text(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f" from {low} to {high}"
    return "" if low is None else f" >= {low}"


def whole(low: int | None = None, high: int | None = None) -> Kind:
    """A whole number between the bounds, which are included."""

    def parse(value: Any) -> int:
        return int(_within(low, high, _integer(value)))

    return Kind(f"a whole number{_range_text(low, high)}", parse, _leading(_LEADING_INTEGER, parse))


def _optional_whole(value: Any) -> int | None:
    return None if value == "" else _within(-20, 19, _integer(value))


def _leading(pattern: re.Pattern[str], parse: Callable[[Any], Any]) -> Callable[[str], str]:
    """A suggestion: the number that the text starts with, if that one would be accepted."""

    def suggest(text: str) -> str:
        number = pattern.match(text)
        if number is None or number.end() == len(text):
            return ""
        try:
            parse(number.group(1))
        except ValueError:
            return ""
        return f"write {number.group(1)}"

    return suggest


WHOLE: Final = whole()
NUMBER: Final = Kind("a number", _float, _leading(_LEADING_NUMBER, _float))
OPTIONAL_WHOLE: Final = Kind("a whole number from -20 to 19", _optional_whole)

# -- durations -------------------------------------------------------------------------------------

_DURATION: Final = re.compile(r"([+-]?[0-9.]+)\s*(ms|s|m|h|d)")
_SECONDS: Final[Mapping[str, float]] = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


def _duration(value: Any) -> float:
    """Seconds, as a number or with one of the units ms, s, m, h, d."""
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        return _float(value)
    return _float(match.group(1)) * _SECONDS[match.group(2)]


def seconds(low: float | None = 0) -> Kind:
    """A duration in seconds, fractions allowed, not below `low`."""

    def parse(value: Any) -> float:
        return float(_within(low, None, _duration(value)))

    return Kind(f"seconds{_range_text(low, None)}", parse, _leading(_LEADING_NUMBER, parse))


def positive_seconds() -> Kind:
    """A duration above zero."""

    def parse(value: Any) -> float:
        number = _duration(value)
        if number <= 0:
            raise ValueError(value)
        return number

    return Kind("seconds > 0", parse, _leading(_LEADING_NUMBER, parse))


def whole_seconds() -> Kind:
    """A duration of whole seconds, 0 or more."""

    def parse(value: Any) -> int:
        return int(_within(0, None, _integer(_duration(value))))

    return Kind("whole seconds >= 0", parse, _leading(_LEADING_INTEGER, parse))


# -- sizes, limits, modes --------------------------------------------------------------------------

_SIZE: Final = re.compile(r"([0-9]+)\s*([kmgt])(?:i?b)?", re.IGNORECASE)
_BYTES: Final[Mapping[str, int]] = {"k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_UNLIMITED: Final = ("", "-1", "unlimited", "infinity")


def _rlimit(value: Any) -> int | None:
    """None is no limit; K, M, G, T (also KB, KiB ...) are powers of 1024."""
    if value is None:
        return None
    text = to_text(value).strip().lower() if not isinstance(value, (bool, float)) else _refuse(value)
    if text in _UNLIMITED:
        return None
    size = _SIZE.fullmatch(text)
    if size is not None:
        return int(size.group(1)) * _BYTES[size.group(2).lower()]
    return int(_within(0, None, int(text)))


def _bytes(value: Any) -> int:
    number = _rlimit("0" if value == "" else value)
    if number is None:
        raise ValueError(value)
    return number


def _refuse(value: Any) -> str:
    raise ValueError(value)


def _octal(value: Any) -> int | None:
    """A file mode mask: text is octal, a number is taken as it is."""
    if value is None or value == "":
        return None
    number = value if isinstance(value, int) and not isinstance(value, bool) else int(_text(value).strip(), 8)
    return int(_within(0, 0o777, number))


RLIMIT: Final = Kind(
    "a whole number >= 0, or empty for no limit", _rlimit, _leading(_LEADING_INTEGER, _rlimit)
)
SIZE: Final = Kind(
    "a whole number >= 0, K, M, G and T are powers of 1024", _bytes, _leading(_LEADING_INTEGER, _bytes)
)
OCTAL: Final = Kind("an octal number from 000 to 777", _octal)

# -- signals ---------------------------------------------------------------------------------------

_SIGNAL: Final = re.compile(r"(?:SIG)?([A-Z][A-Z0-9]*)\s*(?:([+-])\s*([0-9]+))?")


def _signal_names() -> dict[str, int]:
    """Every signal by its name without `SIG`."""
    return {
        name.removeprefix("SIG"): int(getattr(signal, name))
        for name in dir(signal)
        if name.startswith("SIG") and not name.startswith("SIG_") and name not in ("SIGEV",)
    }


def _signal(value: Any) -> int:
    """A number, or a name with or without SIG in any case, also `SIGRTMIN+1`."""
    if isinstance(value, (bool, float)):
        raise ValueError(value)
    if isinstance(value, int):
        return _valid_signal(int(value))
    text = to_text(value).strip().upper()
    if text.isdigit():
        return _valid_signal(int(text))
    match = _SIGNAL.fullmatch(text)
    base = _signal_names().get(match.group(1)) if match else None
    if match is None or base is None:
        raise ValueError(value)
    offset = int(match.group(3) or 0)
    return _valid_signal(base - offset if match.group(2) == "-" else base + offset)


def _valid_signal(number: int) -> int:
    if number not in signal.valid_signals():
        raise ValueError(number)
    return number


def _nearest_signal(text: str) -> str:
    name = text.strip().upper().removeprefix("SIG")
    near = _nearest(name, _signal_names())
    return f"write SIG{near}" if near else ""


SIGNAL: Final = Kind("a signal name or number", _signal, _nearest_signal)

# -- users, addresses, words -----------------------------------------------------------------------

_ACCOUNT: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.@\\-]*\$?")


def _account(value: Any) -> str | int | None:
    """A name as text, a number as int; whether it exists is asked when a process is spawned."""
    if isinstance(value, (bool, float)):
        raise ValueError(value)
    if isinstance(value, int):
        return int(_within(0, 2**32 - 2, value))
    text = to_text(value).strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return int(_within(0, 2**32 - 2, int(text)))
    if not _ACCOUNT.fullmatch(text):
        raise ValueError(value)
    return text


def _accounts(value: Any) -> tuple[str | int, ...]:
    items = value if isinstance(value, (list, tuple)) else to_text(value or "").split(",")
    return tuple(account for item in items if (account := _account(item)) is not None)


def _exit_statuses(value: Any) -> tuple[int, ...]:
    if isinstance(value, int) and not isinstance(value, bool):
        value = (value,)
    items = (
        value if isinstance(value, (list, tuple)) else [word for word in to_text(value).split(",") if word]
    )
    return tuple(int(_within(0, 255, _integer(item))) for item in items)


EXIT_STATUSES: Final = Kind("whole numbers from 0 to 255, separated by commas", _exit_statuses)
USER: Final = Kind("a user name or number", _account)
USERS: Final = Kind("user names or numbers, separated by commas", _accounts)
GROUP: Final = Kind("a group name or number", _account)

_TCP: Final = re.compile(r"tcp://.+:(\*|[0-9]{1,5})")
_IPC: Final = re.compile(r"(ipc|inproc)://.+")
_UDP: Final = re.compile(r"udp://((?:[0-9]{1,3}\.){3}[0-9]{1,3}):([0-9]{1,5})")


def _control_endpoint(value: Any) -> str:
    text = _text(value).strip()
    tcp = _TCP.fullmatch(text)
    if tcp is None and not _IPC.fullmatch(text):
        raise ValueError(value)
    if tcp is not None and tcp.group(1) != "*":
        _within(0, 65535, int(tcp.group(1)))
    return text


def _multicast(value: Any) -> str | None:
    text = _text(value or "").strip()
    if not text:
        return None
    match = _UDP.fullmatch(text)
    if match is None:
        raise ValueError(value)
    for number in match.group(1).split("."):
        _within(0, 255, int(number))
    _within(1, 65535, int(match.group(2)))
    return text


CONTROL_ENDPOINT: Final = Kind("tcp://HOST:PORT or ipc://PATH", _control_endpoint)
MULTICAST: Final = Kind("udp://ADDRESS:PORT", _multicast)


def choice(*words: str) -> Kind:
    """One of a few words, in any case; the value is spelled as in `words`."""
    spelling = {word.lower(): word for word in words}

    def parse(value: Any) -> str:
        try:
            return spelling[_text(value).strip().lower()]
        except KeyError:
            raise ValueError(value) from None

    def suggest(text: str) -> str:
        near = _nearest(text.strip().lower(), spelling)
        return f"write {spelling[near]}" if near else ""

    return Kind("one of " + ", ".join(words), parse, suggest)


# -- hooks -----------------------------------------------------------------------------------------

_TARGET: Final = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*(?:[.:][^\W\d]\w*)(?:\.[^\W\d]\w*)*")


def _hook(value: Any) -> tuple[Any, bool]:
    """`a.b.c[, flag]` or `a.b:c`; through the API also a callable or a pair (target, flag)."""
    if callable(value):
        return value, False
    if isinstance(value, (list, tuple)):
        target, flag = value if len(value) == 2 else (*value, False)
        return (target if callable(target) else _target(target)), _bool(flag)
    target, comma, flag = _text(value).partition(",")
    return _target(target), _bool(flag) if comma else False


def _target(value: Any) -> str:
    text = _text(value).strip()
    if not _TARGET.fullmatch(text):
        raise ValueError(value)
    return text


HOOK: Final = Kind("module.function, optionally followed by a comma and yes or no", _hook)
