"""Sends datagrams to a host and port, without ever holding up who sends; counts what was not sent."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections import deque
from collections.abc import Iterable
from typing import Any, Final

__all__ = ["StatsdSender"]

_logger = logging.getLogger("circus")

_WAITING: Final = 1000
"""Datagrams kept while the address is looked up for the first time."""

_LASTS: Final = 60.0
"""Seconds for which a looked-up address is used; what is sent later has it looked up again meanwhile."""

_RETRY: Final = 5.0
"""Seconds after a failed look-up in which there is no other one."""

_Target = tuple[socket.AddressFamily, tuple[str, int]]


class StatsdSender:
    """Datagrams to one address. From any thread.

    A name is looked up in a thread of its own; until its address is known a bounded number of datagrams is
    kept.

    Attributes:
        sent: how many were handed to the system.
        dropped: how many could not be.
    """

    def __init__(self, host: str, port: int) -> None:
        self.sent = 0
        self.dropped = 0
        self._host = host
        self._port = port
        self._lock = threading.Lock()
        self._sockets: dict[socket.AddressFamily, socket.socket] = {}
        self._waiting: deque[bytes] = deque()
        self._target: _Target | None = None
        self._is_looking_up = False
        self._has_failed = False
        self._look_up_again = 0.0
        self._is_closed = False

    def send(self, datagram: bytes) -> bool:
        """Send, keep, or drop and count; never waits and never raises. Tell whether the system has it."""
        with self._lock:
            if self._is_closed:
                self.dropped += 1
                return False
            self._look_up()
            if self._target is not None:
                return self._send(datagram, self._target)
            if self._is_looking_up and not self._has_failed and len(self._waiting) < _WAITING:
                self._waiting.append(datagram)
            else:
                self._drop(1, "the address of the host is not known")
            return False

    def close(self) -> None:
        """Give back the sockets; a look-up that is under way ends by itself."""
        with self._lock:
            self._is_closed = True
            self.dropped += len(self._waiting)
            self._waiting.clear()
            for each in self._sockets.values():
                each.close()

    # with the lock

    def _look_up(self) -> None:
        if not self._is_looking_up and time.monotonic() >= self._look_up_again:
            self._is_looking_up = True
            # No executor: nobody waits at the end for a name server that does not answer.
            threading.Thread(target=self._resolve, name="statsd-address", daemon=True).start()

    def _send(self, datagram: bytes, target: _Target) -> bool:
        family, address = target
        try:
            if family not in self._sockets:
                self._sockets[family] = socket.socket(family, socket.SOCK_DGRAM)
                self._sockets[family].setblocking(False)
            self._sockets[family].sendto(datagram, address)
        except OSError as error:  # a full buffer, no route, too long
            self._drop(1, str(error))
            return False
        self.sent += 1
        return True

    def _drop(self, count: int, reason: str) -> None:
        """Count; tell of the first, the tenth, the hundredth and so on."""
        before, self.dropped = self.dropped, self.dropped + count
        if len(str(before)) < len(str(self.dropped)) or before == 0:
            _logger.warning(
                "statsd: %d metrics to %s:%d were not sent so far: %s",
                self.dropped,
                self._host,
                self._port,
                reason,
            )

    # of the thread that looks up

    def _resolve(self) -> None:
        found, reason = None, ""
        try:
            found = _first(socket.getaddrinfo(self._host, self._port, type=socket.SOCK_DGRAM))
        except (OSError, UnicodeError) as error:
            reason = str(error)
        with self._lock:
            self._is_looking_up = False
            self._look_up_again = time.monotonic() + (_LASTS if found else _RETRY)
            self._target = found or self._target  # an old address is better than none
            self._has_failed = self._target is None
            if self._is_closed:
                return
            if self._target is None:
                self._drop(len(self._waiting), reason)
            else:
                for datagram in self._waiting:
                    self._send(datagram, self._target)
            self._waiting.clear()


def _first(found: Iterable[tuple[Any, ...]]) -> _Target:
    """Choose IPv4 where there is both: most servers listen only there."""
    family, _, _, _, address = min(found, key=lambda each: each[0] != socket.AF_INET)
    return family, address
