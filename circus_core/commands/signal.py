"""`signal`: send a signal to processes."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from circus_core.commands.arguments import Switch, Word, integer
from circus_core.commands.command import Command, Done
from circus_core.commands.selection import EXACT_MATCH, Selection
from circus_core.commands.signum import parse_signal
from circus_core.errors import MessageError
from circus_core.records import dataclass

if TYPE_CHECKING:
    from circus_core.commands.properties import Properties
    from circus_core.commands.target import ControlledArbiter, ControlledWatcher

__all__ = ["Signal", "SignalRequest"]


@dataclass(frozen=True, slots=True)
class SignalRequest:
    """`pid` is None for all processes; `childpid` goes before `children`, that before `recursive`."""

    selection: Selection
    signum: int
    pid: int | None
    childpid: int | None
    children: bool
    recursive: bool


class Signal(Command[SignalRequest, Done]):
    """Send a signal to a process of a watcher, or to all

    SIGNUM is a number or a name, with or without SIG. With --children it goes to the direct children of the
    processes instead, with --recursive to their descendants too.
    """

    name = "signal"
    arguments = (
        Word("name", "the watcher", completes="watcher"),
        Word(
            "pid", "one of its processes", metavar="PID", is_required=False, completes="pid", convert=integer
        ),
        Word("signum", "the signal", metavar="SIGNUM", completes="signal"),
        Switch("children", "to the direct children, not to the process"),
        Switch("recursive", "to the process and all its descendants"),
        EXACT_MATCH,
    )

    def parse(self, properties: Properties) -> SignalRequest:
        request = SignalRequest(
            Selection.parse_exact(properties),
            parse_signal(properties.required_value("signum")),
            properties.optional_integer("pid"),
            properties.optional_integer("childpid"),
            properties.boolean("children"),
            properties.boolean("recursive"),
        )
        if request.childpid is not None and request.pid is None:
            raise MessageError("cannot specify childpid without pid")
        return request

    def message(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return {**arguments, "signum": parse_signal(arguments["signum"])}

    async def execute(self, arbiter: ControlledArbiter, request: SignalRequest) -> Done:
        if request.pid is not None:
            targets = [(request.selection.with_process(arbiter, request.pid), request.pid)]
        else:
            watchers = request.selection.of(arbiter)
            targets = [(watcher, pid) for watcher in watchers for pid in watcher.processes]
        if request.signum not in (0, *signal.valid_signals()):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        if request.childpid is None and (request.children or request.recursive):
            # before their parents, without whom they could not be found any more
            pids = [pid for _, pid in targets]
            await arbiter.signal_descendants(pids, request.signum, recursive=not request.children)
        for watcher, pid in targets:
            _send(watcher, pid, request)
        return Done()


def _send(watcher: ControlledWatcher, pid: int, request: SignalRequest) -> None:
    if request.childpid is not None:
        watcher.send_signal_child(pid, request.childpid, request.signum)
    elif not request.children and pid in watcher.processes:  # it may have ended meanwhile
        watcher.send_signal(pid, request.signum)
