"""`reload`: replace processes by new ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from circus_core.commands.arguments import Switch, Word
from circus_core.commands.changed import Changed
from circus_core.commands.command import WAITING, Command

if TYPE_CHECKING:
    from circus_core.commands.properties import Properties
    from circus_core.commands.target import ControlledArbiter

__all__ = ["Reload", "ReloadRequest"]


@dataclass(frozen=True, slots=True)
class ReloadRequest:
    """`name` is None for all; `sequential` counts only if `graceful`."""

    name: str | None
    graceful: bool
    sequential: bool
    waiting: bool


class Reload(Command[ReloadRequest, Changed]):
    """Replace the processes of a watcher, or of all, by new ones

    New processes are started before the old ones are stopped; with --sequential each is stopped and replaced
    before the next. A watcher with send_hup only gets SIGHUP. The configuration file is not read.
    """

    name = "reload"
    arguments = (
        Word("name", "the watcher", is_required=False, completes="watcher"),
        Switch("graceful", "stop the old ones first, as restart does", flag="terminate", value=False),
        Switch("sequential", "one process after the other"),
        WAITING,
    )
    result = Changed

    def parse(self, properties: Properties) -> ReloadRequest:
        return ReloadRequest(
            properties.optional_text("name"),
            properties.boolean("graceful", default=True),
            properties.boolean("sequential"),
            properties.boolean("waiting"),
        )

    async def execute(self, arbiter: ControlledArbiter, request: ReloadRequest) -> Changed:
        if request.name is None:
            everything = arbiter.reload(graceful=request.graceful, sequential=request.sequential)
            if not request.waiting:
                return Changed(unfinished=everything)
            await everything
            return Changed()
        watcher = arbiter.get_watcher(request.name)
        work = watcher.reload(graceful=request.graceful, sequential=request.sequential)
        if not request.waiting:
            return Changed(unfinished=work)
        return Changed(changes=await work, is_told=True)
