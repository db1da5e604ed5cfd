"""What circusd-stats tells of watchers, processes and sockets: the newest, in the words of the API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from circus_stats import Message

__all__ = ["Usages", "usage_of_dstats"]

_CIRCUS: Final = "circus"
_SOCKETS: Final = "sockets"


class Usages:
    """The figures of one daemon.

    Attributes:
        watchers: by name; of a daemon of Circus 0.19 in lower case.
        processes: by pid, with their descendants.
        services: `circusd`, `circusd-stats` and `circushttpd`, by these names.
        sockets: by descriptor: `reads`, `waiting`.
        reads: the sum of all sockets, None if there is none.
        interval: seconds between two figures, None as long as there are none.
    """

    def __init__(self) -> None:
        self.watchers: dict[str, dict[str, Any]] = {}
        self.processes: dict[int, dict[str, Any]] = {}
        self.services: dict[str, dict[str, Any]] = {}
        self.sockets: dict[int, dict[str, Any]] = {}
        self.reads: float | None = None
        self.interval: float | None = None
        self._pids: dict[tuple[str, Any], set[int]] = {}

    def take(self, message: Message) -> None:
        """Note what a message says. One that says nothing that is known here is not looked at."""
        stat = message.stat
        if message.watcher == _SOCKETS and stat.get("kind") not in ("process", "watcher"):
            self._take_socket(message)
        elif message.subtopic is None:
            self._take_sum(message.watcher, stat)
        else:
            self._take_process(message.watcher, stat)

    def clear(self) -> None:
        """Forget everything: what is not renewed is not true any more."""
        for known in (self.watchers, self.processes, self.services, self.sockets, self._pids):
            known.clear()
        self.reads = self.interval = None

    def keep_watchers(self, names: set[str]) -> None:
        """Forget the watchers that are not among these names (in lower case) any more."""
        for name in [name for name in self.watchers if name.lower() not in names]:
            del self.watchers[name]

    def of_watcher(self, name: str) -> Mapping[str, Any]:
        return self.watchers.get(name) or self.watchers.get(name.lower()) or {}

    def _take_socket(self, message: Message) -> None:
        stat = message.stat
        if message.subtopic is None:
            self.reads = _number(stat.get("reads"))
        elif message.subtopic.isdecimal():
            found = {"reads": _number(stat.get("reads")), "waiting": _number(stat.get("waiting"))}
            self.sockets[int(message.subtopic)] = found

    def _take_process(self, watcher: str, stat: Mapping[str, Any]) -> None:
        pid = stat.get("pid")
        if not isinstance(pid, int):
            return
        self.interval = _number(stat.get("interval")) or self.interval
        usage = _usage(stat, children=True) | {
            "pid": pid,
            "started": _rounded(_number(stat.get("create_time")), 2),
            "nice": stat.get("nice") if isinstance(stat.get("nice"), int) else None,
            "username": stat.get("username"),
        }
        name = stat.get("name")
        if watcher == _CIRCUS and isinstance(name, str):
            self.services[name] = usage
        self.processes[pid] = usage

    def _take_sum(self, watcher: str, stat: Mapping[str, Any]) -> None:
        pids = {pid for pid in stat.get("pid", ()) if isinstance(pid, int)}
        group = (watcher, stat.get("watcher"))
        for gone in self._pids.get(group, set()) - pids:
            self.processes.pop(gone, None)
        self._pids[group] = pids
        if group == (_CIRCUS, None):  # a watcher may have this name too
            for name in [name for name, usage in self.services.items() if usage["pid"] not in pids]:
                del self.services[name]
            return
        self.watchers[str(stat.get("watcher") or watcher)] = _usage(stat, children=False)


def usage_of_dstats(info: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the daemon says of itself, for want of circusd-stats."""
    return {
        "pid": info.get("pid"),
        "cpu": _rounded(_number(info.get("cpu")), 1),
        "mem": _rounded(_number(info.get("mem")), 2),
        "started": _rounded(_number(info.get("create_time")), 2),
    }


def _usage(stat: Mapping[str, Any], *, children: bool) -> dict[str, Any]:
    """Return figures rounded to what is shown: what changes less is not sent to pages."""
    family = stat.get("family")
    if not isinstance(family, Mapping):  # of Circus 0.19
        return {"cpu": _rounded(_number(stat.get("cpu")), 1), "mem": _rounded(_number(stat.get("mem")), 2)}
    usage = {
        "cpu": _rounded(_number(family.get("cpu")), 1),
        "mem": _rounded(_number(family.get("mem")), 2),
        "memory": family.get("rss"),
        "threads": family.get("threads"),
        "open_files": family.get("fds"),
        "io_read": _rounded(_number(family.get("read_rate")), 0),
        "io_write": _rounded(_number(family.get("write_rate")), 0),
    }
    if children:
        usage["cpu_time"] = _rounded(_number(family.get("cpu_time")), 1)
        usage["children"] = max(0, int(family.get("processes") or 1) - 1)
    return usage


def _number(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
