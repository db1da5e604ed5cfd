"""`rm`: forget a watcher."""

from __future__ import annotations

from typing import TYPE_CHECKING

from circus_core.commands.arguments import Switch, Word
from circus_core.commands.command import WAITING, Command, Done
from circus_core.commands.selection import troubles
from circus_core.records import dataclass

if TYPE_CHECKING:
    from circus_core.commands.properties import Properties
    from circus_core.commands.target import ControlledArbiter

__all__ = ["Rm", "RmRequest"]


@dataclass(frozen=True, slots=True)
class RmRequest:
    name: str
    nostop: bool
    waiting: bool


class Rm(Command[RmRequest, Done]):
    """Remove a watcher

    Its processes are stopped. With --nostop they go on running, and nothing takes care of them any more.
    """

    name = "rm"
    arguments = (
        Word("name", "the watcher", completes="watcher"),
        Switch("nostop", "leave its processes running"),
        WAITING,
    )

    def parse(self, properties: Properties) -> RmRequest:
        name = properties.text("name")
        return RmRequest(name, properties.boolean("nostop"), properties.boolean("waiting"))

    async def execute(self, arbiter: ControlledArbiter, request: RmRequest) -> Done:
        watcher = arbiter.get_watcher(request.name)
        work = arbiter.remove_watcher(watcher, nostop=request.nostop)
        if not request.waiting:
            return Done(unfinished=work)
        await work
        return Done(troubles={} if request.nostop else troubles([watcher]))
