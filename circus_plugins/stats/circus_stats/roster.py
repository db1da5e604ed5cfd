"""Which processes belong to which watchers: what the daemon told, kept current by its events. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from circus_stats.names import DASHBOARD, WATCHER

__all__ = ["Group", "Roster", "Socket", "event_form"]

_LARGEST_PID: Final = 1 << 22
"""PID_MAX_LIMIT of proc(5); the daemon gives larger numbers to what is no process."""


def event_form(name: str) -> str:
    """Return a watcher's name as the topics of events have it."""
    return name.lower().replace(" ", "_")


@dataclass(frozen=True, slots=True)
class Socket:
    """A socket of the daemon: its descriptor, the name of its section, and `host:port` or a path."""

    fd: int
    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Group:
    """What is published together.

    Attributes:
        topic: name in topics.
        watcher: name as it was configured; None for the daemon and what serves it.
        pids: in the order in which they were started, as far as that is known.
        names: of those processes that have one, by pid.
    """

    topic: str
    watcher: str | None
    pids: Collection[int]
    names: Mapping[int, str] = field(default_factory=dict)


class Roster:
    """Watchers and their processes.

    Attributes:
        daemon: pid of circusd.
        endpoint: its control endpoint, as it tells it.
        sockets: those of the daemon.
        is_doubtful: something does not fit; the daemon should be asked again.
    """

    def __init__(
        self,
        daemon: int,
        watchers: Mapping[str, Collection[int]],
        sockets: Collection[Socket] = (),
        *,
        endpoint: str = "",
    ) -> None:
        """Args:
        watchers: pids by the name of the watcher, as it was configured.
        """
        self.daemon = daemon
        self.endpoint = endpoint
        self.sockets = tuple(sorted(sockets, key=lambda socket: socket.fd))
        self.is_doubtful = False
        self._pids = {
            name: {pid: None for pid in pids if _is_process(pid)} for name, pids in watchers.items()
        }
        self._births: dict[int, float] = {}
        self._missed: set[int] = set()

    def take(self, watcher: str, action: str, pid: int | None) -> None:
        """Take in an event.

        Args:
            watcher: its name in the form of topics.
            pid: of the process that it is about.
        """
        if action == "spawn" and pid is not None and _is_process(pid):
            self._add(watcher, pid)
        elif action == "reap" and pid is not None:
            self._drop(pid)
        elif action in ("add", "remove"):
            self.is_doubtful = True  # only the daemon knows how its name is written

    def take_look(self, births: Mapping[int, float | None], asked: Collection[int]) -> None:
        """Take in who was seen, by pid, of those that were looked for.

        A process that is not the one of the look before is shown no more.

        Who is missing twice, and nothing was told of its end, is a reason to ask again.
        """
        missing = set()
        for pid in self.pids() & set(asked):
            birth = births.get(pid)
            if pid not in births:
                missing.add(pid)
            elif birth is not None and self._births.setdefault(pid, birth) != birth:
                self._drop(pid)
                self.is_doubtful = True
        if missing & self._missed:
            self.is_doubtful = True
        self._missed = missing

    def pids(self) -> set[int]:
        """Return all processes that are to be looked at."""
        return {self.daemon, *(pid for pids in self._pids.values() for pid in pids)}

    def groups(self) -> Iterator[Group]:
        """Yield what there is to publish: the daemon first, then the watchers by name."""
        names = {self.daemon: "circusd"}
        for name in (WATCHER, DASHBOARD):
            names |= dict.fromkeys(self._pids.get(name, ()), name)
        yield Group("circus", None, tuple(names), names)
        for name, pids in sorted(self._pids.items()):
            if name not in (WATCHER, DASHBOARD):
                yield Group(name.lower(), name, tuple(pids))

    def _add(self, watcher: str, pid: int) -> None:
        self._drop(pid)
        names = [name for name in self._pids if event_form(name) == watcher]
        if len(names) == 1:
            self._pids[names[0]][pid] = None
        else:  # a watcher that we have not heard of, or two that share a form
            self.is_doubtful = True

    def _drop(self, pid: int) -> None:
        self._births.pop(pid, None)
        for pids in self._pids.values():
            pids.pop(pid, None)


def _is_process(pid: int) -> bool:
    return 0 < pid <= _LARGEST_PID
