"""The figures of one watcher from what `stats` says of its processes; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

__all__ = ["figures", "read_size"]

_SIZE: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)([BKMGTPEZY])")
_UNITS: Final = "BKMGTPEZY"


def figures(processes: Mapping[str, Any]) -> dict[str, float]:
    """Return the gauges by their names; processes that have ended do not count, nor what can't be read.

    Args:
        processes: by pid; of one that has ended there is text.
    """
    known = [info for info in processes.values() if isinstance(info, Mapping)]
    result: dict[str, float] = {"watchers_num": len(known)}
    for name, values in (
        ("cpu", list(_numbers(known, "cpu"))),
        ("mem_pct", list(_numbers(known, "mem"))),
        ("mem", list(_sizes(known))),
    ):
        if values:
            result[f"{name}_max"] = max(values)
            result[f"{name}_sum"] = round(sum(values), 3)
    return result


def read_size(text: str) -> int:
    """Return the bytes of a size such as `1.52M`; raises ValueError."""
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no size")
    return int(float(found[1]) * 1024 ** _UNITS.index(found[2]))


def _numbers(known: list[Mapping[str, Any]], key: str) -> Iterator[float]:
    for info in known:
        value = info.get(key)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            yield value


def _sizes(known: list[Mapping[str, Any]]) -> Iterator[int]:
    for info in known:
        try:
            yield read_size(str(info.get("mem_info1")))
        except ValueError:
            continue
