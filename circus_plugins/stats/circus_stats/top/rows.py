"""From the model to the lines of the screen: which there are, and in what order. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, TypeAlias

from circus_stats.top.known import NOTHING, Figures, Past, Process, Socket, Watcher
from circus_stats.top.model import Model

__all__ = ["SORTS", "Key", "Kind", "Row", "View", "expandable", "rows_of"]

Key: TypeAlias = tuple[str, str, int]
"""Kind, watcher, pid or descriptor: the same line as long as it is there."""

Value: TypeAlias = float | str | None


class Kind(Enum):
    """What a line is about."""

    WATCHER = "watcher"
    PROCESS = "process"
    OWN = "own"  # heads the daemon's own processes
    SOCKETS = "sockets"  # heads the sockets
    SOCKET = "socket"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line.

    Attributes:
        watcher: whose line it is, or whose process; None for sockets.
        is_own: it is about the daemon's own processes.
        is_expanded: what is below is shown; None if there can't be anything below.
    """

    key: Key
    kind: Kind
    figures: Figures = NOTHING
    watcher: Watcher | None = None
    process: Process | None = None
    socket: Socket | None = None
    is_own: bool = False
    is_expanded: bool | None = None

    @property
    def name(self) -> str:
        """What it is called on the screen."""
        if self.socket is not None:
            return self.socket.address
        if self.process is not None and self.watcher is not None:
            return _process_name(self.watcher, self.process)
        return self.kind.value if self.watcher is None else self.watcher.title

    @property
    def cpu_past(self) -> Past | None:
        subject = self.process or self.watcher
        return None if subject is None else subject.cpu_past

    @property
    def mem_past(self) -> Past | None:
        subject = self.process or self.watcher
        return None if subject is None else subject.mem_past


def _process_name(watcher: Watcher, process: Process) -> str:
    if process.label:
        return process.label
    if process.wid is not None:
        return f"{watcher.title}.{process.wid}"
    return f"{watcher.title}:{process.pid}"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What somebody wants to see.

    Attributes:
        sort: a key of SORTS.
        is_descending: the largest first; what is unknown comes last in both directions.
        filter: only watchers and processes in whose names, pids or commands this occurs, in any case.
        collapsed: lines of which nothing below is shown.
        is_flat: processes of all watchers in one list, without their watchers.
    """

    sort: str = "name"
    is_descending: bool = False
    filter: str = ""
    collapsed: frozenset[Key] = frozenset()
    is_flat: bool = False

    def sorted_by(self, sort: str) -> View:
        """Return the view sorted so; by what it is sorted already, the other way round."""
        turned = not self.is_descending if sort == self.sort else SORTS[sort].is_descending
        return replace(self, sort=sort, is_descending=turned)


@dataclass(frozen=True, slots=True)
class _Sort:
    """A value to sort by, and whether the largest is wanted first."""

    value: Callable[[Row], Value]
    is_descending: bool = True


SORTS: Final = {
    "name": _Sort(lambda row: _order_of_name(row), is_descending=False),
    "cpu": _Sort(lambda row: row.figures.cpu),
    "mem": _Sort(lambda row: row.figures.mem),
    "rss": _Sort(lambda row: row.figures.rss),
    "age": _Sort(lambda row: row.figures.age),
    "pid": _Sort(lambda row: _number(row), is_descending=False),
    "state": _Sort(lambda row: _state(row), is_descending=False),
    "restarts": _Sort(lambda row: _restarts(row)),
    "exit": _Sort(lambda row: _last_exit(row)),
    "fds": _Sort(lambda row: row.figures.fds),
    "threads": _Sort(lambda row: row.figures.threads),
    "read": _Sort(lambda row: row.figures.read_rate),
    "write": _Sort(lambda row: row.figures.write_rate),
}
"""What can be sorted by; the names are those of columns."""


def _order_of_name(row: Row) -> Value:
    if row.process is not None and row.process.wid is not None and row.watcher is not None:
        return f"{row.watcher.key}\0{row.process.wid:012}"
    return row.name.casefold()


def _number(row: Row) -> Value:
    if row.process is not None:
        return float(row.process.pid)
    return None if row.watcher is None else float(len(row.watcher.processes))


def _state(row: Row) -> Value:
    subject = row.process or row.watcher
    return None if subject is None else subject.state


def _restarts(row: Row) -> Value:
    if row.process is not None:
        return row.process.restarts
    if row.watcher is None:
        return None
    return row.watcher.respawned if row.watcher.restarts is None else row.watcher.restarts


def _last_exit(row: Row) -> Value:
    end = None if row.process is not None or row.watcher is None else row.watcher.last_exit
    return None if end is None else end.at


def rows_of(model: Model, view: View) -> list[Row]:
    """Return the lines: watchers with their processes, the daemon's own, the sockets."""
    if view.is_flat:
        return _sorted([row for row in _all_processes(model) if _is_meant(row, view.filter)], view)
    watchers = [
        Row(key=("watcher", each.key, 0), kind=Kind.WATCHER, watcher=each, figures=each.figures())
        for each in model.shown_watchers()
    ]
    found = [line for row in _sorted(watchers, view) for line in _block(row, view)]
    if model.own.processes:
        own = model.own
        head = Row(key=("own", own.key, 0), kind=Kind.OWN, watcher=own, figures=own.figures(), is_own=True)
        found += _block(head, view)
    return found + _socket_block(model, view)


