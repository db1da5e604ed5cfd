"""What pages see of a daemon: made from what it tells of its watchers and from figures. Pure."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from circus_httpd.masking import mask_text, mask_values
from circus_httpd.tokens import Role
from circus_httpd.usages import Usages

__all__ = [
    "SERVICES",
    "STATS",
    "count_states",
    "socket_documents",
    "watcher_document",
    "watcher_row",
]

STATS: Final = "circusd-stats"
SERVICES: Final = (STATS, "circushttpd")
"""Watchers that serve the daemon, shown apart from those that the user wrote."""

Description = Mapping[str, Any]
"""One of `describe`; docs/commands.md explains the keys."""

_COUNTED: Final = ("numprocesses", "running", "spawned", "restarts", "failed_spawns", "ended")
_CONFIGURED: Final = ("shell", "uid", "gid", "singleton", "on_demand", "priority")
_DETAILS: Final = ("working_dir", "graceful_timeout", "max_age", "respawn")


def watcher_row(description: Description, usages: Usages, role: Role) -> dict[str, Any]:
    """Return a `WatcherRow`; null what is not known."""
    exits = description.get("exits") or ()
    usage = usages.of_watcher(description["name"]) if description.get("running") else {}
    return {
        "kind": _kind(description["name"]),
        "state": description["state"],
        "reason": description.get("reason") or "",
        "since": _moment(description.get("since")),
        **{key: description.get(key) for key in (*_COUNTED, *_CONFIGURED)},
        "backoffs": len(description.get("backoffs") or ()),
        "last_exit": _exit(exits[-1]) if exits else None,
        "cmd": _command(description, role),
        **{key: usage.get(key) for key in ("cpu", "mem", "memory")},
    }


def watcher_document(description: Description, usages: Usages, role: Role, now: float) -> dict[str, Any]:
    """Return a `Watcher`. `now` is the moment of the description: what is left of a time becomes a moment."""
    return watcher_row(description, usages, role) | {
        "name": description["name"],
        **{key: description.get(key) for key in _DETAILS},
        "processes": {
            str(process["pid"]): _process(process, usages, now)
            for process in description.get("processes") or ()
        },
        "waiting": {str(each["wid"]): _backoff(each, now) for each in description.get("backoffs") or ()},
        "exits": [_exit(each) for each in description.get("exits") or ()],
        "hooks": {name: _hook(hook, role) for name, hook in (description.get("hooks") or {}).items()},
        "sockets": [socket["name"] for socket in description.get("sockets") or ()],
        "streams": {name: _stream(each, role) for name, each in (description.get("streams") or {}).items()},
    }


def socket_documents(
    sockets: Iterable[Mapping[str, Any]], descriptions: Mapping[str, Description], usages: Usages
) -> dict[str, dict[str, Any]]:
    """Return `Socket`s by name."""
    users: dict[str, list[str]] = {}
    for name, description in descriptions.items():
        for used in description.get("sockets") or ():
            users.setdefault(used["name"], []).append(name)
    return {
        socket["name"]: {
            "fd": socket["fd"],
            "address": socket.get("path") or f"{_bracketed(socket.get('host', ''))}:{socket.get('port')}",
            **{key: socket.get(key) for key in ("host", "port", "path", "backlog")},
            **{key: usages.sockets.get(socket["fd"], {}).get(key) for key in ("reads", "waiting")},
            "watchers": sorted(users.get(socket["name"], ())),
        }
        for socket in sockets
    }


def count_states(descriptions: Iterable[Description]) -> dict[str, int]:
    """Return how many watchers are in each state."""
    return dict(sorted(Counter(str(description["state"]) for description in descriptions).items()))


def _kind(name: str) -> str:
    if name.lower() in SERVICES:
        return "service"
    return "plugin" if name.startswith("plugin:") else "watcher"


def _command(description: Description, role: Role) -> str:
    """Return the command line; for who may only look, as much as `stats` tells of it: the program."""
    cmd = str(description.get("cmd") or "")
    if role == "read":
        return cmd.split(maxsplit=1)[0] if cmd.strip() else ""
    args = description.get("args") or ""
    words = args if isinstance(args, str) else shlex.join(map(str, args))
    return mask_text(f"{cmd} {words}".strip())


def _process(process: Mapping[str, Any], usages: Usages, now: float) -> dict[str, Any]:
    known = {
        "memory": process.get("memory"),
        "threads": process.get("threads"),
        "open_files": process.get("open_files"),
        "cpu_time": process.get("cpu_time"),
    }
    usage = usages.processes.get(process["pid"], {})
    return (
        known
        | {key: value for key, value in usage.items() if value is not None}
        | {
            "pid": process["pid"],
            "wid": process["wid"],
            "state": process["state"],
            "started": _moment(process.get("started")),
            "restarts": process.get("restarts"),
            "expires": _in(process.get("expires_in"), now),
            "killed_at": _in(process.get("killed_in"), now),
        }
    )


def _backoff(backoff: Mapping[str, Any], now: float) -> dict[str, Any]:
    return {
        "failures": backoff.get("failures"),
        "next_try": _in(backoff.get("next_try_in"), now),
        "reason": backoff.get("reason"),
    }


def _exit(end: Mapping[str, Any]) -> dict[str, Any]:
    return dict(end) | {"time": _moment(end.get("time")), "lived": _moment(end.get("lived"))}


def _hook(hook: Mapping[str, Any], role: Role) -> dict[str, Any]:
    return dict(hook) if role == "full" else {**hook, "target": None}


def _stream(stream: Mapping[str, Any], role: Role) -> dict[str, Any]:
    shown = {key: value for key, value in stream.items() if key != "options"}
    if role == "full":
        shown["options"] = mask_values(stream.get("options") or {})[0]
    return shown


def _in(seconds: float | None, now: float) -> float | None:
    return None if seconds is None else round(now + seconds, 1)


def _moment(value: Any) -> float | None:
    return round(value, 2) if isinstance(value, int | float) else None


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
