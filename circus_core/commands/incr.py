"""`incr`: have more processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from circus_core.commands.arguments import Word, integer
from circus_core.commands.command import WAITING, Command
from circus_core.commands.resized import Resized

if TYPE_CHECKING:
    from circus_core.commands.properties import Properties
    from circus_core.commands.target import ControlledArbiter

__all__ = ["Incr", "IncrRequest"]


@dataclass(frozen=True, slots=True)
class IncrRequest:
    name: str
    nb: int
    waiting: bool


class Incr(Command[IncrRequest, Resized]):
    """Have more processes in a watcher

    With --waiting the new number is printed. A stopped watcher has the new number when it is started.
    A singleton stays as it is.
    """

    name = "incr"
    arguments = (
        Word("name", "the watcher", completes="watcher"),
        Word("nb", "how many, 1 if not given", metavar="N", is_required=False, convert=integer),
        WAITING,
    )
    result = Resized

    def parse(self, properties: Properties) -> IncrRequest:
        name = properties.text("name")
        nb = properties.optional_integer("nb")
        return IncrRequest(name, 1 if nb is None else nb, properties.boolean("waiting"))

    async def execute(self, arbiter: ControlledArbiter, request: IncrRequest) -> Resized:
        watcher = arbiter.get_watcher(request.name)
        if watcher.config.singleton:
            return Resized(numprocesses=watcher.numprocesses, is_singleton=True)
        change = watcher.incr(request.nb)
        if not request.waiting:
            return Resized(unfinished=change)
        return Resized(numprocesses=await change)
