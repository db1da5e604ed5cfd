"""`set`: change options of a watcher."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from circus_core.commands.arguments import Word
from circus_core.commands.command import WAITING, Command, Done
from circus_core.commands.ownership import check_changed
from circus_core.commands.selection import troubles
from circus_core.commands.watcher_options import check_options, convert_words
from circus_core.errors import ConfigError, MessageError
from circus_core.records import dataclass

if TYPE_CHECKING:
    from circus_core.commands.properties import Properties
    from circus_core.commands.target import ControlledArbiter, ControlledWatcher

__all__ = ["Set", "SetRequest"]


@dataclass(frozen=True, slots=True)
class SetRequest:
    """`options` are checked one by one."""

    name: str
    options: Mapping[str, Any]
    waiting: bool


class Set(Command[SetRequest, Done]):
    """Change options of a watcher

    Its processes are replaced where that is needed. The configuration file does not change. Options of
    installed packages are changed there and put in force by reloadconfig: packages have their say when it
    is read.
    """

    name = "set"
    arguments = (
        Word("name", "the watcher", completes="watcher"),
        Word(
            "options",
            "names of options, each followed by its value",
            metavar="KEY VALUE",
            is_many=True,
            completes="setting",
        ),
        WAITING,
    )

    def parse(self, properties: Properties) -> SetRequest:
        name = properties.text("name")
        options = check_options(properties.mapping("options"))
        return SetRequest(name, options, properties.boolean("waiting"))

    def message(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        words = arguments["options"]
        if len(words) % 2:
            raise MessageError("List of key/values is invalid")
        typed = {key.lower(): value for key, value in zip(words[::2], words[1::2], strict=True)}
        return {**arguments, "options": convert_words(typed)}

    async def execute(self, arbiter: ControlledArbiter, request: SetRequest) -> Done:
        watcher = arbiter.get_watcher(request.name)
        owner = arbiter.config.endpoint_owner
        if owner is not None:
            check_changed(watcher.config, request.options, owner)
        if watcher.config.singleton and request.options.get("numprocesses", 0) > 1:
            raise MessageError("Singleton watcher has a single process")
        try:
            await _import_hooks(arbiter, watcher, request.options)
            watcher = arbiter.get_watcher(request.name)
            work = watcher.set_options(request.options)
        except ConfigError as error:
            raise MessageError(str(error)) from error
        if not request.waiting:
            return Done(unfinished=work)
        await work
        return Done(troubles=troubles([watcher]))


async def _import_hooks(
    arbiter: ControlledArbiter, watcher: ControlledWatcher, options: Mapping[str, Any]
) -> None:
    """Import the hooks that are set, their modules anew: they may have been edited."""
    named = {key.removeprefix("hooks.") for key in options if key.startswith("hooks.")}
    if not named and "hooks" not in options:
        return
    config = watcher.preview(options)
    await arbiter.import_hooks(config, named | set(config.hooks) if "hooks" in options else named)
