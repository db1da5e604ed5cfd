"""`quit`: end the daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING

from circus_core.commands.command import WAITING, Command, Done
from circus_core.records import dataclass

if TYPE_CHECKING:
    from circus_core.commands.properties import Properties
    from circus_core.commands.target import ControlledArbiter

__all__ = ["Quit", "QuitRequest"]


@dataclass(frozen=True, slots=True)
class QuitRequest:
    waiting: bool


class Quit(Command[QuitRequest, Done]):
    """Stop all watchers and end the daemon

    With --waiting the answer comes when all processes have ended.
    """

    name = "quit"
    arguments = (WAITING,)

    def parse(self, properties: Properties) -> QuitRequest:
        return QuitRequest(properties.boolean("waiting"))

    async def execute(self, arbiter: ControlledArbiter, request: QuitRequest) -> Done:
        work = arbiter.request_stop()
        if not request.waiting:
            return Done(unfinished=work)
        await work
        return Done()
