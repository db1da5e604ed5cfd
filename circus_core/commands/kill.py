"""`kill`: stop processes, which are then replaced."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from circus_core.commands.arguments import Option, Word, integer, number
from circus_core.commands.command import WAITING, Command, Done
from circus_core.commands.selection import EXACT_MATCH, Selection, together, troubles
from circus_core.commands.signum import parse_signal
from circus_core.errors import MessageError
from circus_core.records import dataclass

if TYPE_CHECKING:
    from circus_core.commands.properties import Properties
    from circus_core.commands.target import ControlledArbiter

__all__ = ["Kill", "KillRequest"]


@dataclass(frozen=True, slots=True)
class KillRequest:
    """`pid` None: all processes; `signum` and `graceful_timeout` None: as configured."""

    selection: Selection
    pid: int | None
    signum: int | None
    graceful_timeout: float | None
    waiting: bool


class Kill(Command[KillRequest, Done]):
    """Stop a process of a watcher, or all of its processes: they are replaced by new ones

    The process gets the stop signal and, if it has not ended within graceful_timeout seconds, SIGKILL, as
    do its descendants.
    """

    name = "kill"
    arguments = (
        Word("name", "the watcher", completes="watcher"),
        Word(
            "pid", "one of its processes", metavar="PID", is_required=False, completes="pid", convert=integer
        ),
        Option("signum", "signal to send instead of the watcher's stop_signal", completes="signal"),
        Option("graceful_timeout", "seconds to wait instead of the watcher's", convert=number),
        WAITING,
        EXACT_MATCH,
    )

    def parse(self, properties: Properties) -> KillRequest:
        selection = Selection.parse_exact(properties)
        pid = properties.optional_integer("pid")
        signum = properties.value("signum")
        return KillRequest(
            selection,
            pid,
            None if signum is None else _stop_signal(signum),
            properties.optional_number("graceful_timeout"),
            properties.boolean("waiting"),
        )

    def message(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        if "signum" not in arguments:
            return dict(arguments)
        return {**arguments, "signum": _stop_signal(arguments["signum"])}

    async def execute(self, arbiter: ControlledArbiter, request: KillRequest) -> Done:
        if request.pid is None:
            watchers = request.selection.of(arbiter)
        else:
            watchers = [request.selection.with_process(arbiter, request.pid)]
        work = together([w.kill(request.pid, request.signum, request.graceful_timeout) for w in watchers])
        if not request.waiting:
            return Done(unfinished=work)
        await work
        return Done(troubles=troubles(watchers))


def _stop_signal(value: Any) -> int:
    found = parse_signal(value)
    if found not in signal.valid_signals():
        raise MessageError("signal invalid")
    return found
