"""Who opens many connections takes the last descriptor from nobody but himself."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from circus_httpd.access import Identity
from circus_httpd.daemons import Daemons
from circus_httpd.live import Live, Page
from circus_httpd.tokens import Role

from .dashboards import Visitor, by_hand, tokens_in

pytestmark = pytest.mark.slow

_DESCRIPTORS = 200


@contextmanager
def few_descriptors() -> Iterator[None]:
    """What is started within this may open 200 files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (_DESCRIPTORS, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_flood_of_strangers_drives_out_itself_and_nobody_who_is_known(tmp_path: Path) -> None:
    with ExitStack() as stack:
        with few_descriptors():
            words = ("--endpoint", f"ipc://{tmp_path}/nobody")
            url, state, _ = stack.enter_context(by_hand(tmp_path / "h", *words))
        token = tokens_in(state)["full"]
        place = urlsplit(url)
        assert place.hostname
        known = stack.enter_context(_connection(place.hostname, place.port))
        assert _ask(known, token) == 200
        flood = [
            stack.enter_context(socket.create_connection((place.hostname, place.port or 0), timeout=20))
            for _ in range(2 * _DESCRIPTORS)
        ]
        for each in flood:
            with suppress(ConnectionError):
                each.sendall(b"GET / HTTP/1.1\r\n")
        assert Visitor(url, token).get("/api/session").status == 200
        assert _ask(known, token) == 200
        with suppress(ConnectionResetError):
            assert flood[0].recv(1) == b""
        assert "Too many open files" not in (state / "circushttpd.log").read_text()


@contextmanager
def _connection(host: str, port: int | None) -> Iterator[HTTPConnection]:
    connection = HTTPConnection(host, port, timeout=20)
    try:
        yield connection
    finally:
        connection.close()


def _ask(connection: HTTPConnection, token: str) -> int:
    connection.request("GET", "/api/session", headers={"Authorization": f"Bearer {token}"})
    response = connection.getresponse()
    response.read()
    return response.status


def test_who_may_only_look_takes_no_page_from_who_may_do_more() -> None:
    async def run() -> list[bool]:
        async def write(text: str) -> None: ...

        live = Live(Daemons(lambda: None), is_valid=lambda identity: True)

        def add(role: Role) -> bool:
            return live.add(Page(Identity(role), write, lambda code, reason: None))

        taken = [add("read") for _ in range(129)]
        taken.append(add("full"))
        await live.close()
        return taken

    assert asyncio.run(run()) == [True] * 128 + [False, True]


def test_head_is_answered_as_get_is_without_a_body(tmp_path: Path) -> None:
    with by_hand(tmp_path / "h", "--endpoint", f"ipc://{tmp_path}/nobody") as (url, state, _):
        for path in ("/", "/api/health", "/api/openapi.json", "/nothing"):
            head, got = (Visitor(url).send(method, path) for method in ("HEAD", "GET"))
            assert (head.status, head.body) == (got.status, b"")
            assert head.headers["Content-Type"] == got.headers["Content-Type"]
        assert Visitor(url).send("HEAD", "/api/session").status == 401
        assert Visitor(url, tokens_in(state)["read"]).send("HEAD", "/api/session").status == 200
        assert Visitor(url).send("HEAD", "/api/daemons/main/reloadconfig").headers["Allow"] == "POST"
