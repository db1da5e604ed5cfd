"""Clients whose daemon ends while they wait for it: they don't wait any longer, and miss nothing it said."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

from circus_core import AsyncCircusClient, CircusClient, ConnectionLostError
from circus_core.clients.control_line import ControlLine
from tests.scripted import ScriptedDaemon

TIMEOUT = 90.0
LOST = r"^the connection to ipc://.* was lost before the answer came"


@pytest.fixture
def endpoint(tmp_path: Path) -> str:
    return f"ipc://{tmp_path}/control"


@pytest.fixture
def line(endpoint: str) -> Iterator[ControlLine]:
    with zmq.Context() as context:
        made = ControlLine(context, endpoint)
        yield made
        made.close()


class EndingDaemon:
    """Ends as soon as it has had its requests, with answers or without."""

    def __init__(self, endpoint: str, *, answers: bool, requests: int = 1) -> None:
        self._requests = requests
        self._answers = answers
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.bind(endpoint)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def wait(self) -> None:
        self._thread.join(TIMEOUT)

    def _serve(self) -> None:
        for _ in range(self._requests):
            if self._socket.poll(int(TIMEOUT * 1000)):
                peer, body = self._socket.recv_multipart()
                if self._answers:
                    self._socket.send_multipart([peer, _answer(body)])
        self._socket.close(linger=1000)
        self._context.term()


def _answer(body: bytes) -> bytes:
    return json.dumps({"status": "ok", "id": json.loads(body).get("id")}).encode()


def _deadline() -> float:
    return time.monotonic() + TIMEOUT


def _ok(_request: Any) -> dict[str, Any]:
    return {"status": "ok"}


def test_a_call_ends_with_its_daemon_and_the_next_one_reaches_the_next_daemon(endpoint: str) -> None:
    ending = EndingDaemon(endpoint, answers=False)
    with CircusClient(endpoint, timeout=TIMEOUT) as client:
        with pytest.raises(ConnectionLostError, match=LOST):
            client.send("list")
        ending.wait()
        with ScriptedDaemon(endpoint, _ok):
            assert client.send("list")["status"] == "ok"


def test_calls_on_a_loop_end_with_their_daemon_and_the_next_one_reaches_the_next_daemon(
    endpoint: str,
) -> None:
    async def ask() -> None:
        ending = EndingDaemon(endpoint, answers=False, requests=2)
        async with AsyncCircusClient(endpoint, timeout=TIMEOUT) as client:
            for lost in await asyncio.gather(
                client.send("list"), client.send("stop"), return_exceptions=True
            ):
                assert isinstance(lost, ConnectionLostError)
            ending.wait()
            with ScriptedDaemon(endpoint, _ok):
                assert (await client.send("list"))["status"] == "ok"

    asyncio.run(ask(), debug=True)


def test_the_last_words_of_a_daemon_are_heard_after_its_end(endpoint: str, line: ControlLine) -> None:
    ending = EndingDaemon(endpoint, answers=True)
    line.send(b'{"id": "1"}', _deadline())
    ending.wait()
    assert json.loads(line.receive(_deadline())) == {"status": "ok", "id": "1"}
    for _ in range(2):
        with pytest.raises(ConnectionLostError, match=LOST):
            line.receive(_deadline())


def test_the_last_words_of_a_daemon_are_heard_on_a_loop_that_was_busy(endpoint: str) -> None:
    async def ask() -> None:
        ending = EndingDaemon(endpoint, answers=True)
        async with AsyncCircusClient(endpoint, timeout=TIMEOUT) as client:
            asking = asyncio.create_task(client.send("list"))
            while not client._calls or client._unsent:
                await asyncio.sleep(0)
            ending.wait()
            assert (await asking)["status"] == "ok"

    asyncio.run(ask())


def test_what_did_not_leave_before_the_end_of_a_daemon_goes_to_no_other(
    endpoint: str, line: ControlLine
) -> None:
    much = json.dumps({"command": "much", "padding": "." * 200_000}).encode()
    with zmq.Context() as context, context.socket(zmq.ROUTER) as deaf:
        deaf.setsockopt(zmq.RCVHWM, 1)
        deaf.bind(endpoint)
        for _ in range(50):
            line.send(much, _deadline())
    with pytest.raises(ConnectionLostError, match=LOST):
        line.receive(_deadline())
    with ScriptedDaemon(endpoint, _ok) as daemon:
        line.send(b'{"command": "list"}', _deadline())
        line.receive(_deadline())
        assert [request["command"] for request in daemon.requests] == ["list"]
