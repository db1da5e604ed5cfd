"""`restart`: stop and start again."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING

from circus_core.commands.arguments import Word
from circus_core.commands.changed import Changed
from circus_core.commands.changing import Change, ChangeRequest
from circus_core.commands.command import MATCH, WAITING
from circus_core.commands.selection import Selection

if TYPE_CHECKING:
    from circus_core.commands.properties import Properties
    from circus_core.commands.target import Changes, ControlledArbiter, ControlledWatcher

__all__ = ["Restart"]


class Restart(Change[ChangeRequest]):
    """Restart a watcher, those that match a pattern, or the whole daemon

    Without W: everything is stopped, the configuration file is read again and everything is started.
    """

    name = "restart"
    arguments = (
        Word("name", "the watcher, or a pattern", is_required=False, completes="watcher"),
        WAITING,
        MATCH,
    )

    def parse(self, properties: Properties) -> ChangeRequest:
        return ChangeRequest(Selection.parse(properties), properties.boolean("waiting"))

    async def execute(self, arbiter: ControlledArbiter, request: ChangeRequest) -> Changed:
        if request.selection.pattern is None:
            await arbiter.prepare_restart()
        return await super().execute(arbiter, request)

    def change_one(self, watcher: ControlledWatcher, request: ChangeRequest) -> Awaitable[Changes]:
        return watcher.restart()

    def change_some(
        self, arbiter: ControlledArbiter, watchers: Sequence[ControlledWatcher], request: ChangeRequest
    ) -> Awaitable[object]:
        return arbiter.restart_watchers(watchers)

    def change_all(self, arbiter: ControlledArbiter, request: ChangeRequest) -> Awaitable[object]:
        return arbiter.request_restart()
