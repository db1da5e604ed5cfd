"""Options as fields of dataclasses: each says its kind and default once, and text becomes their values."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from circus_core import TEXT, Kind, seconds, whole

__all__ = [
    "FRACTION",
    "OPTIONAL_TEXT",
    "PERIOD",
    "PORT",
    "ObserverOptions",
    "kinds_of",
    "option",
    "read_options",
]

OptionsT = TypeVar("OptionsT")

PERIOD = seconds(0.01)
PORT = whole(1, 65535)
OPTIONAL_TEXT = Kind("text", lambda value: str(TEXT.parse(value)).strip() or None)


def _fraction(value: Any) -> float:
    number = float(value)
    if not 0 < number <= 1:
        raise ValueError(value)
    return number


FRACTION = Kind("a number > 0, at most 1", _fraction)


def option(default: Any, kind: Kind) -> Any:
    """Declare a field."""
    return dataclasses.field(default=default, metadata={"kind": kind})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ObserverOptions:
    """What all observers that send metrics have.

    Attributes:
        loop_rate: seconds between two looks.
        host, port: of the statsd server.
        application_name: part of the names of metrics.
        sample_rate: share of counters and timers that are sent.
    """

    loop_rate: float = option(60.0, PERIOD)
    host: str = option("localhost", TEXT)
    port: int = option(8125, PORT)
    application_name: str = option("app", TEXT)
    sample_rate: float = option(1.0, FRACTION)


def kinds_of(options: type[Any]) -> dict[str, Kind]:
    """Return what the fields of such a dataclass accept."""
    return {field.name: field.metadata["kind"] for field in dataclasses.fields(options)}


def read_options(kind: type[OptionsT], config: Mapping[str, Any], prefix: str = "") -> OptionsT:
    """Return the options that a configuration gives; other keys are not looked at.

    Raises:
        ValueError: a value is not possible; the text names the option.
    """
    given = {}
    for name, accepted in kinds_of(kind).items():
        value = config.get(prefix + name)
        if value is not None:
            given[name] = _parse(prefix + name, accepted, value)
    return kind(**given)


def _parse(name: str, kind: Kind, value: Any) -> Any:
    try:
        return kind.parse(value)
    except (TypeError, ValueError):
        hint = kind.suggest(str(value))
        raise ValueError(
            f"{name} must be {kind.accepts}, got {value!r}{'; ' + hint if hint else ''}"
        ) from None
