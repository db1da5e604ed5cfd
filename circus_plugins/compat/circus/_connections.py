"""Sockets of ZeroMQ and of the system, as 0.19 made them."""

from __future__ import annotations

import ipaddress
import os
import socket as sockets
import struct
import weakref
from typing import Any

from circus_core import open_tunnel, secure

__all__ = ["close_on_exec", "create_udp_socket", "get_connection"]


def get_connection(
    socket: Any, endpoint: str, ssh_server: str | None = None, ssh_keyfile: str | None = None
) -> None:
    """Connect a ZeroMQ socket to a daemon, with the keys that it asks for.

    Args:
        ssh_server: `[user@]host[:port]` from which the endpoint can be reached. Waits for the login, which
            lasts as long as the socket.

    Raises:
        CallError: there is no login, or no forwarding.
        KeysError: it asks for a key, and ours can't be used.
        zmq.ZMQError: this is not an endpoint.
    """
    secure(socket, endpoint, is_tunnelled=ssh_server is not None)
    near = endpoint
    if ssh_server is not None:
        tunnel = open_tunnel(ssh_server, ssh_keyfile)
        weakref.finalize(socket, tunnel.close)
        near = tunnel.forward(endpoint)
    socket.connect(near)


def create_udp_socket(mcast_addr: str, mcast_port: int) -> sockets.socket:
    """Return a socket that receives what is sent to a multicast address; ValueError if it is none."""
    group = ipaddress.IPv4Address(mcast_addr)
    if not group.is_multicast:
        raise ValueError(f"{mcast_addr} is not a multicast address; take one from 224.0.0.0 on")
    receiver = sockets.socket(sockets.AF_INET, sockets.SOCK_DGRAM)
    try:
        receiver.setsockopt(sockets.SOL_SOCKET, sockets.SO_REUSEADDR, 1)
        receiver.bind(("", int(mcast_port)))
        membership = group.packed + struct.pack("=I", sockets.INADDR_ANY)
        receiver.setsockopt(sockets.IPPROTO_IP, sockets.IP_ADD_MEMBERSHIP, membership)
    except OSError:
        receiver.close()
        raise
    return receiver


def close_on_exec(fd: int) -> None:
    """Have no program inherit a descriptor."""

    os.set_inheritable(fd, False)
