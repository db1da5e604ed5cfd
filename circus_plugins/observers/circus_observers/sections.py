"""The options of the section of each plugin. circusd reads this file: it imports none of the plugins."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import Any, Final

from circus_core import BOOL, NUMBER, TEXT, Kind, seconds, whole
from circus_observers.options import OPTIONAL_TEXT, PERIOD, ObserverOptions, kinds_of, option
from circus_observers.usage import Amount, Limits, parse_amount

__all__ = [
    "COMMAND_RELOADER",
    "HTTP_OBSERVER",
    "REDIS_OBSERVER",
    "RESOURCE_WATCHER",
    "HttpOptions",
    "RedisOptions",
    "ReloaderOptions",
    "ResourceOptions",
]


def _signal(value: Any) -> int:
    text = str(value).strip().upper()
    if text.isdigit():
        return int(signal.Signals(int(text)))
    try:
        return int(signal.Signals[text if text.startswith("SIG") else f"SIG{text}"])
    except KeyError:
        raise ValueError(value) from None


MEMORY = Kind("a number of percent, or one with a unit such as 100M", parse_amount)
SIGNAL = Kind("a signal, by number or name", _signal)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceOptions(ObserverOptions):
    """Attributes:
    watcher: whose processes are looked at; `service` is its old name.
    max_cpu, min_cpu: percent of one processor; 0 for max_cpu: not tested.
    max_mem, min_mem: percent, or resident bytes if they have a unit; 0: not tested.
    health_threshold: percent; 0: not tested.
    max_count: how often in a row something may be wrong.
    process_children: each direct child of a process is looked at too, on its own.
    child_signal: what such a child gets.
    """

    watcher: str | None = option(None, OPTIONAL_TEXT)
    service: str | None = option(None, OPTIONAL_TEXT)
    max_cpu: float = option(90.0, NUMBER)
    min_cpu: float | None = option(None, NUMBER)
    max_mem: Amount = option(Amount(90), MEMORY)  # noqa: RUF009  it makes a field
    min_mem: Amount | None = option(None, MEMORY)  # noqa: RUF009
    health_threshold: float = option(75.0, NUMBER)
    max_count: int = option(3, whole(0))
    process_children: bool = option(False, BOOL)
    child_signal: int = option(int(signal.SIGTERM), SIGNAL)

    def limits(self) -> Limits:
        return Limits(
            max_cpu=self.max_cpu or None,
            min_cpu=self.min_cpu,
            max_mem=self.max_mem if self.max_mem.number else None,
            min_mem=self.min_mem,
            health=self.health_threshold or None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpOptions(ObserverOptions):
    """Attributes:
    check_url: what is asked for.
    timeout: seconds that the answer may take, all of it.
    restart_on_error: the watcher to restart.
    """

    application_name: str = option("http_observer", TEXT)
    check_url: str = option("http://localhost/", TEXT)
    timeout: float = option(10.0, seconds())
    restart_on_error: str | None = option(None, OPTIONAL_TEXT)


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisOptions(ObserverOptions):
    """Attributes:
    redis_url: redis://, rediss:// or unix://.
    timeout: seconds that connecting and answering may take together.
    restart_on_timeout: the watcher to restart.
    """

    application_name: str = option("redis_observer", TEXT)
    redis_url: str = option("redis://localhost:6379/0", TEXT)
    timeout: float = option(5.0, PERIOD)
    restart_on_timeout: str | None = option(None, OPTIONAL_TEXT)


def _patterns(value: Any) -> tuple[str, ...]:
    return tuple(str(value).replace(",", " ").split()) or ("*",)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloaderOptions:
    """Attributes:
    loop_rate: seconds without a change after which the changes before count as one.
    folder: belongs to every watcher; from its working_dir if it is relative.
    files: shell patterns of names that count in the folder.
    """

    loop_rate: float = option(1.0, PERIOD)
    folder: str | None = option(None, OPTIONAL_TEXT)
    files: tuple[str, ...] = option(("*",), Kind("shell patterns", _patterns))


COMMAND_RELOADER: Final = kinds_of(ReloaderOptions)
HTTP_OBSERVER: Final = kinds_of(HttpOptions)
REDIS_OBSERVER: Final = kinds_of(RedisOptions)
RESOURCE_WATCHER: Final = kinds_of(ResourceOptions)
