"""What another user does to an endpoint: a program that gives up its rights and then speaks ZMTP.

Usage: python stranger.py UID ENDPOINT BEHAVIOUR. Prints what it got back, as a Python value.
"""

from __future__ import annotations

import contextlib
import encodings.idna  # noqa: F401  can't be read any more once the rights are gone
import os
import socket
import sys
import time

import zmq

GREETING = b"\xff" + b"\0" * 8 + b"\x7f\x03\0" + b"NULL".ljust(20, b"\0") + b"\0" * 32
ASK = os.environ.get("ASK", '{"command": "incr", "properties": {"name": "sleeper"}, "id": 1}').encode()
ENOUGH = 4096
MORE, LONG, COMMAND = 1, 2, 4  # flags of a frame


def connect(endpoint: str) -> socket.socket:
    transport, _, place = endpoint.partition("://")
    if transport == "ipc":
        found = socket.socket(socket.AF_UNIX)
        found.connect(place)
    else:
        host, _, port = place.rpartition(":")
        found = socket.create_connection((host.strip("[]"), int(port)))
    found.settimeout(10)
    return found


def ready(kind: bytes, **properties: bytes) -> bytes:
    body = b"\x05READY"
    for name, value in {"Socket-Type": kind, **properties}.items():
        key = name.replace("_", "-").encode()
        body += bytes([len(key)]) + key + len(value).to_bytes(4, "big") + value
    return b"\x04" + bytes([len(body)]) + body


def message(body: bytes) -> bytes:
    return b"\0" + bytes([len(body)]) + body


def everything(connection: socket.socket) -> bytes:
    """Read until the other side closes, or says nothing more for a second, or has said enough."""
    got = b""
    with contextlib.suppress(OSError):
        while len(got) < ENOUGH and (chunk := connection.recv(ENOUGH)):
            got += chunk
            connection.settimeout(1)
    return got


def answer(connection: socket.socket) -> bytes:
    """Read until a message is complete, or the other side closes, or says nothing for ten seconds."""
    got = b""
    while len(head := receive(connection, 2)) == 2:
        if head[0] & LONG:
            head += receive(connection, 7)
        got += head + receive(connection, int.from_bytes(head[1:], "big"))
        if not head[0] & (MORE | COMMAND):
            break
    return got


def shake_hands(endpoint: str, hello: bytes) -> tuple[socket.socket, bytes]:
    """Connect, exchange greetings and hellos; returns the other side's hello, empty if it hung up."""
    connection = connect(endpoint)
    connection.sendall(GREETING)
    got = receive(connection, len(GREETING))
    if len(got) == len(GREETING):
        connection.sendall(hello)
        got = receive(connection, 2)
        return connection, receive(connection, got[1]) if len(got) == 2 else b""
    return connection, b""


def receive(connection: socket.socket, size: int) -> bytes:
    got = b""
    with contextlib.suppress(OSError):
        while len(got) < size and (chunk := connection.recv(size - len(got))):
            got += chunk
    return got


def ask(endpoint: str, **properties: bytes) -> bytes:
    """Speak the protocol by the book."""
    connection, hello = shake_hands(endpoint, ready(b"DEALER", **properties))
    with connection:
        if b"READY" not in hello:
            return b""
        connection.sendall(message(ASK))
        return answer(connection)


def pretend(endpoint: str) -> bytes:
    """Claim to be somebody in the handshake."""
    return ask(endpoint, User_Id=b"0", Peer_Address=b"localhost:0:0:1", Identity=b"root")


def hit_and_run(endpoint: str) -> bytes:
    """Send and close at once, many times: closed sockets have no owner in the tables."""
    for _ in range(50):
        connection, _hello = shake_hands(endpoint, ready(b"DEALER"))
        with contextlib.suppress(OSError), connection:
            connection.sendall(message(ASK))
    return b""


def half_close(endpoint: str) -> bytes:
    """Say everything, then only listen."""
    connection, _hello = shake_hands(endpoint, ready(b"DEALER"))
    with connection, contextlib.suppress(OSError):
        connection.sendall(message(ASK))
        connection.shutdown(socket.SHUT_WR)
        return answer(connection)
    return b""


def crowd(endpoint: str) -> int:
    """Open many connections and say nothing; returns how many of them the other side ends in 20 seconds."""
    held = [connect(endpoint) for _ in range(200)]
    ended, deadline = 0, time.monotonic() + 20
    for connection in held:
        with contextlib.suppress(TimeoutError):
            while True:
                connection.settimeout(max(0.01, deadline - time.monotonic()))
                if not connection.recv(1000):
                    break
            ended += 1
    return ended


def subscribe(endpoint: str) -> bytes:
    connection, hello = shake_hands(endpoint, ready(b"SUB"))
    with connection:
        if b"READY" not in hello:
            return b""
        connection.sendall(message(b"\x01"))
        return everything(connection)


def subscribe_to_too_much(endpoint: str) -> str:
    """One long beginning of a topic, then many short ones; tells how many were taken."""
    return f"{_taken(endpoint, 1, 5000)} {_taken(endpoint, 20_000, 30)}"


def _taken(endpoint: str, count: int, size: int) -> str:
    connection, _hello = shake_hands(endpoint, ready(b"SUB"))
    with connection:
        try:
            for number in range(count):
                body = b"\1" + b"%010d" % number + b"x" * (size - 10)
                connection.sendall(b"\2" + len(body).to_bytes(8, "big") + body)
            while connection.recv(1000):
                pass
        except TimeoutError:
            return "all"
        except OSError:
            pass
    return "not all"


def _keyed(kind: int, endpoint: str) -> zmq.Socket[bytes]:
    """Connect with a pair of its own that nobody has admitted; it knows the key of the server."""
    made = zmq.Context().socket(kind)
    made.linger = 0
    made.curve_serverkey = bytes.fromhex(os.environ["SERVER_KEY"])
    made.curve_publickey, made.curve_secretkey = zmq.curve_keypair()
    if kind == zmq.SUB:
        made.subscribe(b"")
    made.connect(endpoint)
    return made


def show_own_key(endpoint: str) -> bytes:
    asking = _keyed(zmq.DEALER, endpoint)
    asking.send(ASK)
    return asking.recv() if asking.poll(1500) else b""


def subscribe_with_own_key(endpoint: str) -> bytes:
    listening = _keyed(zmq.SUB, endpoint)
    return b"".join(listening.recv_multipart()) if listening.poll(1500) else b""


def post(endpoint: str) -> bytes:
    """Send what a web page can make a browser send: to ZMTP/1.0 the first byte is a length."""
    got = b""
    for padding in (b"", b"a"):
        with connect(endpoint) as connection:
            body = b"\x01\0" + bytes([len(ASK) + 1]) + b"\0" + ASK
            head = b"POST / HTTP/1.1\r\nHost: localhost\r\nX: " + padding
            connection.sendall(head + b"b" * (ord("P") + 1 - len(head)) + body * 2)
            got += everything(connection)
    return got


if __name__ == "__main__":
    uid, endpoint, behaviour = sys.argv[1:]
    if int(uid) != os.getuid():
        os.setgroups([])
        os.setgid(int(uid))
        os.setuid(int(uid))
    try:
        print(globals()[behaviour](endpoint))
    except OSError as error:
        print(type(error).__name__)
