"""Counts the connections to listening TCP sockets by looking who is connected.

A connection that has ended stays in the tables of the system for a minute, at the end that closed first. So
what came and went between two looks is found too, unless the client closed first and is on another machine.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from circus_stats.roster import Socket
from circus_stats.sock_diag import CLOSED, OPEN, Connection, connections

__all__ = ["Connections", "Visit", "Visits"]


@dataclass(frozen=True, slots=True)
class Visit:
    """What was seen at one socket.

    Attributes:
        arrived: connections that were not there at the look before; None at the first look.
        now: how many are open.
    """

    arrived: int | None
    now: int


@dataclass(slots=True)
class Visits:
    """Tells new connections of one listening socket from old ones. Pure."""

    _cookies: frozenset[bytes] | None = None
    _clients: frozenset[tuple[bytes, int]] = field(default_factory=frozenset)

    def take(self, here: Collection[Connection], far: Iterable[Connection]) -> Visit:
        """Take in a look.

        Args:
            here: ends that belong to the listening socket.
            far: other ends, on this machine, of connections that it may have had.
        """
        clients_here = {(each.peer, each.peer_port) for each in here}
        clients_far = {(each.local, each.local_port) for each in far}
        cookies = frozenset(each.cookie for each in here)
        arrived = None
        if self._cookies is not None:
            arrived = len(cookies - self._cookies) + len(clients_far - clients_here - self._clients)
        self._cookies, self._clients = cookies, frozenset(clients_here | clients_far)
        return Visit(arrived, sum(each.state in OPEN for each in here))


class Connections:
    """Looks at the TCP sockets among those of the daemon. Used by one thread at a time; may take long."""

    def __init__(self) -> None:
        self._visits: dict[Socket, Visits] = {}

    def look(self, sockets: Collection[Socket]) -> dict[int, Visit]:
        """Return what was seen, by descriptor. What the system does not tell of is missing."""
        self._visits = {each: self._visits.get(each) or Visits() for each in sockets}
        found = {}
        for each, visits in self._visits.items():
            place = _place(each.address)
            if place is None:
                continue
            try:
                found[each.fd] = visits.take(*_ends(*place))
            except OSError:
                self._visits[each] = Visits()
        return found


def _place(address: str) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int] | None:
    """Return address and port; None if it is a path."""
    host, _, port = address.rpartition(":")
    try:
        return ipaddress.ip_address(host), int(port)
    except ValueError:
        return None


def _ends(
    host: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int
) -> tuple[list[Connection], list[Connection]]:
    family = socket.AF_INET if host.version == 4 else socket.AF_INET6
    here = connections(family, OPEN + CLOSED, local_port=port)
    far = connections(family, CLOSED, peer_port=port)
    if host.is_unspecified:
        return here, [each for each in far if _is_of_this_machine(each)]
    own = host.packed
    return [each for each in here if each.local == own], [each for each in far if each.peer == own]


def _is_of_this_machine(far: Connection) -> bool:
    """Tell whether a connection went to a port of this machine, as far as that shows."""
    return far.peer == far.local or ipaddress.ip_address(far.peer).is_loopback
