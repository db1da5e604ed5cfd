"""Datagrams as statsd takes them."""

from __future__ import annotations

import asyncio
import socket

from circus_observers.statsd import Statsd, datagram


def test_a_datagram_is_one_metric() -> None:
    assert datagram("app", "web.x", 1, "c") == b"circus.app.watcher.web.x:1|c"
    assert datagram("app", "web.x", 12, "ms", 0.5) == b"circus.app.watcher.web.x:12|ms|@0.5"


def test_what_is_not_heard_is_lost_without_a_word() -> None:
    async def send() -> None:
        statsd = Statsd("127.0.0.1", 9, "app")
        statsd.increment("before.it.was.found")
        await statsd.locate()
        for _ in range(3):
            statsd.increment("x")
        statsd.close()
        statsd.increment("after")

    asyncio.run(send())


def test_an_unknown_host_is_told_once_and_the_old_place_is_kept() -> None:
    async def send() -> bytes:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.1", 0))
            server.settimeout(10)
            statsd = Statsd("127.0.0.1", server.getsockname()[1], "app")
            await statsd.locate()
            statsd._host = "no such host.invalid"
            await statsd.locate()
            statsd.gauge("g", 1.5)
            statsd.close()
            return server.recv(100)

    assert asyncio.run(send()) == b"circus.app.watcher.g:1.5|g"


def test_a_share_of_counters_is_sent_with_its_rate() -> None:
    async def send() -> list[bytes]:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.1", 0))
            server.setblocking(False)
            statsd = Statsd("127.0.0.1", server.getsockname()[1], "app", sample_rate=0.5)
            await statsd.locate()
            for _ in range(100):
                statsd.increment("n")
            statsd.close()
            found = []
            try:
                while True:
                    found.append(server.recv(100))
            except BlockingIOError:
                return found

    found = asyncio.run(send())
    assert 10 < len(found) < 90
    assert set(found) == {b"circus.app.watcher.n:1|c|@0.5"}
