"""`restart`: stop and start again."""

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

__all__ = ["Restart", "RestartRequest"]


@dataclass(frozen=True, slots=True)
class RestartRequest:
    selection: Selection
    waiting: bool


class Restart(Command[RestartRequest, Changed]):
    """Restart a watcher, those that match a pattern, or the whole daemon

    Without W: everything is stopped, the configuration file is read again and everything is started.
    """

    name = "restart"
    arguments = (
        Word("name", "the watcher, or a pattern", is_required=False, completes="watcher"),
        WAITING,
        MATCH,
    )
    result = Changed

    def parse(self, properties: Properties) -> RestartRequest:
        return RestartRequest(Selection.parse(properties), properties.boolean("waiting"))

    async def execute(self, arbiter: ControlledArbiter, request: RestartRequest) -> Changed:
        if request.selection.pattern is None:
            work = arbiter.request_restart()
        else:
            watchers = request.selection.of(arbiter)
            if len(watchers) == 1:
                return await _restart(watchers[0], waiting=request.waiting)
            work = arbiter.restart_watchers(watchers)
        if not request.waiting:
            return Changed(unfinished=work)
        await work
        return Changed()


async def _restart(watcher: ControlledWatcher, *, waiting: bool) -> Changed:
    work = watcher.restart()
    if not waiting:
        return Changed(unfinished=work)
    return Changed(changes=await work, is_told=True)
