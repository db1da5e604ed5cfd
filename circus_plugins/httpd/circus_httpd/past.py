"""The last hour of watchers, for charts: from what the command `history` answers to columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from circus_httpd.daemon import Daemon
from circus_httpd.problems import Problem

__all__ = ["columns", "read_past"]

_FINE: Final = 120
"""Seconds that are told second by second; more is told in steps of ten seconds."""

_SERIES: Final = {"cpu": "cpu", "memory": "rss", "processes": "processes"}
_NONE: Final = "there is no history of"

Past = Mapping[str, Any]
"""Of one name: `step`, `end` and `series`."""


async def read_past(daemon: Daemon, *, watcher: str | None, seconds: int) -> dict[str, Any]:
    """Return a `History`: coarse up to two minutes ago, fine since then. Raises Problem."""
    fine = await _ask(daemon, watcher, min(seconds, _FINE))
    coarse = await _ask(daemon, watcher, seconds) if seconds > _FINE else {}
    names = {name.lower(): name for name in daemon.names()}
    return {
        "watchers": {
            names.get(name, name): columns([past for past in (coarse.get(name), fine.get(name)) if past])
            for name in {**coarse, **fine}
        }
    }


async def _ask(daemon: Daemon, watcher: str | None, seconds: int) -> Mapping[str, Past]:
    try:
        reply = await daemon.ask(
            "history", name=watcher, seconds=seconds, series=",".join(_SERIES.values()), timeout=10.0
        )
    except Problem as problem:
        if problem.detail.startswith(_NONE):
            return {}
        raise
    histories: Mapping[str, Past] = reply["histories"]
    return {name: past for name, past in histories.items() if past["series"]}  # sockets have other series


def columns(pasts: Iterable[Past]) -> dict[str, list[float | None]]:
    """Return columns of equal length, oldest first; where two tell of a time, the later, finer one does."""
    found: dict[str, list[float | None]] = {"time": [], **{name: [] for name in _SERIES}}
    for past in pasts:
        fresh = _columns_of(past)
        if fresh["time"]:
            begin = fresh["time"][0] or 0.0
            kept = sum(time < begin for time in found["time"] if time is not None)
            found = {name: found[name][:kept] + fresh[name] for name in found}
    return found


def _columns_of(past: Past) -> dict[str, list[float | None]]:
    """Return what is known, without the time before anything was."""
    values = {name: list(past["series"].get(series) or ()) for name, series in _SERIES.items()}
    length = max(map(len, values.values()))
    step, end = past["step"], past["end"]
    times = [round(end - (length - 1 - index) * step, 1) for index in range(length)]
    table: dict[str, list[float | None]] = {"time": [*times]}
    table |= {name: column or [None] * length for name, column in values.items()}
    known = [index for index in range(length) if any(table[name][index] is not None for name in _SERIES)]
    begin = known[0] if known else length
    return {name: column[begin:] for name, column in table.items()}
