"""What the system tells of processes at one moment; the numbers as they are, nothing computed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["Sample", "Table", "descendants"]


class Sample(NamedTuple):
    """One process. None: this user may not read it, or the system does not tell.

    Attributes:
        birth: seconds, on the clock of Table.taken_at; tells it from a later process of the same pid.
        created: seconds since the epoch.
        is_zombie: it has ended, and its parent has not asked for its status, or only just now.
        command: last path component of the first word of its command line, without blanks.
        user: name of its real user, the number if it has none.
        cpu: seconds of user and system time so far.
        waited_cpu: the same of its children that have ended and were waited for, and of theirs.
        rss, vms, shared, pss, uss: bytes.
        read_chars, write_chars, read_bytes, write_bytes: so far, those of children that were waited for too.
        voluntary, involuntary: context switches so far, of all its threads that live.
    """

    pid: int
    birth: float
    created: float
    is_zombie: bool
    command: str
    user: str
    nice: int
    cpu: float
    waited_cpu: float
    rss: int
    vms: int
    shared: int | None
    pss: int | None
    uss: int | None
    threads: int
    fds: int | None
    read_chars: int | None
    write_chars: int | None
    read_bytes: int | None
    write_bytes: int | None
    voluntary: int | None
    involuntary: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Some processes and all their descendants.

    Attributes:
        samples: by pid. Who is gone is missing.
        children: pids of the direct children of whoever has some.
        hidden: asked for, alive, and not to be read by this user.
        taken_at: seconds, on a clock that no one sets.
        time: seconds since the epoch.
    """

    samples: Mapping[int, Sample]
    children: Mapping[int, Collection[int]]
    hidden: Collection[int] = ()
    taken_at: float
    time: float


def descendants(pid: int, children: Mapping[int, Collection[int]]) -> Iterator[int]:
    """Yield the pids below a process, each once, parents before their children."""
    seen = {pid}
    waiting = [pid]
    for parent in waiting:
        for child in children.get(parent, ()):
            if child not in seen:
                seen.add(child)
                waiting.append(child)
                yield child
