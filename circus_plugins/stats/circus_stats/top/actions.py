"""What can be done to a watcher or a process: its key, its command, and what is asked before. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from circus_stats.top.rows import Kind, Row

__all__ = ["ACTIONS", "SIGNALS", "Action", "Target", "outcome", "target_of"]

SIGNALS: Final = (
    "HUP", "INT", "QUIT", "USR1", "USR2", "TERM", "WINCH", "TTIN", "TTOU", "ALRM", "STOP", "CONT", "KILL",
)  # fmt: skip
"""Those that processes are sent on purpose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What something is done to.

    Attributes:
        name: of the watcher.
        title: the same, for a screen.
        pid: of one of its processes; None for all.
    """

    name: str
    title: str
    pid: int | None = None

    @property
    def text(self) -> str:
        return self.title if self.pid is None else f"process {self.pid} of {self.title}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing that can be done.

    Attributes:
        command: for the daemon.
        question: asked before, `{}` being the target; empty if nothing that runs is hurt.
        is_of_process: it can be done to a single process; the others mean its watcher.
        properties: further ones of the command.
    """

    command: str
    key: str
    title: str
    question: str = ""
    is_of_process: bool = False
    properties: Mapping[str, Any]

    def target(self, selected: Target) -> Target:
        """Return what it is done to if this is selected."""
        return selected if self.is_of_process else Target(name=selected.name, title=selected.title)

    def message(self, target: Target, **more: Any) -> dict[str, Any]:
        """Return the properties of the request."""
        pid = {} if target.pid is None else {"pid": target.pid}
        return {"name": target.name, **pid, **self.properties, **more}


_WAITING: Final[Mapping[str, Any]] = {"waiting": True}
# `*` in a name is part of it here, and a watcher that has gone meanwhile is not to be taken for a pattern.
_EXACTLY: Final[Mapping[str, Any]] = {"waiting": True, "match": "simple"}

ACTIONS: Final[Sequence[Action]] = (
    Action(command="start", key="s", title="start", properties=_EXACTLY),
    Action(
        command="stop",
        key="S",
        title="stop",
        question="Stop {}, with all its processes?",
        properties=_EXACTLY,
    ),
    Action(
        command="restart",
        key="r",
        title="restart",
        question="Restart {}? All its processes end first.",
        properties=_EXACTLY,
    ),
    Action(
        command="reload",
        key="R",
        title="reload",
        question="Reload {}? Its processes are replaced by new ones.",
        properties=_WAITING,
    ),
    Action(command="incr", key="+", title="one more", properties={"nb": 1, **_WAITING}),
    Action(
        command="decr",
        key="-",
        title="one fewer",
        question="End one process of {}, and have one fewer from now on?",
        properties={"nb": 1, **_WAITING},
    ),
    Action(
        command="kill",
        key="K",
        title="kill",
        question="End {}? It is replaced by a new one.",
        is_of_process=True,
        properties=_WAITING,
    ),
    Action(command="signal", key="x", title="signal", is_of_process=True, properties={}),
)
"""In the order of the help. `signal` asks which one, which is question enough."""


def target_of(row: Row | None) -> Target | str:
    """Return what a line stands for, or why nothing can be done to it."""
    if row is None:
        return "nothing is selected"
    if row.kind in (Kind.SOCKET, Kind.SOCKETS):
        return "nothing can be done to a socket here"
    if row.is_own:
        return _own_target(row)
    if row.watcher is None:
        return "nothing can be done to this"
    pid = None if row.process is None else row.process.pid
    return Target(name=row.watcher.name, title=row.watcher.title, pid=pid)


def _own_target(row: Row) -> Target | str:
    """Return the watcher of a service; the daemon itself has none."""
    label = "" if row.process is None else row.process.label
    if label in ("", "circusd"):
        return "this is the daemon itself: circusctl restart or quit ends it"
    return Target(name=label, title=label)


def outcome(reply: Mapping[str, Any]) -> tuple[str, bool]:
    """Return what a reply says in a few words, and whether all is well."""
    troubles = reply.get("troubles")
    if isinstance(troubles, Mapping) and troubles:
        return "; ".join(str(text) for text in troubles.values()), False
    if "numprocesses" in reply:
        return f"done, {reply['numprocesses']} wanted", True
    return "done", True
