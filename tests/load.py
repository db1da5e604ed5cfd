"""HTTP clients that never pause, and keep the books on what they got."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from dataclasses import dataclass
from types import TracebackType
from typing import Self

__all__ = ["Answer", "Load", "ask"]

PATIENCE = 90.0  # seconds to wait for one answer


@dataclass(frozen=True, slots=True)
class Answer:
    """One request. Times are of the monotonic clock; `pid` of the worker, None if there was no answer."""

    asked: float
    done: float
    pid: int | None
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: dict[str, str]
    body: bytes


class Load:
    """Asks from several threads while the context is entered.

    Attributes:
        answers: all of them, in order of completion, also those that failed.
    """

    def __init__(
        self, port: int, *, clients: int = 6, keep_alive: bool = False, path: str = "/", delay: float = 0.0
    ) -> None:
        """Args:
        keep_alive: each client stays on its connection as long as it is let; else a connection per request.
        delay: seconds between the connection and the request.
        """
        self.answers: list[Answer] = []
        self._port = port
        self._keep_alive = keep_alive
        self._path = path
        self._delay = delay
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def failures(self) -> Counter[str]:
        """How often each failure came."""
        return Counter(answer.failure for answer in list(self.answers) if answer.failure)

    @property
    def pids(self) -> set[int]:
        """The workers that have answered."""
        return {answer.pid for answer in list(self.answers) if answer.pid is not None}

    def wait_for_more(self, count: int) -> None:
        """Wait until so many further requests are over, whatever came of them."""
        goal, deadline = len(self.answers) + count, time.monotonic() + PATIENCE
        while len(self.answers) < goal:
            assert time.monotonic() < deadline, f"{self}: fewer than {count} more answers in {PATIENCE} s"
            time.sleep(0.005)

    def __str__(self) -> str:
        times = sorted(answer.done - answer.asked for answer in self.answers if answer.pid is not None)
        median, worst = (times[len(times) // 2], times[-1]) if times else (0.0, 0.0)
        return (
            f"{len(self.answers)} requests to {len(self.pids)} workers, median {median * 1000:.1f} ms, "
            f"longest {worst * 1000:.1f} ms, failures: {dict(self.failures) or 'none'}"
        )

    def _run(self) -> None:
        connection: socket.socket | None = None
        while not self._stop.is_set():
            connection = self._ask(connection)
        if connection is not None:
            connection.close()

    def _ask(self, connection: socket.socket | None) -> socket.socket | None:
        """Ask once; returns the connection if it can be used again. A closed one counts as a failure."""
        asked, step = time.monotonic(), "connect"
        try:
            if connection is None:
                connection = socket.create_connection(("127.0.0.1", self._port), PATIENCE)
                time.sleep(self._delay)
            step = "ask"
            response = exchange(connection, self._path, keep_alive=self._keep_alive)
        except OSError as error:
            self._note(asked, None, f"{step}: {type(error).__name__}")
        else:
            failure = "" if response.status == 200 else f"status {response.status}"
            self._note(asked, int(response.headers.get("x-worker-pid", 0)), failure)
            if self._keep_alive and response.headers.get("connection") != "close":
                return connection
        if connection is not None:
            connection.close()
        return None

    def _note(self, asked: float, pid: int | None, failure: str) -> None:
        self.answers.append(Answer(asked, time.monotonic(), pid, failure))


def ask(port: int, path: str = "/") -> Response:
    """Ask once, on a connection of its own; raises OSError."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        return exchange(connection, path, keep_alive=False)


def exchange(connection: socket.socket, path: str, *, keep_alive: bool) -> Response:
    """Ask on this connection; ConnectionError if it is closed before the answer is complete."""
    connection.sendall(
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\n"
        f"Connection: {'keep-alive' if keep_alive else 'close'}\r\n\r\n".encode()
    )
    received = b""
    while b"\r\n\r\n" not in received:
        received += _more(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers["content-length"]):
        body += _more(connection)
    return Response(int(first.split()[1]), headers, body)


def _more(connection: socket.socket) -> bytes:
    chunk = connection.recv(65536)
    if not chunk:
        raise ConnectionResetError("closed before the answer was complete")
    return chunk
