"""A client's end of the daemon's channels: the one place where its sockets are made and connected."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import zmq

from circus_core.access.keys import secure
from circus_core.errors import CallError, ConnectionLostError

if TYPE_CHECKING:
    from circus_core.clients.tunnel import Tunnel

__all__ = [
    "DEFAULT_ENDPOINT",
    "DEFAULT_PUBSUB_ENDPOINT",
    "connect",
    "control_socket",
    "events_socket",
    "lost_connection",
    "reachable",
    "says_connected",
]

DEFAULT_ENDPOINT: Final = "tcp://127.0.0.1:5555"
DEFAULT_PUBSUB_ENDPOINT: Final = "tcp://127.0.0.1:5556"

_EVENTS_WAITING: Final = 10_000
"""Events kept while nobody takes them (ZMQ_RCVHWM); beyond that the daemon drops for this subscriber."""

_ANY_ADDRESS: Final = frozenset({"0.0.0.0", "*", "[::]"})


def control_socket(
    context: zmq.Context[zmq.Socket[bytes]], endpoint: str, tunnel: Tunnel | None = None
) -> tuple[zmq.Socket[bytes], zmq.Socket[bytes]]:
    """Return a socket for requests that is about to be connected.

    Nothing may be sent before the first connection, nor after its end: it would be kept for a daemon that
    comes later. ZMQ_IMMEDIATE would see to that, but at the end of a connection it also drops the replies
    that nobody has received yet, which a daemon sends when it ends.

    Returns:
        the socket, and one that has a message for `says_connected` when a connection begins or ends.

    Raises:
        CircusError: as `connect`.
    """
    socket = context.socket(zmq.DEALER)
    socket.setsockopt(zmq.IDENTITY, os.urandom(16).hex().encode())
    connections = _told_of(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED, socket)
    connect(socket, endpoint, tunnel)
    return socket, connections


def says_connected(change: bytes) -> bool:
    """Return whether the first frame of a message about a connection says that it has begun, not ended.

    See zmq_socket_monitor(3). The replies that came over a connection can be received before its end is told.
    """
    return int.from_bytes(change[:2], sys.byteorder) == zmq.EVENT_HANDSHAKE_SUCCEEDED


def lost_connection(endpoint: str) -> ConnectionLostError:
    """Return what to raise to those who wait for an answer from there."""
    return ConnectionLostError(
        f"the connection to {endpoint} was lost before the answer came: circusd ends or restarts, and may or "
        "may not have done what it was asked for"
    )


def events_socket(
    context: zmq.Context[zmq.Socket[bytes]],
    endpoint: str,
    topics: Sequence[str],
    tunnel: Tunnel | None = None,
) -> tuple[zmq.Socket[bytes], zmq.Socket[bytes]]:
    """Return a connected socket for events that begin with one of `topics`, or for all if there are none.

    Returns:
        the socket, and one that has a message each time the other has a connection.

    Raises:
        CircusError: as `connect`.
    """
    socket = context.socket(zmq.SUB)
    socket.setsockopt(zmq.RCVHWM, _EVENTS_WAITING)
    for topic in topics or ("",):
        socket.setsockopt(zmq.SUBSCRIBE, topic.encode())
    connections = _told_of(zmq.EVENT_HANDSHAKE_SUCCEEDED, socket)
    connect(socket, endpoint, tunnel)
    return socket, connections


def _told_of(events: int, socket: zmq.Socket[bytes]) -> zmq.Socket[bytes]:
    """Return a socket that is told of these events of another one."""
    monitor = socket.get_monitor_socket(events)
    monitor.setsockopt(zmq.LINGER, 0)
    return monitor


def connect(socket: zmq.Socket[bytes], endpoint: str, tunnel: Tunnel | None = None) -> None:
    """Connect a socket to an endpoint of a daemon, without waiting for it.

    Args:
        tunnel: leads to the machine from which the endpoint can be reached.

    Raises:
        CallError: this is not an endpoint, or it can't be forwarded.
        KeysError: it asks for a key, and ours can't be used.
    """
    socket.setsockopt(zmq.LINGER, 0)
    secure(socket, endpoint, is_tunnelled=tunnel is not None)
    near = endpoint if tunnel is None else tunnel.forward(endpoint)
    try:
        socket.connect(near)
    except zmq.ZMQError as error:
        raise CallError(f"endpoint must be tcp://HOST:PORT or ipc://PATH, got '{endpoint}'") from error


def reachable(told: str, asked: str) -> str:
    """Return an endpoint that a daemon told, as its client can reach it.

    Args:
        told: may be bound to every address of the daemon's machine.
        asked: the endpoint at which the client asked.
    """
    scheme, _, address = told.partition("://")
    host, _, port = address.rpartition(":")
    if scheme != "tcp" or host not in _ANY_ADDRESS:
        return told
    asked_scheme, _, asked_address = asked.partition("://")
    own_host = asked_address.rpartition(":")[0] if asked_scheme == "tcp" else "127.0.0.1"
    return f"tcp://{own_host}:{port}"
