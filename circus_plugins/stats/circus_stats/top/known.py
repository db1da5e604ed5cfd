"""What is known of one watcher, one process, one socket. Pure.

`seen` and `now` are seconds on the monotonic clock; moments of the daemon (`at`) are seconds since the epoch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from circus_stats.top.figures import bytes_of, clean, number_of, whole_of

__all__ = ["NOTHING", "PAST", "Exit", "Figures", "Past", "Process", "Socket", "Watcher", "form_of", "key_of"]

PAST: Final = 120
"""Values kept for sparklines; one for each time that the daemon tells."""

Past = deque[float | None]


def key_of(name: str) -> str:
    """Return the name of a watcher as no other watcher has it, and as the topics of statistics have it."""
    return name.lower()


def form_of(name: str) -> str:
    """Return the name of a watcher as the topics of events have it, where several may look the same.

    Circus 0.19 uses this for statistics too, for some processes of a watcher.
    """
    return name.lower().replace(" ", "_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a process costs, or all of a watcher; None: unknown.

    Attributes:
        cpu, mem: percent of one core and of the machine's memory.
        rss, vms: bytes.
        age: seconds; of several processes that of the oldest.
        read_rate, write_rate: bytes per second from and to storage.
    """

    cpu: float | None = None
    mem: float | None = None
    rss: int | None = None
    vms: int | None = None
    age: float | None = None
    threads: int | None = None
    fds: int | None = None
    read_rate: float | None = None
    write_rate: float | None = None

    @classmethod
    def of(cls, stat: Mapping[str, Any]) -> Figures:
        """Read a message of the stream or an `info` of the command `stats`; descendants count too."""
        family = stat.get("family")
        if isinstance(family, Mapping):
            return cls._of_family(family, number_of(stat.get("age")))
        own = cls(
            cpu=number_of(stat.get("cpu")),
            mem=number_of(stat.get("mem")),
            rss=bytes_of(stat.get("mem_info1")),
            vms=bytes_of(stat.get("mem_info2")),
            age=number_of(stat.get("age")),
        )
        children = stat.get("children")
        if not isinstance(children, list) or not children:
            return own
        return cls.sum([own, *(cls.of(child) for child in children if isinstance(child, Mapping))])

    @classmethod
    def _of_family(cls, family: Mapping[str, Any], age: float | None) -> Figures:
        return cls(
            cpu=number_of(family.get("cpu")),
            mem=number_of(family.get("mem")),
            rss=whole_of(family.get("rss")),
            vms=whole_of(family.get("vms")),
            age=age,
            threads=whole_of(family.get("threads")),
            fds=whole_of(family.get("fds")),
            read_rate=number_of(family.get("read_rate")),
            write_rate=number_of(family.get("write_rate")),
        )

    @classmethod
    def sum(cls, figures: Sequence[Figures]) -> Figures:
        """Add up; the age is the largest."""
        return cls(
            cpu=_sum(each.cpu for each in figures),
            mem=_sum(each.mem for each in figures),
            rss=_whole_sum(each.rss for each in figures),
            vms=_whole_sum(each.vms for each in figures),
            age=max((each.age for each in figures if each.age is not None), default=None),
            threads=_whole_sum(each.threads for each in figures),
            fds=_whole_sum(each.fds for each in figures),
            read_rate=_sum(each.read_rate for each in figures),
            write_rate=_sum(each.write_rate for each in figures),
        )


NOTHING: Final = Figures()


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended: `code` is negative for a signal; `at` is 0 if unknown."""

    code: int | None
    at: float
    pid: int | None = None


@dataclass(slots=True, eq=False)
class Process:
    """One process.

    Attributes:
        label: what it is, for the daemon's own: `circusd`, `circusd-stats`; empty for a worker.
        state: as `describe` has it; empty if unknown.
        seen: when something was heard of it the last time.
    """

    pid: int
    seen: float
    label: str = ""
    command: str = ""
    user: str = ""
    wid: int | None = None
    state: str = ""
    restarts: int | None = None
    figures: Figures = NOTHING
    cpu_past: Past = field(default_factory=lambda: deque(maxlen=PAST))
    mem_past: Past = field(default_factory=lambda: deque(maxlen=PAST))


@dataclass(slots=True, eq=False)
class Watcher:
    """One watcher, or the daemon's own processes.

    Attributes:
        name: how to call it in a command.
        title: its name as it may be shown.
        state: active, stopped, starting or stopping; empty if unknown.
        wanted: how many processes it is to have; None if unknown.
        restarts: None if the daemon did not tell.
        respawned: how many were started after one had ended, since we listen.
        is_listed: the daemon named it; the others are there as long as something is heard of them.
    """

    key: str
    name: str
    title: str
    seen: float
    state: str = ""
    reason: str = ""
    command: str = ""
    wanted: int | None = None
    restarts: int | None = None
    respawned: int = 0
    last_exit: Exit | None = None
    is_listed: bool = False
    processes: dict[int, Process] = field(default_factory=dict)
    cpu_past: Past = field(default_factory=lambda: deque(maxlen=PAST))
    mem_past: Past = field(default_factory=lambda: deque(maxlen=PAST))
    _missing: int = 0

    def call(self, name: str) -> None:
        """Take the name as it was configured."""
        if self.name != name:
            self.name, self.title = name, clean(name)

    def figures(self) -> Figures:
        """Return the sums over its processes; of ages the largest."""
        return Figures.sum([process.figures for process in self.processes.values()])

    def process(self, pid: int, now: float) -> Process:
        """Return a process of it, a new one if it was not known; it was heard of `now`."""
        process = self.processes.get(pid)
        if process is None:
            process = self.processes[pid] = Process(pid, now)
        process.seen = now
        return process

    def note_spawn(self, pid: int, now: float) -> None:
        """Note that a process was started."""
        self.process(pid, now)
        if self._missing:
            self._missing -= 1
            self.respawned += 1

    def note_reap(self, end: Exit) -> None:
        """Note that a process has ended."""
        if end.pid is not None:
            self.processes.pop(end.pid, None)
        self.last_exit = end
        self._missing += 1

    def note_stop(self) -> None:
        """Note that it has stopped: who starts next is nobody's successor."""
        self._missing = 0
        self.processes.clear()


@dataclass(slots=True, eq=False)
class Socket:
    """A listening socket.

    Attributes:
        reads: per second; None if nobody tells.
        connections: how many are open; None if nobody tells, or it has none.
        waiting: of these, those that nobody has accepted yet; None if nobody tells.
    """

    fd: int
    seen: float
    name: str = ""
    address: str = ""
    reads: float | None = None
    connections: int | None = None
    waiting: int | None = None
    is_listed: bool = False
    past: Past = field(default_factory=lambda: deque(maxlen=PAST))


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _whole_sum(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
