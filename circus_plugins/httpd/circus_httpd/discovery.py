"""Asks the network for daemons, by the protocol of Circus 0.19: a datagram to a multicast address."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Final
from urllib.parse import urlsplit

from circus_core import reachable
from circus_httpd.problems import Problem

__all__ = ["discover", "parse_multicast"]

_HOPS: Final = 1
_MOST: Final = 100
_LARGEST: Final = 1024


def parse_multicast(address: str) -> tuple[str, int]:
    """Return group and port of `udp://GROUP:PORT`. Raises ValueError."""
    parts = urlsplit(address)
    if parts.scheme != "udp" or not parts.hostname or not parts.port:
        raise ValueError(f"a multicast address must be udp://GROUP:PORT, got {address!r}")
    return parts.hostname, parts.port


async def discover(address: str, *, timeout: float = 1.0) -> list[str]:
    """Return the endpoints that answer within so many seconds, sorted. Raises Problem 502."""
    loop = asyncio.get_running_loop()
    found: set[str] = set()
    try:
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Answers(found), family=socket.AF_INET, local_addr=("0.0.0.0", 0)
        )
    except OSError as error:
        raise Problem(502, f"can't ask {address}: {error.strerror or error}") from error
    try:
        udp: socket.socket = transport.get_extra_info("socket")
        udp.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, _HOPS)
        transport.sendto(b'""', parse_multicast(address))
        await asyncio.sleep(timeout)
    except OSError as error:
        raise Problem(502, f"can't ask {address}: {error.strerror or error}") from error
    finally:
        transport.close()
    return sorted(found)


class _Answers(asyncio.DatagramProtocol):
    def __init__(self, found: set[str]) -> None:
        self._found = found

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Take an answer; anybody may send one, so nothing is taken for granted."""
        try:
            told = json.loads(data[:_LARGEST])["endpoint"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return
        if isinstance(told, str) and told.startswith("tcp://") and len(self._found) < _MOST:
            self._found.add(reachable(told, f"tcp://{addr[0]}:0"))
