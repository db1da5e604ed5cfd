"""What is in the messages of circusd-stats, and how their topics are read.

A message is a topic and a JSON object. The keys that Circus 0.19 has keep its form: sizes are text
(`13.70M`), and what may not be read is the text `N/A`. All other keys are additions: sizes are bytes, and
what may not be read is null. One of them, `daemon`, tells whose figures these are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple, TypedDict

__all__ = [
    "CIRCUS",
    "PREFIX",
    "SOCKETS",
    "AnyStat",
    "CircusStat",
    "Figures",
    "Message",
    "ProcessInfo",
    "ProcessStat",
    "SocketStat",
    "SocketsStat",
    "WatcherStat",
    "name_of_daemon",
    "read_message",
]

PREFIX: Final = "stat."
"""Beginning of all topics."""

CIRCUS: Final = "circus"
"""Stands in the place of a watcher's name for circusd itself and what serves it."""

SOCKETS: Final = "sockets"
"""Stands in the place of a watcher's name for the sockets."""

Readable = float | str
"""A number, or the text `N/A`."""


class Figures(TypedDict):
    """What one or several processes cost. Null: it may not be read, or the system does not tell.

    Attributes:
        processes: how many these are the figures of.
        cpu: percent of one core since the look before, at the very first look since the start.
        cpu_time: seconds so far, of what has ended too as far as its parent has waited for it.
        mem: percent of the machine's memory that is resident.
        rss, vms, shared: bytes: resident, virtual, and resident and shared with others.
        pss, uss: bytes: resident with shared pages divided among their users, and without them; null unless
            asked for (`stats_pss`).
        threads: how many.
        fds: open descriptors.
        read_bytes, write_bytes: from and to storage so far, those of children that have ended too.
        read_chars, write_chars: bytes that passed through read(2), write(2) and the like so far.
        read_rate, write_rate: read_bytes and write_bytes per second, over the same time as cpu. Bytes of a
            child that has ended are its parent's from then on: only those of a family have no jump there.
        voluntary_switches, involuntary_switches: context switches so far, of all threads that live.
    """

    processes: int
    cpu: float | None
    cpu_time: float | None
    mem: float | None
    rss: int | None
    vms: int | None
    shared: int | None
    pss: int | None
    uss: int | None
    threads: int | None
    fds: int | None
    read_bytes: int | None
    write_bytes: int | None
    read_chars: int | None
    write_chars: int | None
    read_rate: float | None
    write_rate: float | None
    voluntary_switches: int | None
    involuntary_switches: int | None


class ProcessInfo(TypedDict):
    """One process in the words of `stats`, without its family.

    Attributes:
        mem_info1, mem_info2: resident and virtual memory as text.
        mem: percent of the machine's memory.
        ctime: cpu time, `minutes:seconds.hundredths`.
        create_time: seconds since the epoch.
        age: seconds.
        cmdline: one word.
        children: the direct children, each with its own; at most 100 processes in all.
        figures: all numbers of this process alone.
    """

    mem_info1: str
    mem_info2: str
    cpu: Readable
    mem: Readable
    ctime: str
    pid: int
    username: str
    nice: int | str
    create_time: Readable
    age: Readable
    cmdline: str
    children: list[ProcessInfo]
    figures: Figures


class ProcessStat(ProcessInfo):
    """`stat.WATCHER.PID` and `stat.circus.PID`.

    Attributes:
        subtopic: the pid.
        name: `circusd`, `circusd-stats` or `circushttpd`; null for the process of a watcher.
        kind: tells messages apart whatever their watchers are called.
        watcher: its name as it was configured; null for circusd.
        daemon: whose it is, see `name_of_daemon`.
        time: when it was looked at, seconds since the epoch.
        interval: seconds since the look before; null if there was none.
        family: the process and all its descendants, summed.
    """

    subtopic: int
    name: str | None
    kind: Literal["process"]
    daemon: str
    watcher: str | None
    time: float
    interval: float | None
    family: Figures


class WatcherStat(TypedDict):
    """`stat.WATCHER` and `stat.circus`, after those of its processes.

    Attributes:
        pid: its processes.
        cpu: mean of their percents, each without its children.
        mem: sum of their percents.
        age: that of the oldest.
        family: all of them and all their descendants, summed.
    """

    pid: list[int]
    cpu: Readable
    mem: Readable
    age: Readable
    kind: Literal["watcher"]
    daemon: str
    watcher: str | None
    time: float
    interval: float | None
    family: Figures


class SocketStat(TypedDict):
    """`stat.sockets.FD`.

    Attributes:
        fd, subtopic: the descriptor in circusd.
        address: `host:port` or a path.
        reads: connections or datagrams that arrived since the message before, at least: of TCP, one that
            another machine opened and closed between two looks is missed; of others, what a process has taken
            before we looked, which is at once, or what came within the same millisecond.
        name: of its section.
        connections: how many are open; null if it is not TCP.
        waiting: connections that no process has accepted yet; null where the system does not tell.
        interval: seconds that `reads` is about.
    """

    fd: int
    subtopic: int
    address: str
    reads: int
    kind: Literal["socket"]
    daemon: str
    name: str
    connections: int | None
    waiting: int | None
    time: float
    interval: float


class SocketsStat(TypedDict):
    """`stat.sockets`, after those of the sockets: their addresses and the sum of their `reads`."""

    addresses: list[str]
    reads: int
    kind: Literal["sockets"]
    daemon: str
    time: float
    interval: float


class CircusStat(WatcherStat):
    """`stat.circus`.

    Attributes:
        cost: seconds of cpu time that circusd-stats has used since the message before.
        dropped: messages that subscribers have lost so far because they did not keep up.
    """

    cost: float
    dropped: int


AnyStat = CircusStat | ProcessStat | WatcherStat | SocketStat | SocketsStat


class Message(NamedTuple):
    """One message.

    Attributes:
        watcher: its name in lower case, `circus`, or `sockets`.
        subtopic: pid or descriptor as text; None if the message is about all of them.
        stat: one of the classes above; of Circus 0.19, the keys that it has.
    """

    watcher: str
    subtopic: str | None
    stat: Mapping[str, Any]

    @property
    def daemon(self) -> str | None:
        """Whose figures these are, see `name_of_daemon`; None if it does not say, as Circus 0.19."""
        name = self.stat.get("daemon")
        return name if isinstance(name, str) else None


def name_of_daemon(pid: int, endpoint: str) -> str:
    """Return the name of a circusd in messages, which no other has that could publish at the same place.

    Args:
        pid: what `dstats` tells.
        endpoint: what `globaloptions` tells.
    """
    return f"{pid}@{endpoint}"


def read_message(topic: str, stat: Mapping[str, Any]) -> Message:
    """Tell what a message is about. A name may hold dots, so the payload says where it ends."""
    about = topic.removeprefix(PREFIX)
    subtopic = stat.get("subtopic")
    ending = f".{subtopic}"
    if subtopic is None or not about.endswith(ending):
        return Message(about, None, stat)
    return Message(about.removesuffix(ending), str(subtopic), stat)
