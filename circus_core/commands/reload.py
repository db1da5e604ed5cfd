"""`reload`: replace processes by new ones."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING

from circus_core.commands.arguments import Switch, Word
from circus_core.commands.changing import Change, ChangeRequest
from circus_core.commands.command import WAITING
from circus_core.commands.selection import EXACT_MATCH, Selection
from circus_core.records import dataclass

if TYPE_CHECKING:
    from circus_core.commands.properties import Properties
    from circus_core.commands.target import Changes, ControlledArbiter, ControlledWatcher

__all__ = ["Reload", "ReloadRequest"]


@dataclass(frozen=True, slots=True)
class ReloadRequest(ChangeRequest):
    """`sequential` counts only if `graceful`."""

    graceful: bool
    sequential: bool


class Reload(Change[ReloadRequest]):
    """Replace the processes of a watcher, or of all, by new ones

    New processes are started before the old ones are stopped; with --sequential each is stopped and replaced
    before the next. A watcher with send_hup only gets SIGHUP. A single watcher that is stopped is started;
    of several, those that are stopped stay so. The configuration file is not read.
    """

    name = "reload"
    arguments = (
        Word("name", "the watcher", is_required=False, completes="watcher"),
        Switch("graceful", "stop the old ones first, as restart does", flag="terminate", value=False),
        Switch("sequential", "one process after the other"),
        WAITING,
        EXACT_MATCH,
    )

    def parse(self, properties: Properties) -> ReloadRequest:
        return ReloadRequest(
            Selection.parse(properties, default="simple"),
            properties.boolean("waiting"),
            properties.boolean("graceful", default=True),
            properties.boolean("sequential"),
        )

    def change_one(self, watcher: ControlledWatcher, request: ReloadRequest) -> Awaitable[Changes]:
        return watcher.reload(graceful=request.graceful, sequential=request.sequential)

    def change_some(
        self, arbiter: ControlledArbiter, watchers: Sequence[ControlledWatcher], request: ReloadRequest
    ) -> Awaitable[object]:
        return arbiter.reload(graceful=request.graceful, sequential=request.sequential, watchers=watchers)

    def change_all(self, arbiter: ControlledArbiter, request: ReloadRequest) -> Awaitable[object]:
        return arbiter.reload(graceful=request.graceful, sequential=request.sequential)
