"""A client's end of the daemon's channels: the one place where its sockets are made and connected."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import zmq

from circus_core.access.keys import secure
from circus_core.errors import CallError

if TYPE_CHECKING:
    from circus_core.clients.tunnel import Tunnel

__all__ = [
    "DEFAULT_ENDPOINT",
    "DEFAULT_PUBSUB_ENDPOINT",
    "connect",
    "control_socket",
    "events_socket",
    "reachable",
]

DEFAULT_ENDPOINT: Final = "tcp://127.0.0.1:5555"
DEFAULT_PUBSUB_ENDPOINT: Final = "tcp://127.0.0.1:5556"

_EVENTS_WAITING: Final = 10_000
"""Events kept while nobody takes them (ZMQ_RCVHWM); beyond that the daemon drops for this subscriber."""

_ANY_ADDRESS: Final = frozenset({"0.0.0.0", "*", "[::]"})


def control_socket(
    context: zmq.Context[zmq.Socket[bytes]], endpoint: str, tunnel: Tunnel | None = None
) -> zmq.Socket[bytes]:
    """Return a connected socket for requests; raises as `connect`.

    It takes a request only while it is connected: what was meant for now is not kept for a daemon that comes
    later.
    """
    socket = context.socket(zmq.DEALER)
    socket.setsockopt(zmq.IDENTITY, uuid.uuid4().hex.encode())
    socket.setsockopt(zmq.IMMEDIATE, 1)
    connect(socket, endpoint, tunnel)
    return socket


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
    connections = socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
    connections.setsockopt(zmq.LINGER, 0)
    connect(socket, endpoint, tunnel)
    return socket, connections


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
