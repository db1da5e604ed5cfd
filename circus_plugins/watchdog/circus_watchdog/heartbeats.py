"""What datagrams say. Pure: bytes and the sender come in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

__all__ = ["LONGEST", "Alive", "Lost", "Patience", "read_message", "read_notification"]

LONGEST: Final = 1024
"""Bytes of a heartbeat over UDP."""


@dataclass(frozen=True, slots=True)
class Alive:
    """The process `pid` is well."""

    pid: int


@dataclass(frozen=True, slots=True)
class Lost:
    """The process `pid` says that it is beyond help."""

    pid: int


@dataclass(frozen=True, slots=True)
class Patience:
    """The process `pid` wants to be silent for as long as `seconds`."""

    pid: int
    seconds: float


def read_message(data: bytes, pattern: re.Pattern[str]) -> Alive:
    """Read a heartbeat that came over UDP.

    Raises:
        ValueError: it is none; the text says why.
    """
    if len(data) > LONGEST:
        raise ValueError(f"longer than {LONGEST} bytes")
    found = pattern.match(data.decode())  # a UnicodeDecodeError is a ValueError
    if found is None:
        raise ValueError("does not match msg_regex")
    return Alive(int(found["pid"] or ""))


def read_notification(data: bytes, sender: int) -> Iterator[Alive | Lost | Patience]:
    """Yield what a datagram of sd_notify(3) says about the watchdog; everything else is for others.

    Raises:
        ValueError: a line is malformed.
    """
    for line in data.decode().splitlines():
        key, _, value = line.partition("=")
        match key, value:
            case "WATCHDOG", "1":
                yield Alive(sender)
            case "WATCHDOG", "trigger":
                yield Lost(sender)
            case "WATCHDOG_USEC", _:
                yield Patience(sender, _microseconds(value))


def _microseconds(text: str) -> float:
    number = int(text)
    if number <= 0:
        raise ValueError("WATCHDOG_USEC must be above 0")
    return number / 1_000_000
