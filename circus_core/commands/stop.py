"""`stop`: stop watchers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from circus_core.commands.arguments import Option, Word
from circus_core.commands.changed import Changed
from circus_core.commands.command import MATCH, WAITING, Command
from circus_core.commands.selection import Selection

if TYPE_CHECKING:
    from circus_core.commands.properties import Properties
    from circus_core.commands.target import ControlledArbiter, ControlledWatcher

__all__ = ["Stop", "StopRequest"]


@dataclass(frozen=True, slots=True)
class StopRequest:
    """`reason` is shown by `status`; it goes with one watcher only."""

    selection: Selection
    waiting: bool
    reason: str


class Stop(Command[StopRequest, Changed]):
    """Stop a watcher, those that match a pattern, or all

    The daemon goes on running. See quit to end it.
    """

    name = "stop"
    arguments = (
        Word("name", "the watcher, or a pattern", is_required=False, completes="watcher"),
        Option("reason", "what `status` shows of a single watcher until it is told something else"),
        WAITING,
        MATCH,
    )
    result = Changed

    def parse(self, properties: Properties) -> StopRequest:
        reason = properties.optional_text("reason") or ""
        return StopRequest(Selection.parse(properties), properties.boolean("waiting"), reason)

    async def execute(self, arbiter: ControlledArbiter, request: StopRequest) -> Changed:
        if request.selection.pattern is None:
            work = arbiter.stop_watchers()
        else:
            watchers = request.selection.of(arbiter)
            if len(watchers) == 1:
                return await _stop(watchers[0], request)
            work = arbiter.stop_watchers(watchers)
        if not request.waiting:
            return Changed(unfinished=work)
        await work
        return Changed()


async def _stop(watcher: ControlledWatcher, request: StopRequest) -> Changed:
    work = watcher.stop(request.reason)
    if not request.waiting:
        return Changed(unfinished=work)
    await work
    return Changed(is_told=True)
