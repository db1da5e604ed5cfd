"""A daemon and its circusd-stats that always tell the same, so that screens can be compared."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import zmq

from circus_core.testing import StandInDaemon

__all__ = ["HOSTILE", "SHOP", "RecordedShop", "Watchers"]

Watchers = Mapping[str, Mapping[str, Any]]
"""By name: `state`, `reason`, `wanted`, `restarts`, `exit` and `processes`, each of which is cpu, mem, rss in
MiB, age in seconds and command."""

SHOP: Watchers = {
    "web": {
        "state": "active",
        "wanted": 4,
        "restarts": 2,
        "exit": -9,
        "processes": [
            (93.4, 4.1, 332, 93784, "gunicorn"),
            (12.0, 3.9, 316, 93784, "gunicorn"),
            (0.4, 3.2, 259, 611, "gunicorn"),
        ],
    },
    "worker one": {
        "state": "active",
        "wanted": 2,
        "restarts": 0,
        "processes": [(41.7, 1.2, 97, 1509913, "python"), (38.2, 1.1, 89, 1509913, "python")],
    },
    "jobs.nightly": {"state": "starting", "reason": "backoff", "wanted": 1, "restarts": 14, "exit": 3},
    "cache": {
        "state": "active",
        "wanted": 1,
        "restarts": 0,
        "processes": [(1.1, 18.5, 1500, 8640000, "redis")],
    },
    "mail": {"state": "stopped", "wanted": 1, "restarts": 0, "exit": 0},
    "plugin:flapping": {
        "state": "active",
        "wanted": 1,
        "restarts": 0,
        "processes": [(0.2, 0.4, 33, 8640000, "circus-plugin")],
    },
}

HOSTILE: Watchers = {
    "\x1b]0;title\x07\x1b[31mred": {
        "state": "active\x1b[2J",
        "reason": "because\nof\x9b31m",
        "wanted": 1,
        "restarts": 0,
        "processes": [(1.0, 1.0, 10, 60, "\x1b[41mcommand\r\b")],
    },
    "漢字 имя 👩‍🚀 é": {
        "state": "active",
        "wanted": 1,
        "restarts": 0,
        "processes": [(2.0, 1.0, 10, 60, "päth")],
    },
    "\u202egnp.exe": {"state": "stopped", "wanted": 0, "restarts": 0},
    "x" * 90: {"state": "active", "wanted": 1, "restarts": 0, "processes": [(3.0, 1.0, 10, 60, "y" * 90)]},
}


class RecordedShop:
    """Endpoints `control`, `events` and `stats` in a folder, to be used from there. A context manager."""

    def __init__(self, folder: Path, watchers: Watchers, *, is_read_only: bool = False) -> None:
        self._watchers = watchers
        self._daemon = StandInDaemon(folder)
        self._daemon.replies.update(
            globaloptions={"options": {"pubsub_endpoint": "ipc://events", "stats_endpoint": "ipc://stats"}},
            status={
                "statuses": {
                    **{name: each["state"] for name, each in watchers.items()},
                    "circusd-stats": "active",
                },
                "reasons": {name: each["reason"] for name, each in watchers.items() if "reason" in each},
            },
            listsockets={"sockets": [{"fd": 8, "name": "http", "host": "127.0.0.1", "port": 8000}]},
            describe=self._refused() if is_read_only else {"descriptions": self._descriptions()},
            history={"histories": {name.lower(): _past(name) for name in watchers}},
        )
        self._messages = [*self._stats(), *_own_stats()]
        self._endpoint = f"ipc://{folder}/stats"
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._publish, daemon=True)

    def __enter__(self) -> Self:
        self._daemon.__enter__()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.set()
        self._thread.join()
        self._daemon.__exit__(kind, error, trace)

    def _publish(self) -> None:
        with zmq.Context() as context, context.socket(zmq.PUB) as socket:
            socket.setsockopt(zmq.LINGER, 0)
            socket.bind(self._endpoint)
            while not self._ends.wait(0.05):
                for topic, stat in self._messages:
                    socket.send_multipart([topic.encode(), json.dumps(stat).encode()])

    def _refused(self) -> Mapping[str, Any]:
        reason = "'describe' is not allowed for a key: its role is 'read', which may look and change nothing"
        return {"status": "error", "errno": 5, "reason": reason}

    def _pids(self, name: str) -> range:
        first = 4000 + 100 * list(self._watchers).index(name)
        return range(first, first + len(self._watchers[name].get("processes", ())))

    def _descriptions(self) -> dict[str, Any]:
        return {
            name: {
                "name": name,
                "state": each["state"],
                "reason": each.get("reason", ""),
                "cmd": f"run-{name}",
                "numprocesses": each["wanted"],
                "restarts": each["restarts"],
                "exits": [{"exit_code": each["exit"], "time": None, "pid": 17}] if "exit" in each else [],
                "processes": [
                    {"pid": pid, "wid": wid, "state": "running", "restarts": 0}
                    for wid, pid in enumerate(self._pids(name), 1)
                ],
            }
            for name, each in self._watchers.items()
        }

    def _stats(self) -> list[tuple[str, dict[str, Any]]]:
        found = []
        for name, each in self._watchers.items():
            pids = self._pids(name)
            for pid, process in zip(pids, each.get("processes", ()), strict=True):
                stat = {**_stat(pid, *process), "name": None, "kind": "process", "watcher": name}
                found.append((f"stat.{name.lower()}.{pid}", stat))
            total = {
                "pid": list(pids),
                "cpu": 0.0,
                "mem": 0.0,
                "age": 0.0,
                "kind": "watcher",
                "watcher": name,
            }
            found.append((f"stat.{name.lower()}", total))
        return found


def _own_stats() -> list[tuple[str, dict[str, Any]]]:
    daemon, stats = (
        _stat(4900, 0.4, 0.5, 39, 8640000, "circusd"),
        _stat(4901, 1.9, 0.5, 38, 8640000, "python"),
    )
    return [
        ("stat.circus.4900", {**daemon, "name": "circusd"}),
        ("stat.circus.4901", {**stats, "name": "circusd-stats"}),
        ("stat.circus", {"pid": [4900, 4901], "cpu": 1.0, "mem": 1.0, "age": 1.0, "kind": "watcher"}),
        (
            "stat.sockets.8",
            {"fd": 8, "subtopic": 8, "reads": 37, "address": "127.0.0.1:8000", "name": "http", "waiting": 2,
             "connections": 9, "interval": 1.0, "kind": "socket"},
        ),
        ("stat.sockets", {"addresses": ["127.0.0.1:8000"], "reads": 37, "kind": "sockets", "interval": 1.0}),
    ]  # fmt: skip


def _stat(pid: int, cpu: float, mem: float, rss: int, age: float, command: str) -> dict[str, Any]:
    family = {
        "cpu": cpu, "mem": mem, "rss": rss << 20, "vms": rss << 21, "threads": 3, "fds": 12,
        "read_rate": 0.0, "write_rate": 2048.0,
    }  # fmt: skip
    return {
        "pid": pid, "subtopic": pid, "cpu": cpu, "mem": mem, "mem_info1": f"{rss}.00M", "mem_info2": "1.00G",
        "age": age, "cmdline": command, "username": "shop", "children": [], "interval": 1.0, "family": family,
    }  # fmt: skip


def _past(name: str) -> dict[str, Any]:
    """The course of an hour that is over: the screen shows only what came since when it is wide enough."""
    wave = [float((len(name) * minute) % 50) for minute in range(120)]
    return {"step": 1, "end": 0.0, "series": {"cpu": wave, "mem": wave}}
