"""StatsdClient and its sender, over real sockets."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from circus_core.testing import until
from circus_statsd import StatsdClient, StatsdSender


class Server:
    """A UDP socket."""

    def __init__(self, family: socket.AddressFamily = socket.AF_INET) -> None:
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.settimeout(20)
        self._socket.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]

    def receive(self) -> str:
        return self._socket.recv(65536).decode()

    def receive_all(self) -> list[str]:
        """Take what has come."""
        self._socket.setblocking(False)
        got = []
        with suppress(BlockingIOError):
            while True:
                got.append(self.receive())
        self._socket.settimeout(20)
        return got

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def test_each_metric_is_one_datagram(server: Server) -> None:
    client = StatsdClient("127.0.0.1", server.port, "circus.app.watcher", tags=["env:x"])
    client.increment("web.spawn")
    client.decrement("web.spawn", 2)
    client.gauge("web one.mem", 1.5, tags=["a:b"])
    client.timed("request", 12)
    assert [server.receive() for _ in range(4)] == [
        "circus.app.watcher.web.spawn:1|c|#env:x",
        "circus.app.watcher.web.spawn:-2|c|#env:x",
        "circus.app.watcher.web one.mem:1.5|g|#env:x,a:b",
        "circus.app.watcher.request:12|ms|#env:x",
    ]
    client.stop()
    client.increment("too.late")
    assert (client.sender.sent, client.sender.dropped) == (4, 1)


def test_sampling_leaves_out_counters_and_times_but_no_gauges(server: Server) -> None:
    chances = iter([0.6, 0.4, 0.5, 0.49])
    client = StatsdClient("127.0.0.1", server.port, sample_rate=0.5, chance=lambda: next(chances))
    for number in range(3):
        client.increment(f"c{number}")
    client.gauge("g", 1)
    client.timed("t", 1)
    assert [server.receive() for _ in range(3)] == ["c1:1|c|@0.5", "g:1|g", "t:1|ms|@0.5"]
    client.stop()


def test_a_name_is_looked_up_and_ipv4_preferred(server: Server) -> None:
    client = StatsdClient("localhost", server.port)
    client.increment("a")
    assert server.receive() == "a:1|c"
    client.stop()


def test_ipv6_is_fine_too() -> None:
    try:
        server = Server(socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6")
    client = StatsdClient("::1", server.port)
    client.increment("a")
    assert server.receive() == "a:1|c"
    client.stop()
    server.close()


def test_a_host_that_does_not_exist_costs_metrics_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    sender = StatsdSender("no-such-host.invalid", 8125)
    for _ in range(5):
        sender.send(b"a:1|c")
    until(lambda: sender.dropped == 5)
    for _ in range(5):
        sender.send(b"a:1|c")
    assert (sender.sent, sender.dropped) == (0, 10)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2
    assert told[0].startswith("statsd: 5 metrics to no-such-host.invalid:8125 were not sent so far: ")
    assert told[1].startswith("statsd: 10 metrics to no-such-host.invalid:8125 were not sent so far: ")
    sender.close()


def test_a_name_server_that_does_not_answer_holds_nobody_up(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    answer = threading.Event()
    look_up = socket.getaddrinfo

    def slow(*args: Any, **options: Any) -> Any:
        assert answer.wait(20)
        return look_up(*args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    client = StatsdClient("localhost", server.port)
    for _ in range(1005):
        client.increment("a")
    assert client.sender.dropped == 5
    answer.set()
    until(lambda: client.sender.sent == 1000)
    assert set(server.receive_all()) == {"a:1|c"}  # as many as the socket can hold
    client.increment("b")  # and now the loss is told
    assert [server.receive(), server.receive()] == ["b:1|c", "_statsd.dropped:5|c"]
    client.stop()


def test_what_the_system_does_not_take_is_counted(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    client = StatsdClient("127.0.0.1", server.port)
    client.increment("a")
    assert server.receive() == "a:1|c"
    client.increment("x" * 70_000)
    assert client.sender.dropped == 1
    client.increment("b")
    assert [server.receive(), server.receive()] == ["b:1|c", "_statsd.dropped:1|c"]
    client.increment("c")
    assert server.receive() == "c:1|c"
    client.stop()
