"""Real sockets, real connections."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from circus_core.testing import until
from circus_stats.arrivals import Arrivals
from circus_stats.roster import Socket

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


async def total(arrivals: Arrivals, wanted: Callable[[int], bool]) -> tuple[int, int | None]:
    """Add up what is taken until it is as wanted."""
    reads, waiting = 0, None
    async with asyncio.timeout(10):
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


def test_connections_that_a_worker_takes_at_once_are_counted_too() -> None:
    async def scenario(listener: socket.socket, told: Socket, taken: Callable[[], int]) -> None:
        arrivals = Arrivals([told.fd], loop=asyncio.get_running_loop())
        arrivals.follow([told])
        for number in range(COUNT):  # one after the other, so that each is an arrival of its own
            await asyncio.to_thread(connect, listener.getsockname(), socket.AF_INET, 1)
            until(lambda number=number: taken() > number)  # type: ignore[misc]
            await asyncio.sleep(0.003)
        reads, waiting = await total(arrivals, lambda reads: reads >= COUNT)
        arrivals.close()
        assert (reads, waiting) == (COUNT, 0)

    listener, told = tcp()
    with listener, accepting(listener) as taken:
        asyncio.run(scenario(listener, told, taken))


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
