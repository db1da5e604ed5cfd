"""Real sockets, real connections."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from circus_core.testing import until
from circus_stats.arrivals import Arrivals
from circus_stats.connections import Connections, Visit, Visits
from circus_stats.roster import Socket
from circus_stats.sock_diag import Connection

COUNT = 50


@contextmanager
def accepting(listener: socket.socket) -> Iterator[Callable[[], int]]:
    """Accept and close connections on a thread, as a quick worker does; gives how many it were."""
    taken = 0

    def work() -> None:
        nonlocal taken
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.close()
            taken += 1

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield lambda: taken
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def tcp() -> tuple[socket.socket, Socket]:
    listener = socket.create_server(("127.0.0.1", 0), backlog=2 * COUNT)
    return listener, Socket(listener.fileno(), "web", f"127.0.0.1:{listener.getsockname()[1]}")


def connect(address: object, family: int, count: int) -> None:
    for _ in range(count):
        with socket.socket(family) as client:
            client.connect(address)  # type: ignore[arg-type]


def waiting(listener: socket.socket) -> int:
    """Return how many connections wait to be accepted: tcpi_unacked of struct tcp_info, see tcp(7)."""
    (found,) = struct.unpack_from("=I", listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104), 24)
    return int(found)


async def total(arrivals: Arrivals, wanted: Callable[[int], bool]) -> tuple[int, int | None]:
    """Add up what is taken until it is as wanted."""
    reads, waiting = 0, None
    async with asyncio.timeout(30):
        while not wanted(reads):
            await asyncio.sleep(0.01)
            _, counts = arrivals.take()
            for found, waits in counts.values():
                reads, waiting = reads + found, waits
    return reads, waiting


def test_connections_that_nobody_accepts_are_counted_and_wait() -> None:
    async def scenario(listener: socket.socket, told: Socket) -> None:
        arrivals = Arrivals([told.fd], loop=asyncio.get_running_loop())
        arrivals.follow([told])
        await asyncio.to_thread(connect, listener.getsockname(), socket.AF_INET, COUNT)
        reads, waiting = await total(arrivals, lambda reads: reads >= COUNT - 1)
        arrivals.close()
        assert COUNT - 1 <= reads <= COUNT
        assert waiting == COUNT

    listener, told = tcp()
    with listener:
        asyncio.run(scenario(listener, told))


def test_connections_that_a_worker_takes_at_once_are_found_afterwards() -> None:
    connections = Connections()
    listener, told = tcp()
    with listener, accepting(listener) as taken:
        assert connections.look([told])[told.fd].arrived is None
        connect(listener.getsockname(), socket.AF_INET, COUNT)
        until(lambda: taken() == COUNT)
        assert connections.look([told])[told.fd] == Visit(COUNT, 0)
        assert connections.look([told])[told.fd] == Visit(0, 0)


@pytest.mark.parametrize(
    ("family", "host", "bound"),
    [
        (socket.AF_INET, "127.0.0.1", "127.0.0.1"),
        (socket.AF_INET, "127.0.0.1", "0.0.0.0"),
        (socket.AF_INET6, "::1", "::1"),
        (socket.AF_INET6, "::1", "::"),
    ],
)
def test_open_connections_are_counted_wherever_it_listens(family: int, host: str, bound: str) -> None:
    connections = Connections()
    with socket.create_server((bound, 0), family=family, backlog=10) as listener:
        port = listener.getsockname()[1]
        told = Socket(listener.fileno(), "web", f"{bound}:{port}")
        other = Socket(98, "other", f"127.0.0.2:{port}")
        connections.look([told, other])
        clients = [socket.create_connection((host, port)) for _ in range(3)]
        try:
            until(lambda: waiting(listener) == 3)
            found = connections.look([told, other])
            assert found[told.fd] == Visit(3, 3)
            assert found[98] == Visit(0, 0)
        finally:
            for client in clients:
                client.close()


def test_a_path_is_not_asked_for() -> None:
    assert Connections().look([Socket(9, "s", "/run/s")]) == {}


def ends(*clients: int, cookies: bool = True) -> list[Connection]:
    return [
        Connection(1, b"here", 80, b"peer", port, b"%d" % port)
        if cookies
        else Connection(6, b"peer", port, b"here", 80, b"")
        for port in clients
    ]


def test_a_connection_counts_once_however_it_ends() -> None:
    visits = Visits()
    visits.take(ends(1), ends(2, cookies=False))
    assert visits.take(ends(1, 3), ends(2, cookies=False)).arrived == 1
    assert visits.take(ends(1), ends(2, 3, cookies=False)).arrived == 0
    assert visits.take(ends(1), ends(3, 4, cookies=False)).arrived == 1
    assert visits.take([], []).arrived == 0


def test_a_unix_socket_counts_too_and_does_not_tell_who_waits(tmp_path: Path) -> None:
    async def scenario(listener: socket.socket, told: Socket) -> None:
        arrivals = Arrivals([told.fd], loop=asyncio.get_running_loop())
        arrivals.follow([told])
        await asyncio.to_thread(connect, told.address, socket.AF_UNIX, 3)
        reads, waiting = await total(arrivals, lambda reads: reads >= 1)
        arrivals.close()
        assert 1 <= reads <= 3
        assert waiting is None

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen(10)
        asyncio.run(scenario(listener, Socket(listener.fileno(), "s", str(tmp_path / "s"))))


def test_a_descriptor_of_our_own_with_the_same_number_is_not_taken_for_a_socket() -> None:
    async def scenario(listener: socket.socket, told: Socket) -> None:
        arrivals = Arrivals([0, told.fd], loop=asyncio.get_running_loop())
        others = [
            Socket(0, "stdin", "127.0.0.1:1"),
            Socket(told.fd, "web", "127.0.0.1:1"),
            Socket(99, "x", "/x"),
        ]
        arrivals.follow(others)
        assert arrivals.take()[1] == {}
        arrivals.follow([told])
        assert list(arrivals.take()[1]) == [told.fd]
        arrivals.follow([])
        assert arrivals.take()[1] == {}
        arrivals.close()
        arrivals.close()

    listener, told = tcp()
    with listener:
        asyncio.run(scenario(listener, told))
