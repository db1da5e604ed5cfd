"""What `[circus]` can say about statistics."""

from __future__ import annotations

import re
from typing import Any, Final

from circus_core import BOOL, NUMBER, Effect, Kind, Option, seconds

__all__ = ["OPTIONS"]

_ENDPOINT: Final = re.compile(r"tcp://\S+:(\d{1,5}|\*)|ipc://\S+")
_NEW: Final = "circus-core 0.1"


def _endpoint(value: Any) -> str | None:
    text = str(value).strip()
    if text and not _ENDPOINT.fullmatch(text):
        raise ValueError(value)
    return text or None


def _percent(value: Any) -> float:
    number = float(NUMBER.parse(value))
    if not 0.1 <= number <= 100:
        raise ValueError(value)
    return number


def _option(
    name: str, kind: Kind, doc: str, *, default: Any = None, unit: str = "", since: str = _NEW
) -> Option:
    return Option(name=name, kind=kind, doc=doc, default=default, unit=unit, since=since, effect=Effect.NOW)


OPTIONS: Final = (
    _option("statsd", BOOL, "Run circusd-stats, which publishes statistics.", default=False, since="0.19"),
    _option(
        "stats_endpoint",
        Kind("tcp://HOST:PORT or ipc://PATH", _endpoint),
        "Where circusd-stats publishes (tcp://127.0.0.1:5557). Given alone, it switches statsd on.",
        since="0.19",
    ),
    _option(
        "statsd_close_outputs",
        BOOL,
        "Drop what circusd-stats writes, its log too.",
        default=False,
        since="0.19",
    ),
    _option("stats_interval", seconds(0.1), "How often statistics are taken.", default=1.0, unit="seconds"),
    _option(
        "stats_max_cpu",
        Kind("a number from 0.1 to 100", _percent),
        "Percent of a core that taking statistics may use: with many processes they are taken less often.",
        default=25.0,
    ),
    _option(
        "stats_pss",
        BOOL,
        "Find out PSS and USS too, for which the system walks through all memory of each process.",
        default=False,
    ),
)
