"""Prints the microseconds that the hooks of one start take: python hooks.py PLUGINS STARTS."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

from circus_core import hookimpl
from circus_core.clock import SystemClock
from circus_core.events import Event, Spawned
from circus_core.hooks import Hooks
from circus_core.plugins import HookPlugins


class _Plugin:
    @hookimpl
    def before_spawn(self, watcher: Any, wid: int) -> bool:
        return True

    @hookimpl
    def after_spawn(self, watcher: Any, process: Any) -> bool:
        return True

    @hookimpl
    def process_ready(self, watcher: Any, process: Any) -> None:
        pass

    @hookimpl
    def event(self, event: Event) -> None:
        pass


async def _start_all(hooks: Hooks, starts: int) -> float:
    """Return the seconds that it takes."""
    anything: Any = None
    event = Spawned(watcher="w", time=1.0, process_pid=1)
    begun = time.perf_counter()
    for _ in range(starts):
        await hooks.before_spawn(anything, 1)
        await hooks.after_spawn(anything, anything)
        hooks.event(event)
        await hooks.process_ready(anything, anything)
    return time.perf_counter() - begun


def _main(plugins: int, starts: int) -> None:
    manager = HookPlugins()
    for number in range(plugins):
        manager.add(_Plugin(), f"plugin{number}")
    hooks = Hooks(manager, publish=lambda _event: None, clock=SystemClock())
    print(1e6 * asyncio.run(_start_all(hooks, starts)) / starts)


if __name__ == "__main__":
    _main(*map(int, sys.argv[1:]))
