"""The sockets that heartbeats come in by."""

from __future__ import annotations

import array
import os
import socket
import stat
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from circus_watchdog.heartbeats import LONGEST

__all__ = ["NotifyEar", "UdpEar"]

_CREDENTIALS: Final = struct.Struct("iII")
"""struct ucred of unix(7): pid, uid, gid."""

_DESCRIPTORS: Final = 16
"""How many one datagram may bring; sd_notify sends one for BARRIER=1."""

_LONGEST_NOTIFICATION: Final = 4096

_BUFFER: Final = 4 * 1024 * 1024
"""Bytes that may wait, if the system allows that much: many heartbeats come at the same time."""


class UdpEar:
    """Datagrams to an address and port; never blocks."""

    def __init__(self, ip: str, port: int) -> None:
        """Raises OSError."""
        family, kind, protocol, _, address = socket.getaddrinfo(
            ip, port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE
        )[0]
        self.socket = socket.socket(family, kind, protocol)
        try:
            self.socket.setblocking(False)
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
            self.socket.bind(address)
        except OSError:
            self.socket.close()
            raise

    def receive(self, limit: int) -> Iterator[bytes]:
        """Yield what has come, `limit` datagrams at most."""
        for _ in range(limit):
            try:
                yield self.socket.recv(LONGEST + 1)
            except BlockingIOError:
                return

    def close(self) -> None:
        """Hear nothing more."""
        self.socket.close()


class NotifyEar:
    """Datagrams of sd_notify(3), each with the pid of its sender as the kernel says; never blocks. Linux."""

    def __init__(self, name: str) -> None:
        """Args:
        name: a path; @NAME is an abstract address: unix(7). A file that nobody listens at is replaced.

        Raises OSError.
        """
        if not hasattr(socket, "SO_PASSCRED"):
            raise OSError("this system does not tell who has sent a datagram")
        self._path = None if name.startswith("@") else Path(name)
        self._file: tuple[int, int] | None = None
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self.socket.setblocking(False)
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            self._bind(name)
        except OSError:
            self.socket.close()
            raise

    def receive(self, limit: int) -> Iterator[tuple[bytes, int]]:
        """Yield what has come with the pid of the sender, `limit` datagrams at most.

        Descriptors that came along are closed when the next one is asked for: a sender of BARRIER=1 waits
        for that.
        """
        space = socket.CMSG_SPACE(_CREDENTIALS.size) + socket.CMSG_SPACE(4 * _DESCRIPTORS)
        for _ in range(limit):
            try:
                data, extras, _, _ = self.socket.recvmsg(
                    _LONGEST_NOTIFICATION, space, socket.MSG_CMSG_CLOEXEC
                )
            except BlockingIOError:
                return
            try:
                yield data, _sender(extras)
            finally:
                _close_all(extras)

    def close(self) -> None:
        """Hear nothing more, and remove the file unless someone else's has taken its place."""
        self.socket.close()
        if self._path is not None and self._file is not None:
            with suppress(FileNotFoundError):
                found = self._path.stat()
                if (found.st_dev, found.st_ino) == self._file:
                    self._path.unlink()

    def _bind(self, name: str) -> None:
        if self._path is None:
            self.socket.bind(f"\0{name[1:]}")
            return
        _remove_if_dead(self._path)
        self.socket.bind(name)
        found = self._path.stat()
        self._file = found.st_dev, found.st_ino
        self._path.chmod(0o666)  # processes may run as any user; their pid does not come from them


def _remove_if_dead(path: Path) -> None:
    """Delete the file of a socket that nobody has open any more."""
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.stat().st_mode):
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                path.unlink()


def _sender(extras: list[tuple[int, int, bytes]]) -> int:
    for level, kind, data in extras:
        if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS and len(data) >= _CREDENTIALS.size:
            pid, _, _ = _CREDENTIALS.unpack(data[: _CREDENTIALS.size])
            return int(pid)
    return 0


def _close_all(extras: list[tuple[int, int, bytes]]) -> None:
    for level, kind, data in extras:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors = array.array("i")
            descriptors.frombytes(data[: len(data) - len(data) % descriptors.itemsize])
            for descriptor in descriptors:
                os.close(descriptor)
