"""Whose a tcp connection to this machine is, as far as its other end is on this machine too.

Linux only: asked of the kernel by sock_diag(7), which finds the connections of a port among thousands in
about a millisecond; where that is not allowed, read from /proc/net/tcp and tcp6 (proc(5)), which takes longer
the more connections there are.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Final

__all__ = ["Tables", "can_tell"]

_End = tuple[bytes, int]  # address, port
_Row = tuple[_End, _End, int, int]  # local, remote, uid, inode of the local end

_TABLES: Final = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_MAPPED: Final = bytes(10) + b"\xff\xff"  # ::ffff:0:0/96, an IPv4 address in an IPv6 one


def can_tell() -> bool:
    """Return whether this system tells anything."""
    return any(os.access(table, os.R_OK) for table in _TABLES)


class Tables:
    """Asks the kernel. Holds a descriptor for it, since there may be none left when it matters; to be closed.

    Used by one thread at a time, and closed from any.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_closed = False
        self._netlink = _open_netlink()

    def clients(self, ports: Collection[int]) -> dict[int, dict[int, int | None]]:
        """Find out who is connected to local tcp ports. Takes milliseconds, on any thread.

        Returns:
            per port, by the inode of our end: the uid that owns the client's end, None if that end is not on
            this machine or already closed (the kernel says uid 0 then, which is not root: it has no inode).
        """
        ours: dict[tuple[_End, _End], int] = {}
        theirs: dict[tuple[_End, _End], int] = {}
        for local, remote, uid, inode in self._rows(ports):
            if local[1] in ports:
                ours[local, remote] = inode
            if remote[1] in ports:
                theirs[remote, local] = uid
        found: dict[int, dict[int, int | None]] = {port: {} for port in ports}
        for ends, inode in ours.items():
            found[ends[0][1]][inode] = theirs.get(ends)
        return found

    def close(self) -> None:
        """Give the descriptor back, also while a thread asks."""
        with self._lock:
            self._is_closed = True
            if self._netlink is not None:
                self._netlink.close()

    def _rows(self, ports: Collection[int]) -> Iterable[_Row]:
        if self._netlink is None:
            return _listed(ports)
        try:
            return list(_diagnosed(self._netlink, ports))
        except OSError:  # what is left of the answer must not be taken for that to another question
            self._open_anew()
            return _listed(ports)

    def _open_anew(self) -> None:
        with self._lock:
            if self._netlink is not None:
                self._netlink.close()
            self._netlink = None if self._is_closed else _open_netlink()


# sock_diag(7), linux/inet_diag.h, linux/netlink.h

_HEADER: Final = struct.Struct("=IHHII")  # length, type, flags, sequence, port id
_FAMILY_AND_STATES: Final = struct.Struct("=BBBxI")  # family, protocol, extensions, states
_PORTS: Final = struct.Struct(">HH")
_NO_MORE_ID: Final = bytes(32) + struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)  # addresses, device, cookie
_OWNER: Final = struct.Struct("=II")  # uid, inode
_REQUEST_TYPE: Final = 20  # SOCK_DIAG_BY_FAMILY
_DUMP: Final = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
_ERROR: Final = 2
_DONE: Final = 3
_NETLINK_SOCK_DIAG: Final = 4
_OUR_STATES: Final = 0xFFF & ~(1 << 6) & ~(1 << 10)  # all but TIME_WAIT and LISTEN, which belong to nobody
_THEIR_STATES: Final = 1 << 1 | 1 << 2 | 1 << 4 | 1 << 5  # not those of connections that we have ended


def _open_netlink() -> socket.socket | None:
    """Return a socket that the kernel answers on; None where there is no such thing."""
    try:
        netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG)
    except (OSError, AttributeError):
        return None
    netlink.settimeout(5)
    return netlink


def _diagnosed(netlink: socket.socket, ports: Collection[int]) -> Iterator[_Row]:
    """Ask the kernel; OSError if it does not answer."""
    for port in ports:
        for family in (socket.AF_INET, socket.AF_INET6):
            yield from _dump(netlink, family, _OUR_STATES, local_port=port)
            yield from _dump(netlink, family, _THEIR_STATES, remote_port=port)


def _dump(
    netlink: socket.socket, family: int, states: int, *, local_port: int = 0, remote_port: int = 0
) -> Iterator[_Row]:
    """Yield the connections with these ports, 0 meaning any."""
    body = _FAMILY_AND_STATES.pack(family, socket.IPPROTO_TCP, 0, states)
    body += _PORTS.pack(local_port, remote_port) + _NO_MORE_ID
    netlink.send(_HEADER.pack(_HEADER.size + len(body), _REQUEST_TYPE, _DUMP, 1, 0) + body)
    while True:
        data = netlink.recv(1 << 16)
        while data:
            length, kind, *_ = _HEADER.unpack_from(data)
            if kind == _DONE:
                return
            if kind == _ERROR:
                number = -struct.unpack_from("=i", data, _HEADER.size)[0]
                raise OSError(number, os.strerror(number))
            row = _row(data[_HEADER.size : length])
            if row[3]:
                yield row
            data = data[(length + 3) & ~3 :]


def _row(message: bytes) -> _Row:
    local_port, remote_port = _PORTS.unpack_from(message, 4)
    size = 4 if message[0] == socket.AF_INET else 16
    local, remote = message[8 : 8 + size], message[24 : 24 + size]
    uid, inode = _OWNER.unpack_from(message, 64)
    return (_address(local), local_port), (_address(remote), remote_port), uid, inode


# /proc/net/tcp


def _listed(ports: Collection[int]) -> Iterator[_Row]:
    """Read the tables."""
    endings = tuple(f":{port:04X} " for port in ports)
    for table in _TABLES:
        with contextlib.suppress(OSError), table.open() as lines:
            next(lines, None)
            for line in lines:
                if any(ending in line for ending in endings):
                    words = line.split()
                    if words[9] != "0":
                        yield _end(words[1]), _end(words[2]), int(words[7]), int(words[9])


def _end(text: str) -> _End:
    """Read `0100007F:15B3`: words of four bytes in the order of the machine."""
    digits, _, port = text.partition(":")
    words = (int(digits[at : at + 8], 16) for at in range(0, len(digits), 8))
    return _address(b"".join(struct.pack("=I", word) for word in words)), int(port, 16)


def _address(address: bytes) -> bytes:
    return address.removeprefix(_MAPPED)
