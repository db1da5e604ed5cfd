"""StatsdClient: counters, gauges and times below one prefix."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

from circus_statsd.metrics import clean, format_metric
from circus_statsd.sender import StatsdSender

__all__ = ["StatsdClient"]


class StatsdClient:
    """From any thread; no method waits or raises.

    What can't be sent is counted in `sender.dropped`, and by a counter `_statsd.dropped` when it works again.
    """

    def __init__(
        self,
        host: str = "localhost",
        port: int = 8125,
        prefix: str | None = None,
        sample_rate: float = 1.0,
        tags: Iterable[str] = (),
        *,
        sender: StatsdSender | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Args:
        prefix: before every bucket, with a dot; None for nothing.
        sample_rate: which part of counters and times is sent, above 0 and at most 1; all gauges are.
        tags: of every metric.
        sender: what datagrams go through, closed by `stop`.
        chance: gives numbers from 0 to below 1.
        """
        self.sender = sender or StatsdSender(host, port)
        self._prefix = prefix
        self._rate = sample_rate
        self._tags = tuple(tags)
        self._chance = chance
        self._told = 0  # of what was dropped

    def increment(self, bucket: str, delta: float = 1, *, tags: Iterable[str] = ()) -> None:
        """Count `delta` more."""
        self.send(bucket, delta, "c", tags=tags)

    def decrement(self, bucket: str, delta: float = 1, *, tags: Iterable[str] = ()) -> None:
        """Count `delta` less."""
        self.send(bucket, -delta, "c", tags=tags)

    def gauge(self, bucket: str, value: float, *, tags: Iterable[str] = ()) -> None:
        """Say how much there is."""
        self.send(bucket, value, "g", tags=tags)

    def timed(self, bucket: str, value: float, *, tags: Iterable[str] = ()) -> None:
        """Say how long it took, in milliseconds."""
        self.send(bucket, value, "ms", tags=tags)

    def send(self, bucket: str, value: float, kind: str, *, tags: Iterable[str] = ()) -> None:
        """Send one metric, unless sampling leaves it out."""
        rate = 1.0 if kind == "g" else self._rate
        if rate < 1 and self._chance() >= rate:
            return
        datagram = format_metric(self._name(bucket), value, kind, rate=rate, tags=(*self._tags, *tags))
        if self.sender.send(datagram) and self.sender.dropped > self._told:
            self._tell_of_loss(self.sender.dropped - self._told)

    def stop(self) -> None:
        """Send nothing more."""
        self.sender.close()

    def _tell_of_loss(self, count: int) -> None:
        """Count at the server what did not reach it."""
        if self.sender.send(format_metric(self._name("_statsd.dropped"), count, "c", tags=self._tags)):
            self._told += count

    def _name(self, bucket: str) -> str:
        return clean(bucket if self._prefix is None else f"{self._prefix}.{bucket}")
