"""`reloadconfig`: read the configuration file again and do what has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from circus_core.commands.arguments import Switch
from circus_core.commands.command import WAITING, Command
from circus_core.commands.planned import Planned
from circus_core.records import dataclass

if TYPE_CHECKING:
    from circus_core.commands.properties import Properties
    from circus_core.commands.target import ControlledArbiter

__all__ = ["Reloadconfig", "ReloadconfigRequest"]


@dataclass(frozen=True, slots=True)
class ReloadconfigRequest:
    """`waiting` and `force` do not count with `dry_run`."""

    waiting: bool
    dry_run: bool
    force: bool


class Reloadconfig(Command[ReloadconfigRequest, Planned]):
    """Read the configuration file again and do what has changed

    Only what changed is touched, and all or nothing: a file that can't be used changes nothing, and the
    answer has every reason. What was changed at run time stays, unless the file changes it too. With
    --waiting the answer comes when the processes have followed, and lists what was done.
    """

    name = "reloadconfig"
    arguments = (
        WAITING,
        Switch("dry_run", "only list what would be done, as `plan` does", flag="dry-run"),
        Switch("force", "also if most of the running watchers are gone from the file"),
    )
    result = Planned

    def parse(self, properties: Properties) -> ReloadconfigRequest:
        return ReloadconfigRequest(
            properties.boolean("waiting"), properties.boolean("dry_run"), properties.boolean("force")
        )

    async def execute(self, arbiter: ControlledArbiter, request: ReloadconfigRequest) -> Planned:
        if request.dry_run:
            return await foresee(arbiter)
        reload = await arbiter.reload_config(force=request.force)
        if not request.waiting:
            return Planned(unfinished=reload.followed)
        return Planned(
            plan=reload.plan.to_json(),
            is_applied=True,
            doubts=tuple(map(str, reload.doubts)),
            troubles=await reload.followed,
        )


async def foresee(arbiter: ControlledArbiter) -> Planned:
    """Return what a reload would do."""
    outlook = await arbiter.plan_config()
    return Planned(
        plan=outlook.plan.to_json(), refusal=outlook.refusal, doubts=tuple(map(str, outlook.doubts))
    )
