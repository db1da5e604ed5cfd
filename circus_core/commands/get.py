"""`get`: some options of a watcher."""

from __future__ import annotations

from typing import TYPE_CHECKING

from circus_core.commands.arguments import Word
from circus_core.commands.command import Command
from circus_core.commands.shown import Shown
from circus_core.errors import MessageError
from circus_core.records import dataclass

if TYPE_CHECKING:
    from circus_core.commands.properties import Properties
    from circus_core.commands.target import ControlledArbiter

__all__ = ["Get", "GetRequest"]


@dataclass(frozen=True, slots=True)
class GetRequest:
    name: str
    keys: tuple[str, ...]


class Get(Command[GetRequest, Shown]):
    """Show some options of a watcher"""

    name = "get"
    is_immediate = True
    arguments = (
        Word("name", "the watcher", completes="watcher"),
        Word("keys", "names of options", metavar="KEY", is_many=True, completes="option"),
    )
    result = Shown

    def parse(self, properties: Properties) -> GetRequest:
        return GetRequest(properties.text("name"), properties.texts("keys"))

    async def execute(self, arbiter: ControlledArbiter, request: GetRequest) -> Shown:
        options = arbiter.get_watcher(request.name).options()
        for key in request.keys:
            if key not in options:
                raise MessageError(f"'{key}' option not found")
        return Shown(options={key: options[key] for key in request.keys})
