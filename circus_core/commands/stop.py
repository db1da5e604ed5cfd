"""`stop`: stop watchers."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING

from circus_core.commands.arguments import Option, Word
from circus_core.commands.changing import Change, ChangeRequest
from circus_core.commands.command import MATCH, WAITING
from circus_core.commands.selection import Selection
from circus_core.records import dataclass

if TYPE_CHECKING:
    from circus_core.commands.properties import Properties
    from circus_core.commands.target import ControlledArbiter, ControlledWatcher

__all__ = ["Stop", "StopRequest"]


@dataclass(frozen=True, slots=True)
class StopRequest(ChangeRequest):
    """`reason` is shown by `status`; it goes with one watcher only."""

    reason: str


class Stop(Change[StopRequest]):
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

    def parse(self, properties: Properties) -> StopRequest:
        reason = properties.optional_text("reason") or ""
        return StopRequest(Selection.parse(properties), properties.boolean("waiting"), reason)

    def change_one(self, watcher: ControlledWatcher, request: StopRequest) -> Awaitable[None]:
        return watcher.stop(request.reason)

    def change_some(
        self, arbiter: ControlledArbiter, watchers: Sequence[ControlledWatcher], request: StopRequest
    ) -> Awaitable[object]:
        return arbiter.stop_watchers(watchers)

    def change_all(self, arbiter: ControlledArbiter, request: StopRequest) -> Awaitable[object]:
        return arbiter.stop_watchers()
