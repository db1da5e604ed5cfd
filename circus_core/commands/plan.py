"""`plan`: what `reloadconfig` would do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from circus_core.commands.command import Command
from circus_core.commands.planned import Planned
from circus_core.commands.reloadconfig import foresee

if TYPE_CHECKING:
    from circus_core.commands.properties import Properties
    from circus_core.commands.target import ControlledArbiter

__all__ = ["Plan"]


class Plan(Command[None, Planned]):
    """Show what reloadconfig would do

    The configuration file is read and compared with what is in force. Nothing is changed.
    """

    name = "plan"
    access = "read"
    result = Planned

    def parse(self, properties: Properties) -> None:
        return None

    async def execute(self, arbiter: ControlledArbiter, request: None) -> Planned:
        return await foresee(arbiter)
