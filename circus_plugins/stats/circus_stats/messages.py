"""Makes messages of what was seen. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from circus_stats.collector import Look, Seen
from circus_stats.figures import sum_figures
from circus_stats.payloads import (
    PREFIX,
    SOCKETS,
    ProcessStat,
    Readable,
    SocketsStat,
    SocketStat,
    WatcherStat,
)
from circus_stats.process_info import NOT_AVAILABLE
from circus_stats.roster import Group, Socket

__all__ = ["messages_of_group", "messages_of_sockets", "socket_stat"]


def messages_of_group(
    group: Group, look: Look, daemon: str
) -> Iterator[tuple[str, ProcessStat | WatcherStat]]:
    """Yield topic and payload of each process of a group that was seen, then of all together."""
    found = [(pid, look.processes[pid]) for pid in group.pids if pid in look.processes]
    for pid, seen in found:
        yield f"{PREFIX}{group.topic}.{pid}", _process(pid, seen, group, look, daemon)
    yield f"{PREFIX}{group.topic}", _watcher(found, group, look, daemon)


def socket_stat(
    socket: Socket,
    reads: int,
    *,
    daemon: str,
    connections: int | None = None,
    waiting: int | None = None,
    time: float,
    interval: float,
) -> SocketStat:
    """Return the payload of one socket; `interval` is what `reads` is about."""
    return {
        "fd": socket.fd,
        "subtopic": socket.fd,
        "reads": reads,
        "address": socket.address,
        "kind": "socket",
        "daemon": daemon,
        "name": socket.name,
        "connections": connections,
        "waiting": waiting,
        "time": time,
        "interval": interval,
    }


def messages_of_sockets(stats: Sequence[SocketStat]) -> Iterator[tuple[str, SocketStat | SocketsStat]]:
    """Yield topic and payload of each socket, then of all together; nothing if there are none."""
    if not stats:
        return
    for stat in stats:
        yield f"{PREFIX}{SOCKETS}.{stat['fd']}", stat
    yield (
        f"{PREFIX}{SOCKETS}",
        {
            "addresses": [stat["address"] for stat in stats],
            "reads": sum(stat["reads"] for stat in stats),
            "kind": "sockets",
            "daemon": stats[0]["daemon"],
            "time": stats[0]["time"],
            "interval": stats[0]["interval"],
        },
    )


def _process(pid: int, seen: Seen, group: Group, look: Look, daemon: str) -> ProcessStat:
    return {
        **seen.info,
        "subtopic": pid,
        "name": group.names.get(pid),
        "kind": "process",
        "daemon": daemon,
        "watcher": group.watcher,
        "time": look.time,
        "interval": seen.interval,
        "family": seen.family,
    }


def _watcher(found: Sequence[tuple[int, Seen]], group: Group, look: Look, daemon: str) -> WatcherStat:
    infos = [seen.info for _, seen in found]
    ages = [info["age"] for info in infos]
    return {
        "pid": [pid for pid, _ in found],
        "cpu": _mean([info["cpu"] for info in infos]),
        "mem": _sum([info["mem"] for info in infos]),
        "age": _oldest(ages),
        "kind": "watcher",
        "daemon": daemon,
        "watcher": group.watcher,
        "time": look.time,
        "interval": look.interval,
        "family": sum_figures(seen.family for _, seen in found),
    }


def _numbers(values: Sequence[Readable]) -> list[float] | None:
    """Return the values if all of them are numbers."""
    numbers = [value for value in values if not isinstance(value, str)]
    return numbers if len(numbers) == len(values) else None


def _sum(values: Sequence[Readable]) -> Readable:
    numbers = _numbers(values)
    return NOT_AVAILABLE if numbers is None else round(sum(numbers), 3)


def _mean(values: Sequence[Readable]) -> Readable:
    total = _sum(values)
    return total if isinstance(total, str) or not values else round(total / len(values), 3)


def _oldest(values: Sequence[Readable]) -> Readable:
    numbers = _numbers(values)
    return max(numbers) if numbers else NOT_AVAILABLE
