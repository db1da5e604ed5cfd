"""The options of the plugins' sections."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from circus_core import BOOL, NUMBER, TEXT, Kind, seconds, whole
from circus_statsd.metrics import clean, read_tags

__all__ = ["KINDS", "OBSERVER_KINDS", "Settings", "read_settings"]


def _rate(value: Any) -> float:
    number = float(NUMBER.parse(value))
    if not 0 < number <= 1:
        raise ValueError(value)
    return number


def _name(value: Any) -> str:
    text = str(TEXT.parse(value)).strip()
    if not text or clean(text) != text:
        raise ValueError(value)
    return text


def _tags(value: Any) -> tuple[str, ...]:
    return read_tags(str(TEXT.parse(value)))


KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "host": TEXT,
        "port": whole(1, 65535),
        "application_name": Kind("a name without any of : | @ #", _name),
        "sample_rate": Kind("a number above 0 and at most 1", _rate),
        "tags": Kind("tags such as env:production, eu", _tags),
        "watcher_tag": BOOL,
    }
)

OBSERVER_KINDS: Final[Mapping[str, Kind]] = MappingProxyType({**KINDS, "loop_rate": seconds(0.01)})
"""Of plugins that look at something every now and then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the section of a plugin says.

    Attributes:
        host, port: where statsd listens, UDP.
        application_name: part of the prefix `circus.NAME.watcher`.
        sample_rate: which part of counters and times is sent.
        tags: of every metric, as DogStatsD has them.
        watcher_tag: the watcher is a tag, not a part of the name.
        loop_rate: seconds between two looks; None for plugins that do not look.
    """

    host: str = "localhost"
    port: int = 8125
    application_name: str = "app"
    sample_rate: float = 1.0
    tags: tuple[str, ...] = ()
    watcher_tag: bool = False
    loop_rate: float | None = None


def read_settings(config: Mapping[str, Any], default: Settings) -> Settings:
    """Read a section; other options are not looked at.

    Raises:
        ValueError: a value is not possible; the text names the option.
    """
    kinds = KINDS if default.loop_rate is None else OBSERVER_KINDS
    values: dict[str, Any] = {name: getattr(default, name) for name in Settings.__dataclass_fields__}
    for name, kind in kinds.items():
        if config.get(name) not in (None, ""):
            values[name] = _convert(name, kind.parse, kind, config[name])
    return Settings(**values)


def _convert(option: str, parse: Callable[[Any], Any], kind: Kind, value: Any) -> Any:
    try:
        return parse(value)
    except ValueError:
        hint = kind.suggest(value) if isinstance(value, str) else ""
        raise ValueError(f"{option} must be {kind.accepts}, got {value!r}" + (hint and f"; {hint}")) from None
