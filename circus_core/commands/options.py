"""`options`: all options of a watcher."""

from __future__ import annotations

from typing import TYPE_CHECKING

from circus_core.commands.arguments import Word
from circus_core.commands.command import Command
from circus_core.commands.shown import Shown
from circus_core.records import dataclass

if TYPE_CHECKING:
    from circus_core.commands.properties import Properties
    from circus_core.commands.target import ControlledArbiter

__all__ = ["Options", "OptionsRequest"]


@dataclass(frozen=True, slots=True)
class OptionsRequest:
    name: str


class Options(Command[OptionsRequest, Shown]):
    """Show all options of a watcher"""

    name = "options"
    is_immediate = True
    arguments = (Word("name", "the watcher", completes="watcher"),)
    result = Shown

    def parse(self, properties: Properties) -> OptionsRequest:
        return OptionsRequest(properties.text("name"))

    async def execute(self, arbiter: ControlledArbiter, request: OptionsRequest) -> Shown:
        options = arbiter.get_watcher(request.name).options()
        return Shown(options={key: options[key] for key in sorted(options)})
