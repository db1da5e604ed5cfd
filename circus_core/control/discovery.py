"""Answers who asks by multicast where the daemon is, by the protocol of Circus 0.19.

A client sends a datagram of any content to the multicast address, or to its port on this machine; the answer
is a datagram with the JSON object {"endpoint": ...}. Nobody is asked who they are: it is off by default.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import struct
from contextlib import suppress
from typing import Final

__all__ = ["Discovery"]

log = logging.getLogger("circus")

_TURN: Final = 32  # questions answered before others on the loop get their turn
_TTL: Final = 255  # hops that an answer may take
_LARGEST: Final = 1024  # bytes of a question that are looked at: none, but it has to be taken


class Discovery:
    """One UDP socket, several daemons can share its port. Belongs to the loop's thread."""

    def __init__(self, multicast_endpoint: str, *, endpoint: str, loop: asyncio.AbstractEventLoop) -> None:
        """Answer from now on, until `close`. Where that can't be, a warning says so and nothing is answered.

        Args:
            multicast_endpoint: `udp://ADDRESS:PORT`.
            endpoint: what the answer tells.
        """
        self._answer = json.dumps({"endpoint": endpoint}).encode()
        self._loop = loop
        self._socket: socket.socket | None = None
        group, _, port = multicast_endpoint.removeprefix("udp://").rpartition(":")
        try:
            self._socket = _join(group, int(port))
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            log.warning("no discovery on %s: %s", multicast_endpoint, reason)
            return
        loop.add_reader(self._socket, self._answer_all)
        log.info("discovery on %s tells everybody who asks: %s", multicast_endpoint, endpoint)

    def close(self) -> None:
        """Answer no more. May be repeated."""
        if self._socket is not None:
            self._loop.remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def _answer_all(self) -> None:
        for _ in range(_TURN):
            if self._socket is None:
                return
            try:
                _, asker = self._socket.recvfrom(_LARGEST)
            except BlockingIOError:
                return
            except OSError as error:  # such as an earlier answer that nobody took: icmp(7)
                log.debug("discovery: %s", error)
                continue
            with suppress(OSError):  # an answer that can't leave is lost, as any datagram may be
                self._socket.sendto(self._answer, asker)


def _join(group: str, port: int) -> socket.socket:
    """Return a socket that hears the group on every interface that can; OSError if there is none."""
    if not 224 <= int(group.partition(".")[0]) <= 239:
        raise OSError(0, "the address must be from 224.0.0.0 to 239.255.255.255")
    found = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        found.setblocking(False)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        found.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, _TTL)
        found.bind(("", port))
        _join_interfaces(found, group)
    except BaseException:
        found.close()
        raise
    return found


def _join_interfaces(sock: socket.socket, group: str) -> None:
    failure: OSError | None = None
    joined = 0
    for index, _ in socket.if_nameindex():
        request = struct.pack("=4s4si", socket.inet_aton(group), bytes(4), index)  # ip_mreqn of ip(7)
        try:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
            joined += 1
        except OSError as error:
            failure = error
    if not joined:
        raise failure or OSError(0, "there is no network interface")
