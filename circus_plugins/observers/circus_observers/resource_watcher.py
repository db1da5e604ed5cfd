"""Restarts a watcher whose processes use too much of the machine, or too little, for too long."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from circus_observers.observer import Observer
from circus_observers.options import ObserverOptions
from circus_observers.sections import ResourceOptions
from circus_observers.usage import Tally, read_usage

__all__ = ["ResourceWatcher"]

_logger = logging.getLogger("circus")


@dataclass(frozen=True, slots=True)
class _Child:
    """A child of a process of the watcher."""

    pid: int
    parent: int


class ResourceWatcher(Observer[ResourceOptions]):
    """Looks at the processes of one watcher."""

    name = "resource_watcher"
    options_class: ClassVar[type[ObserverOptions]] = ResourceOptions

    def __init__(self, *args: Any, **config: Any) -> None:
        super().__init__(*args, **config)
        watcher = self.options.watcher or self.options.service
        if watcher is None:
            raise ValueError("the option watcher is missing: write watcher = NAME")
        if self.options.watcher is None:
            _logger.warning(
                "%s: service is the old name of an option: write watcher = %s", self.name, watcher
            )
        self._watcher = watcher
        self._limits = self.options.limits()
        self._tally = self._new_tally()
        self._children: dict[_Child, Tally] = {}

    async def look_after(self) -> None:
        reply = await self.ask("stats", name=self._watcher, match="simple")
        if reply["status"] == "error":
            self._count("error")
            _logger.error("%s: %s", self.name, reply.get("reason"))
            return
        infos = [info for info in reply["info"].values() if isinstance(info, Mapping)]
        if self._is_full(self._tally, infos) and await self.restart(self._watcher):
            self._count("restarting")
            self._tally.reset()
        elif self.options.process_children:
            await self._look_at_children(infos)

    async def _look_at_children(self, infos: Iterable[Mapping[str, Any]]) -> None:
        known, self._children = self._children, {}
        for child, info in _children(infos):
            tally = self._children[child] = known.get(child) or self._new_tally()
            if self._is_full(tally, [info]):
                tally.reset()
                await self._signal(child)

    async def _signal(self, child: _Child) -> None:
        self._count("restarting")
        reply = await self.ask(
            "signal",
            name=self._watcher,
            match="simple",
            pid=child.parent,
            childpid=child.pid,
            signum=self.options.child_signal,
        )
        if reply["status"] == "error":
            _logger.error("%s: signal for %d: %s", self.name, child.pid, reply.get("reason"))

    def _is_full(self, tally: Tally, infos: Iterable[Mapping[str, Any]]) -> bool:
        for excess in tally.look([read_usage(info) for info in infos]):
            self._count(excess.value)
        return tally.is_full

    def _new_tally(self) -> Tally:
        return Tally(self._limits, self.options.max_count)

    def _count(self, what: str) -> None:
        self.statsd.increment(f"_resource_watcher.{self._watcher}.{what}")


def _children(infos: Iterable[Mapping[str, Any]]) -> Iterator[tuple[_Child, Mapping[str, Any]]]:
    for info in infos:
        for child in info.get("children", []):
            yield _Child(child["pid"], info["pid"]), child
