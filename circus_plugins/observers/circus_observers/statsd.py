"""Metrics in datagrams, as statsd takes them. One that gets lost is lost; nothing is ever waited for."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
from contextlib import suppress
from typing import Any

__all__ = ["Statsd", "datagram"]

_logger = logging.getLogger("circus")


def datagram(application: str, bucket: str, value: int | float, kind: str, rate: float = 1.0) -> bytes:
    """Return one metric; `kind` is c (counter), g (gauge) or ms (timer)."""
    sampled = "" if rate == 1 else f"|@{rate:g}"
    return f"circus.{application}.watcher.{bucket}:{value}|{kind}{sampled}".encode()


class Statsd:
    """Sends metrics of one application to one server. Belongs to one loop."""

    def __init__(self, host: str, port: int, application: str, sample_rate: float = 1.0) -> None:
        self._host = host
        self._port = port
        self._application = application
        self._rate = sample_rate
        self._socket: socket.socket | None = None
        self._address: tuple[int, tuple[Any, ...]] | None = None  # family and address
        self._is_unknown = False

    async def locate(self) -> None:
        """Find where the server is now; if nobody knows, what was found before is kept."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_DGRAM)
        except OSError as error:
            if not self._is_unknown:
                _logger.error("no metrics are sent: host %r: %s", self._host, error)
            self._is_unknown = True
            return
        self._is_unknown = False
        found.sort(key=lambda each: each[0] != socket.AF_INET)  # localhost: where statsd listens by default
        family, _, _, _, address = found[0]
        self._connect(family, address)

    def increment(self, bucket: str) -> None:
        """Count one."""
        self._send_sample(bucket, 1, "c")

    def gauge(self, bucket: str, value: int | float) -> None:
        """Tell a value; never sampled."""
        self._send(datagram(self._application, bucket, value, "g"))

    def timed(self, bucket: str, milliseconds: int) -> None:
        """Tell how long something took."""
        self._send_sample(bucket, milliseconds, "ms")

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connect(self, family: int, address: tuple[Any, ...]) -> None:
        if (family, address) == self._address:
            return
        self.close()
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._address = (family, address)

    def _send_sample(self, bucket: str, value: int, kind: str) -> None:
        if self._rate == 1 or random.random() < self._rate:  # noqa: S311  no secret
            self._send(datagram(self._application, bucket, value, kind, self._rate))

    def _send(self, metric: bytes) -> None:
        if self._socket is not None and self._address is not None:
            with suppress(OSError):  # nobody listens, or the buffer is full
                self._socket.sendto(metric, self._address[1])
