"""Asks Linux for the TCP connections of one port: sock_diag(7). Reads nothing but what it asked for."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

__all__ = ["CLOSED", "OPEN", "Connection", "TooManyError", "connections"]

_PROTOCOL: Final = 4  # NETLINK_SOCK_DIAG
_BY_FAMILY: Final = 20
_DUMP: Final = 0x301  # NLM_F_REQUEST | NLM_F_DUMP of netlink(7)
_ERROR: Final = 2
_DONE: Final = 3
_HEADER: Final = struct.Struct("=IHHII")
_QUESTION: Final = struct.Struct("=BBBBI")
_ADDRESSES: Final = struct.Struct("!HH16s16s")
_REST: Final = struct.Struct("=I8s")
_STATE: Final = 17  # offsets in one message
_ADDRESSES_AT: Final = 20
_COOKIE_AT: Final = 60
_MOST: Final = 20_000
_PATIENCE: Final = 2.0  # seconds

_TIME_WAIT: Final = 6
OPEN: Final = (1,)
"""States of include/net/tcp_states.h: ESTABLISHED."""

CLOSED: Final = (4, 5, 6, 8, 9, 11)
"""Those on the way to the end, TIME_WAIT with them, which stays for a minute."""


class TooManyError(OSError):
    """More connections than are worth looking at."""


class Connection(NamedTuple):
    """One end of a connection.

    Attributes:
        local, peer: addresses, 4 or 16 bytes.
        cookie: tells it from all others, also from later ones between the same ports.
    """

    state: int
    local: bytes
    local_port: int
    peer: bytes
    peer_port: int
    cookie: bytes


def connections(
    family: int, states: tuple[int, ...], *, local_port: int = 0, peer_port: int = 0
) -> list[Connection]:
    """Return the ends of this machine that have these ports; 0: any.

    Args:
        family: AF_INET or AF_INET6.

    Raises:
        TooManyError: more than 20 000.
        OSError: the system does not tell.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _PROTOCOL) as channel:
        channel.settimeout(_PATIENCE)
        channel.sendto(_request(family, states, local_port, peer_port), (0, 0))
        found: list[Connection] = []
        for message in _messages(channel):
            found.append(_connection(message, 4 if family == socket.AF_INET else 16))
            if len(found) > _MOST:
                raise TooManyError("too many connections to look at")
        return found


def _request(family: int, states: tuple[int, ...], local_port: int, peer_port: int) -> bytes:
    mask = sum(1 << state for state in states)
    body = (
        _QUESTION.pack(family, socket.IPPROTO_TCP, 0, 0, mask)
        + _ADDRESSES.pack(local_port, peer_port, b"", b"")
        + _REST.pack(0, b"\xff" * 8)
    )
    return _HEADER.pack(_HEADER.size + len(body), _BY_FAMILY, _DUMP, 1, 0) + body


def _messages(channel: socket.socket) -> Iterator[memoryview]:
    while True:
        data = memoryview(channel.recv(1 << 17))
        while data:
            length, kind, *_ = _HEADER.unpack_from(data)
            if kind == _DONE:
                return
            if kind == _ERROR:
                (code,) = struct.unpack_from("=i", data, _HEADER.size)
                raise OSError(-code, "the system does not tell of connections")
            yield data[:length]
            data = data[(length + 3) & ~3 :]


def _connection(message: memoryview, width: int) -> Connection:
    local_port, peer_port, local, peer = _ADDRESSES.unpack_from(message, _ADDRESSES_AT)
    return Connection(
        state=message[_STATE],
        local=local[:width],
        local_port=local_port,
        peer=peer[:width],
        peer_port=peer_port,
        cookie=bytes(message[_COOKIE_AT : _COOKIE_AT + 8]),
    )
