"""`add`: a new watcher."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from circus_core.commands.arguments import Switch, Word
from circus_core.commands.command import WAITING, Command, Result
from circus_core.commands.ownership import check_added
from circus_core.commands.selection import troubles
from circus_core.commands.watcher_options import check_new, check_options
from circus_core.errors import ConfigError, MessageError
from circus_core.records import dataclass

if TYPE_CHECKING:
    from circus_core.commands.properties import Properties
    from circus_core.commands.target import ControlledArbiter

__all__ = ["Add", "AddRequest", "AddResult"]


@dataclass(frozen=True, slots=True)
class AddRequest:
    """`options` are checked one by one, not yet together."""

    name: str
    cmd: str
    args: str | Sequence[str] | None
    options: Mapping[str, Any]
    start: bool
    waiting: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AddResult(Result):
    """The pids, if it was started and that was waited for; else both are None."""

    started: Sequence[int] | None = None
    kept: Sequence[int] | None = None

    def to_json(self) -> dict[str, Any]:
        if self.started is None:
            return {}
        return {"started": list(self.started), "kept": list(self.kept or ())}

    @classmethod
    def from_json(cls, reply: Mapping[str, Any]) -> Self:
        return cls(started=reply.get("started"), kept=reply.get("kept"))

    def to_text(self) -> str:
        return "ok"


class Add(Command[AddRequest, AddResult]):
    """Add a watcher

    It is gone when the configuration file is read again. A CMD with words that begin with a dash is
    written after -- or quoted as one word. Options of installed packages count as they do in a file.
    """

    name = "add"
    arguments = (
        Word("name", "the new watcher"),
        Word("cmd", "program and arguments", metavar="CMD", is_many=True),
        Switch("start", "start it at once"),
        WAITING,
    )
    result = AddResult

    def parse(self, properties: Properties) -> AddRequest:
        name, cmd = properties.text("name"), properties.text("cmd")
        if not name.strip():
            raise MessageError("'name' must not be empty")
        if not name.isprintable():  # it goes into logs and onto terminals
            raise MessageError(f"'name' must be printable, got {name!r}")
        options = check_new(properties.optional_mapping("options"))
        args = properties.value("args")
        if args is not None:
            args = check_options({"args": args})["args"]
        return AddRequest(
            name, cmd, args, options, properties.boolean("start"), properties.boolean("waiting")
        )

    def message(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return {**arguments, "cmd": " ".join(arguments["cmd"])}

    async def execute(self, arbiter: ControlledArbiter, request: AddRequest) -> AddResult:
        owner = arbiter.config.endpoint_owner
        if owner is not None:
            check_added(request.options, owner)
        args = {} if request.args is None else {"args": request.args}
        try:
            config = arbiter.new_section(
                {"name": request.name, "cmd": request.cmd, **args, **request.options}
            )
        except ConfigError as error:
            raise MessageError(str(error)) from error
        if config.hooks:
            await arbiter.import_hooks(config)
        watcher = arbiter.add_watcher(config)
        if not request.start:
            return AddResult()
        work = watcher.start()
        if not request.waiting:
            return AddResult(unfinished=work)
        changes = await work
        return AddResult(started=changes["started"], kept=changes["kept"], troubles=troubles([watcher]))