def expandable(model: Model) -> frozenset[Key]:
    """Return the lines below which there may be others."""
    keys: set[Key] = {("watcher", key, 0) for key in model.watchers}
    return frozenset(keys | {("own", model.own.key, 0), ("sockets", "", 0)})


def _all_processes(model: Model) -> Iterator[Row]:
    for watcher in model.watchers.values():
        yield from _processes(watcher, is_own=False)
    yield from _processes(model.own, is_own=True)


def _processes(watcher: Watcher, *, is_own: bool) -> Iterator[Row]:
    for process in watcher.processes.values():
        yield Row(
            key=("own process" if is_own else "process", watcher.key, process.pid),
            kind=Kind.PROCESS,
            watcher=watcher,
            process=process,
            figures=process.figures,
            is_own=is_own,
        )


def _block(head: Row, view: View) -> Iterator[Row]:
    """Yield a line and those below it, as far as the filter means them."""
    watcher = head.watcher
    if watcher is None:
        return
    below = list(_processes(watcher, is_own=head.is_own))
    if not _is_meant(head, view.filter):
        below = [row for row in below if _is_meant(row, view.filter)]
        if not below:
            return
    is_expanded = head.key not in view.collapsed
    yield replace(head, is_expanded=is_expanded if watcher.processes else None)
    if is_expanded:
        yield from _sorted(below, view)


def _socket_block(model: Model, view: View) -> list[Row]:
    sockets = [
        Row(key=("socket", "", each.fd), kind=Kind.SOCKET, socket=each) for each in model.sockets.values()
    ]
    sockets = [row for row in sockets if _is_meant(row, view.filter)]
    if not sockets:
        return []
    sockets.sort(key=lambda row: (-((row.socket and row.socket.reads) or 0.0), row.name))
    head = Row(key=("sockets", "", 0), kind=Kind.SOCKETS)
    is_expanded = head.key not in view.collapsed
    return [replace(head, is_expanded=is_expanded), *(sockets if is_expanded else [])]


def _is_meant(row: Row, text: str) -> bool:
    return not text or any(text.casefold() in word.casefold() for word in _words(row))


def _words(row: Row) -> Iterable[str]:
    yield row.name
    if row.process is not None:
        yield str(row.process.pid)
        yield row.process.command
    elif row.socket is not None:
        yield row.socket.name


def _sorted(rows: list[Row], view: View) -> list[Row]:
    """Sort by the view's value; rows with the same one by name, unknown ones last."""
    value_of = SORTS[view.sort].value
    by_name = sorted(rows, key=lambda row: (str(_order_of_name(row)), row.key))
    known: list[tuple[Value, Row]] = []
    unknown: list[Row] = []
    for row in by_name:
        value = value_of(row)
        if value is None:
            unknown.append(row)
        else:
            known.append((value, row))
    known.sort(key=lambda pair: pair[0], reverse=view.is_descending)  # type: ignore[arg-type, return-value]
    return [row for _, row in known] + unknown
