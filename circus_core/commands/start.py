"""`start`: start watchers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from circus_core.commands.arguments import Word
from circus_core.commands.changed import Changed
from circus_core.commands.command import MATCH, WAITING, Command
from circus_core.commands.selection import Selection

if TYPE_CHECKING:
    from circus_core.commands.properties import Properties
    from circus_core.commands.target import ControlledArbiter, ControlledWatcher

__all__ = ["Start", "StartRequest"]


@dataclass(frozen=True, slots=True)
class StartRequest:
    selection: Selection
    waiting: bool


class Start(Command[StartRequest, Changed]):
    """Start a watcher, those that match a pattern, or all

    Without W: those with autostart, highest priority first. One that runs gets the processes it lacks.
    """

    name = "start"
    arguments = (
        Word("name", "the watcher, or a pattern", is_required=False, completes="watcher"),
        WAITING,
        MATCH,
    )
    result = Changed

    def parse(self, properties: Properties) -> StartRequest:
        return StartRequest(Selection.parse(properties), properties.boolean("waiting"))

    async def execute(self, arbiter: ControlledArbiter, request: StartRequest) -> Changed:
        if request.selection.pattern is None:
            work = arbiter.start_watchers()
        else:
            watchers = request.selection.of(arbiter)
            if len(watchers) == 1:
                return await _start(watchers[0], waiting=request.waiting)
            work = arbiter.start_watchers(watchers)
        if not request.waiting:
            return Changed(unfinished=work)
        await work
        return Changed()


async def _start(watcher: ControlledWatcher, *, waiting: bool) -> Changed:
    work = watcher.start()
    if not waiting:
        return Changed(unfinished=work)
    return Changed(changes=await work, is_told=True)
