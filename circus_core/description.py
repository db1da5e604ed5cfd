"""All that is known of a watcher, as values for JSON: what the `describe` command answers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from circus_core.clock import Clock
from circus_core.config.model import HookConfig, WatcherConfig
from circus_core.history import Exit, History
from circus_core.observed import Observed
from circus_core.process import Process, describe_exit
from circus_core.views import WatcherView

__all__ = ["describe_watcher"]


def describe_watcher(
    watcher: WatcherView,
    *,
    processes: Mapping[int, Process],
    seen: Observed,
    history: History,
    clock: Clock,
    **others: object,
) -> dict[str, Any]:
    """Return what the watcher itself knows, and `others`; reads no file.

    `since`, `started`, `time` and `failed_at` are seconds since the epoch, `age` and `lived` seconds, as is
    what ends in `_in`: from now on.
    """
    config, now = watcher.config, clock.monotonic()
    known = {
        "name": watcher.name,
        "state": watcher.state.value,
        "since": history.since,
        "reason": watcher.reason,
        **_command(config),
        "numprocesses": watcher.numprocesses,
        "running": sum(process.worker.is_live for process in processes.values()),
        "spawned": history.spawns.total(),
        "restarts": history.restarts,
        "ended": history.ended,
        "failed_spawns": history.failed_spawns,
        "processes": [_process(process, history, now) for process in processes.values()],
        "backoffs": list(_backoffs(seen, now)),
        "exits": [_exit(end) for end in history.exits],
        "hooks": _hooks(config.hooks, history),
        **others,
        "options": config.options,
    }
    return {name: _plain(value) for name, value in known.items()}


def _plain(value: object) -> Any:
    """Return the value if JSON can say it, else its text: a program may have given any object."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, str | int | float) else repr(value)


def _command(config: WatcherConfig) -> dict[str, Any]:
    return {
        "cmd": config.cmd,
        "args": config.args,
        "shell": config.shell,
        "working_dir": config.working_dir,
        "uid": config.uid,
        "gid": config.gid,
        "max_age": config.max_age,
        "graceful_timeout": config.graceful_timeout,
        "respawn": config.respawn,
        "final_exits": list(config.final_exits),
        "singleton": config.singleton,
        "on_demand": config.on_demand,
        "priority": config.priority,
    }


def _process(process: Process, history: History, now: float) -> dict[str, Any]:
    worker = process.worker
    return {
        "pid": process.pid,
        "wid": process.wid,
        "state": process.state.value,
        "started": process.started,
        "age": process.age(),
        "restarts": max(0, history.spawns[process.wid] - 1),
        "expires_in": _until(worker.expires, now),
        "killed_in": _until(worker.deadline, now),
    }


def _until(instant: float | None, now: float) -> float | None:
    return None if instant is None else max(0.0, instant - now)


def _backoffs(seen: Observed, now: float) -> Iterator[dict[str, Any]]:
    """Yield those that are waited for: the places where nothing runs."""
    for wid, backoff in sorted(seen.backoffs.items()):
        if wid in seen.workers:
            continue
        yield {
            "wid": wid,
            "failures": backoff.failures,
            "next_try_in": max(0.0, backoff.until - now),
            "reason": backoff.reason,
        }


def _exit(end: Exit) -> dict[str, Any]:
    return {
        "time": end.at,
        "pid": end.pid,
        "wid": end.wid,
        "exit_code": end.returncode,
        "end": describe_exit(end.returncode),
        "lived": end.lived,
        "asked": end.was_asked,
    }


def _hooks(hooks: Mapping[str, HookConfig], history: History) -> dict[str, Any]:
    """Return the functions of the section, and what failed in functions of plugins."""
    described: dict[str, dict[str, Any]] = {
        name: {"target": _target(hook), "ignore_failure": hook.ignore_failure} for name, hook in hooks.items()
    }
    for name, failure in history.hook_failures.items():
        entry = described.setdefault(name, {"target": None, "ignore_failure": False})
        entry.update(failed_at=failure.at, error=failure.error)
    return described


def _target(hook: HookConfig) -> str:
    """Return the dotted path, or the name of the function that a program gave."""
    if isinstance(hook.target, str):
        return hook.target
    return str(getattr(hook.target, "__qualname__", hook.target))
