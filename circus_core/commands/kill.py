"""`kill`: stop processes, which are then replaced."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from circus_core.commands.arguments import Option, Word, integer, number
from circus_core.commands.command import WAITING, Command, Done
from circus_core.commands.signum import parse_signal
from circus_core.errors import MessageError

if TYPE_CHECKING:
    from circus_core.commands.properties import Properties
    from circus_core.commands.target import ControlledArbiter

__all__ = ["Kill", "KillRequest"]


@dataclass(frozen=True, slots=True)
class KillRequest:
    """`pid` None: all processes; `signum` and `graceful_timeout` None: as configured."""

    name: str
    pid: int | None
    signum: int | None
    graceful_timeout: float | None
    waiting: bool


class Kill(Command[KillRequest, Done]):
    """Stop a process of a watcher, or all: they are replaced by new ones

    The process gets the stop signal and, if it has not ended within graceful_timeout seconds, SIGKILL, as
    do its descendants.
    """

    name = "kill"
    arguments = (
        Word("name", "the watcher", completes="watcher"),
        Word("pid", "one of its processes", metavar="PID", is_required=False, convert=integer),
        Option("signum", "signal to send instead of the watcher's stop_signal"),
        Option("graceful_timeout", "seconds to wait instead of the watcher's", convert=number),
        WAITING,
    )

    def parse(self, properties: Properties) -> KillRequest:
        name = properties.text("name")
        pid = properties.optional_integer("pid")
        signum = properties.value("signum")
        return KillRequest(
            name,
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
        watcher = arbiter.get_watcher(request.name)
        if request.pid is not None and request.pid not in watcher.processes:
            raise MessageError(f"process {request.pid} not found in '{request.name}'")
        work = watcher.kill(request.pid, request.signum, request.graceful_timeout)
        if not request.waiting:
            return Done(unfinished=work)
        await work
        return Done()


def _stop_signal(value: Any) -> int:
    found = parse_signal(value)
    if found not in signal.valid_signals():
        raise MessageError("signal invalid")
    return found
