"""Messages to log daemons: datagrams and connections, with a bound on every wait."""

from __future__ import annotations

import contextlib
import errno
import re
import select
import socket
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable
from itertools import islice
from typing import Final

from circus_streams.chunks import Origin

__all__ = ["ConnectedSender", "DatagramSender", "LocalSender", "Sender", "sender"]

TIMEOUT: Final = 5.0  # seconds that one connection attempt or one write may take
AT_ONCE: Final = 512  # messages in one sendmsg(2); the bound is IOV_MAX, 1024
UNIX_PATH: Final = 107  # bytes, unix(7)


class Sender(ABC):
    """Sends messages in order, and keeps what it could not send. One thread at a time; raises OSError."""

    def __init__(self, where: str) -> None:
        """Args:
        where: the address as the user wrote it; errors name it.
        """
        self._where = where
        self._waiting: deque[bytes] = deque()
        self._socket: socket.socket | None = None

    def open(self) -> None:  # noqa: B027  optional
        """Nothing: the first message connects, so that the log daemon may come later."""

    def send(self, messages: Iterable[bytes]) -> None:
        """Take messages and send them; raises OSError if not all could be sent."""
        self._waiting.extend(messages)
        self.flush()

    def flush(self) -> None:
        """Send what could not be sent; raises OSError."""
        try:
            self._send_all()
        except TimeoutError:
            raise TimeoutError(errno.ETIMEDOUT, "nothing was taken in time", self._where) from None
        except socket.gaierror as error:
            raise OSError(f"can't find the host of {self._where!r}: {error.strerror}") from error
        except OSError as error:
            error.filename = self._where
            raise

    def end(self, origin: Origin) -> None:  # noqa: B027  optional
        """Nothing is kept for a process."""

    def reopen(self) -> None:
        """Connect anew, maybe to another host of that name; raises OSError."""
        self.flush()
        self.close()

    def close(self) -> None:
        """Disconnect; the next message connects again."""
        the_socket, self._socket = self._socket, None
        if the_socket is not None:
            the_socket.close()

    def _send_all(self) -> None:
        may_be_stale = self._socket is not None
        while self._waiting:
            try:
                self._send_some(self._connected())
            except TimeoutError:
                raise
            except OSError:
                self.close()
                if not may_be_stale:
                    raise
                may_be_stale = False  # the log daemon may have been started anew: try once more at once

    def _connected(self) -> socket.socket:
        if self._socket is None:
            self._socket = self._connect()
        return self._socket

    @abstractmethod
    def _connect(self) -> socket.socket:
        """Return a socket with a timeout."""

    @abstractmethod
    def _send_some(self, connected: socket.socket) -> None:
        """Send at least a part of what waits, or raise OSError."""


class DatagramSender(Sender):
    """One UDP datagram for each message. What gets lost on its way nobody knows, as with every UDP."""

    def __init__(self, where: str, host: str, port: int) -> None:
        super().__init__(where)
        self._host = host
        self._port = port

    def _connect(self) -> socket.socket:
        return _first_that_connects(self._host, self._port, socket.SOCK_DGRAM)

    def _send_some(self, connected: socket.socket) -> None:
        for _ in range(2):  # a refusal is about an earlier datagram, and this one was not sent, udp(7)
            with contextlib.suppress(ConnectionRefusedError):
                connected.send(self._waiting[0])
                break
        self._waiting.popleft()


class ConnectedSender(Sender):
    """Messages over TCP, each behind its length: octet counting, RFC 6587.

    After a connection has broken, messages that were not sent completely are sent again from their start;
    what the other side had accepted and not read is lost.
    """

    def __init__(self, where: str, host: str, port: int) -> None:
        super().__init__(where)
        self._host = host
        self._port = port
        self._sent = 0  # bytes of the first message

    def send(self, messages: Iterable[bytes]) -> None:
        super().send(self._framed(each) for each in messages)

    def close(self) -> None:
        super().close()
        self._sent = 0

    def _framed(self, message: bytes) -> bytes:
        return b"%d %b" % (len(message), message)

    def _connect(self) -> socket.socket:
        return _first_that_connects(self._host, self._port, socket.SOCK_STREAM)

    def _send_some(self, connected: socket.socket) -> None:
        if _has_ended(connected):
            self.close()
            connected = self._connected()
        parts: list[bytes | memoryview] = list(islice(self._waiting, AT_ONCE))
        parts[0] = memoryview(parts[0])[self._sent :]
        self._sent += connected.sendmsg(parts)
        while self._waiting and self._sent >= len(self._waiting[0]):
            self._sent -= len(self._waiting.popleft())


class LocalSender(ConnectedSender):
    """A unix socket: datagrams, or a connection with a line for each message if it is listened on."""

    def __init__(self, where: str, path: str) -> None:
        super().__init__(where, "", 0)
        self._path = path

    def _framed(self, message: bytes) -> bytes:
        return message + b"\n"

    def _connect(self) -> socket.socket:
        try:
            return _connected_to(socket.AF_UNIX, socket.SOCK_DGRAM, self._path)
        except OSError as error:
            if error.errno != errno.EPROTOTYPE:
                raise
        return _connected_to(socket.AF_UNIX, socket.SOCK_STREAM, self._path)

    def _send_some(self, connected: socket.socket) -> None:
        if connected.type is not socket.SOCK_DGRAM:
            super()._send_some(connected)
            return
        connected.send(self._waiting[0].removesuffix(b"\n"))
        self._waiting.popleft()


class JournalSender(LocalSender):
    """Datagrams that may end with a line end of their own."""

    def _framed(self, message: bytes) -> bytes:
        return message


def sender(address: str) -> Sender:
    """Return what sends to an address.

    Args:
        address: a path, `udp://HOST[:PORT]` (port 514) or `tcp://HOST[:PORT]` (port 601).

    Raises:
        ValueError: it is none of these.
    """
    text = str(address).strip()
    path = text.removeprefix("unix://")
    if path.startswith("/") and len(path.encode()) <= UNIX_PATH:
        return LocalSender(text, path)
    match = re.fullmatch(r"(udp|tcp)://(\[[0-9A-Fa-f:.%\w]+\]|[^\s:/\[\]]+)(?::(\d{1,5}))?/?", text)
    if match is None or int(match[3] or 1) > 65535:
        raise ValueError(f"address must be a path, udp://HOST:PORT or tcp://HOST:PORT, got {address!r}")
    host = match[2].strip("[]")
    if match[1] == "udp":
        return DatagramSender(text, host, int(match[3] or 514))
    return ConnectedSender(text, host, int(match[3] or 601))


def _first_that_connects(host: str, port: int, kind: socket.SocketKind) -> socket.socket:
    problem: OSError = ConnectionRefusedError(errno.ECONNREFUSED, "nobody listens")
    for family, kind_found, _proto, _name, address in socket.getaddrinfo(host, port, type=kind):
        try:
            return _connected_to(family, kind_found, address)
        except OSError as error:
            problem = error
    raise problem


def _connected_to(
    family: int, kind: int, address: str | tuple[str | int, ...] | tuple[int, bytes]
) -> socket.socket:
    with contextlib.ExitStack() as on_error:
        new = on_error.enter_context(socket.socket(family, kind))
        new.settimeout(TIMEOUT)
        new.connect(address)
        on_error.pop_all()
    return new


def _has_ended(connected: socket.socket) -> bool:
    """Tell whether the other side has closed: the first write after that would seem to succeed."""
    poll = select.poll()
    poll.register(connected, select.POLLIN)
    try:
        return bool(poll.poll(0)) and not connected.recv(4096)
    except ConnectionError:
        return True
