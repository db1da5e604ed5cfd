"""`reopen`: have log files opened anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from circus_core.commands.arguments import Word
from circus_core.commands.command import MATCH, Command, Done
from circus_core.commands.selection import Selection

if TYPE_CHECKING:
    from circus_core.commands.properties import Properties
    from circus_core.commands.target import ControlledArbiter

__all__ = ["Reopen"]


class Reopen(Command[Selection, Done]):
    """Open the files of streams anew, after they were renamed

    Of a watcher, of those that match a pattern, or of all; for all circusd opens its own log anew too, as it
    does for SIGUSR1. What was written before is in the old files when this is answered.
    """

    name = "reopen"
    arguments = (
        Word("name", "the watcher, or a pattern", is_required=False, completes="watcher"),
        MATCH,
    )

    def parse(self, properties: Properties) -> Selection:
        return Selection.parse(properties)

    async def execute(self, arbiter: ControlledArbiter, request: Selection) -> Done:
        await arbiter.reopen_output(None if request.pattern is None else request.of(arbiter))
        return Done()
