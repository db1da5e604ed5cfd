"""Measures the processes of watchers, and the daemon: on a worker thread, one measurement at a time."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict
from typing import Any, Final, Protocol, TypeVar

from circus_core.errors import CommandError
from circus_core.hooks import Hooks
from circus_core.process import Process
from circus_core.process_info import NO_READINGS, Readings, measure
from circus_core.process_table import read_usage
from circus_core.views import WatcherView
from circus_core.workers import Workers

__all__ = ["Entries", "Gauge", "MeasuredWatcher"]

Entries = dict[int, dict[str, Any] | None]
"""What `stats` says of the processes of a watcher, by pid; None: it has ended."""

_PATIENCE: Final = 10.0
"""Seconds; /proc/PID/cmdline makes its reader wait if the process is stuck with its memory locked."""

_AT_A_TIME: Final = 8
"""Processes that extended_stats is asked about at the same time."""

_T = TypeVar("_T")


class MeasuredWatcher(WatcherView, Protocol):
    """What is measured."""

    @property
    def processes(self) -> Mapping[int, Process]: ...


class Gauge:
    """Belongs to the loop. Remembers the cpu time of the daemon; processes remember their own."""

    def __init__(self, *, hooks: Hooks, workers: Workers) -> None:
        self._hooks = hooks
        self._workers = workers
        self._turn = asyncio.Lock()
        self._own: Readings = NO_READINGS

    async def measure(
        self, watchers: Iterable[MeasuredWatcher], *, extended: bool = False
    ) -> dict[str, Entries]:
        """Measure all processes of these watchers with one look at the machine; by name.

        Args:
            extended: let extended_stats add to the entries.

        Raises:
            CommandError: the system did not tell in time.
        """
        async with self._turn:
            each = {watcher: watcher.processes for watcher in watchers}
            found = [process for processes in each.values() for process in processes.values()]
            wanted = {process.pid: process.readings for process in found}
            measured = await self._off_the_loop(lambda: measure(wanted))
        entries = {process.pid: process.take_in(measured[process.pid]) for process in found}
        if extended:
            await self._extend(each, entries)
        return {watcher.name: {pid: entries[pid] for pid in processes} for watcher, processes in each.items()}

    async def measure_daemon(self) -> dict[str, Any]:
        """Measure this process, and what it has in use; its children have entries of their own."""
        pid = os.getpid()
        async with self._turn:
            before = self._own
            measured, usage = await self._off_the_loop(lambda: (measure({pid: before})[pid], read_usage(pid)))
            self._own = measured.readings
        in_use = {"open_files": usage.open_files, "threads": usage.threads}
        return {**(measured.info or {}), "children": [], **in_use}

    async def usage(self, pids: Collection[int]) -> dict[int, dict[str, Any]]:
        """Return what processes have in use, in the words of `describe`; raises CommandError as measure()."""
        found = await self._off_the_loop(lambda: {pid: read_usage(pid) for pid in pids})
        return {pid: asdict(usage) for pid, usage in found.items()}

    async def _off_the_loop(self, work: Callable[[], _T]) -> _T:
        try:
            return await self._workers.run(work, timeout=_PATIENCE)
        except TimeoutError:
            raise CommandError(f"the system did not tell about its processes in {_PATIENCE:g} s") from None

    async def _extend(self, each: Mapping[MeasuredWatcher, Mapping[int, Process]], entries: Entries) -> None:
        limit = asyncio.Semaphore(_AT_A_TIME)

        async def extend(watcher: MeasuredWatcher, process: Process) -> None:
            entry = entries[process.pid]
            if entry is not None:
                async with limit:
                    stats = dict(entry)
                    await self._hooks.extended_stats(watcher, process, stats)
                entries[process.pid] = {**entry, **stats}  # what 0.19 shows stays, though changed

        await asyncio.gather(
            *(extend(watcher, process) for watcher, own in each.items() for process in own.values())
        )
