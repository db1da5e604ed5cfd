"""Counts what arrives at listening sockets that we have inherited from the daemon.

Nothing is accepted or read here. The system wakes us for each arrival (EPOLLET of epoll(7)); what a worker
has taken before we look is not counted, and what arrives while we have not looked counts once, or as many
times as more of it waits than before: the least that arrived. Connections of TCP are counted better
elsewhere. After each look is a pause, so a flood costs no more than a thousand looks a second.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
import stat
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from circus_stats.roster import Socket

__all__ = ["Arrivals"]

_PAUSE: Final = 0.001  # seconds

_TCP_INFO_LENGTH: Final = 32
_UNACKED: Final = 24
"""Where tcpi_unacked is in struct tcp_info: of a listening socket, the connections nobody has accepted."""


@dataclass(slots=True)
class _Count:
    reads: int = 0
    waiting: int | None = None


class Arrivals:
    """Belongs to the loop; to be closed. The descriptors stay open: they are not ours to close."""

    def __init__(self, fds: Collection[int], *, loop: asyncio.AbstractEventLoop) -> None:
        """`fds`: those that were inherited."""
        self._fds = frozenset(fds)
        self._loop = loop
        self._epoll = select.epoll() if hasattr(select, "epoll") else None
        self._counts: dict[int, _Count] = {}
        self._pause: asyncio.TimerHandle | None = None
        self._begun_at = loop.time()
        if self._epoll is not None:
            loop.add_reader(self._epoll.fileno(), self._look)

    def follow(self, sockets: Collection[Socket]) -> None:
        """Count for these from now on; those that were not inherited are left out."""
        wanted = {each.fd for each in sockets if each.fd in self._fds and _is_ours(each)}
        for fd in self._counts.keys() - wanted:
            self._forget(fd)
        for fd in sorted(wanted - self._counts.keys()):
            self._counts[fd] = _Count(waiting=_waiting(fd))
            if self._epoll is not None:
                self._epoll.register(fd, select.EPOLLIN | select.EPOLLET)

    def take(self) -> tuple[float, dict[int, tuple[int, int | None]]]:
        """Return the seconds since this was asked before, and by descriptor what arrived and what waits."""
        self._count()
        now = self._loop.time()
        interval, self._begun_at = now - self._begun_at, now
        found = {fd: (count.reads, count.waiting) for fd, count in self._counts.items()}
        for count in self._counts.values():
            count.reads = 0
        return interval, found

    def close(self) -> None:
        """Look no more; again does nothing."""
        if self._pause is not None:
            self._pause.cancel()
        if self._epoll is not None and not self._epoll.closed:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()

    def _look(self) -> None:
        self._count()
        if self._epoll is not None:
            self._loop.remove_reader(self._epoll.fileno())
        self._pause = self._loop.call_later(_PAUSE, self._go_on)

    def _go_on(self) -> None:
        self._pause = None
        if self._epoll is not None and not self._epoll.closed:
            self._loop.add_reader(self._epoll.fileno(), self._look)

    def _count(self) -> None:
        for fd in self._woken():
            count = self._counts.get(fd)
            if count is not None:
                waits = _waiting(fd)
                count.reads += max(1, (waits or 0) - (count.waiting or 0))
        for fd, count in self._counts.items():
            count.waiting = _waiting(fd)

    def _woken(self) -> Iterator[int]:
        if self._epoll is not None and not self._epoll.closed:
            for fd, _ in self._epoll.poll(0):
                yield fd

    def _forget(self, fd: int) -> None:
        del self._counts[fd]
        if self._epoll is not None:
            try:
                self._epoll.unregister(fd)
            except OSError:  # it is closed already
                return


def _is_ours(wanted: Socket) -> bool:
    """Tell whether the descriptor here is that socket, and not something of our own of the same number."""
    try:
        if not stat.S_ISSOCK(os.fstat(wanted.fd).st_mode):
            return False
        with socket.socket(fileno=os.dup(wanted.fd)) as found:
            return _address(found) == wanted.address
    except OSError:
        return False


def _address(found: socket.socket) -> str:
    name = found.getsockname()
    if isinstance(name, (tuple, list)):
        return f"{name[0]}:{name[1]}"
    return os.fsdecode(name)


def _waiting(fd: int) -> int | None:
    """Return how many connections nobody has accepted yet; None where the system does not tell."""
    if not hasattr(socket, "TCP_INFO"):
        return None
    try:
        with socket.socket(fileno=os.dup(fd)) as found:
            info = found.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_LENGTH)
    except OSError:  # it is not one of TCP
        return None
    (waiting,) = struct.unpack_from("@I", info, _UNACKED)
    return int(waiting)
