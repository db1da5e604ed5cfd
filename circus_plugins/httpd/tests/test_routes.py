"""Every operation of the description, and every path of the server: who gets how far."""

from __future__ import annotations

import re
import socket
from typing import Any, Final
from urllib.parse import urlsplit

import pytest

from circus_core.testing import until
from circus_httpd.contract import Contract

from .dashboards import Dashboard, Visitor, tokens_in

pytestmark = pytest.mark.slow

METHODS: Final = ("get", "post", "put", "patch", "delete")
OPEN: Final = {("GET", "/api/openapi.json"), ("GET", "/api/health"), ("POST", "/api/session")}
FOR_READERS: Final = {("DELETE", "/api/session")}
PRIVATE: Final = ("/options", "/environment")
"""The ends of paths about a watcher that only the role full may read."""


def described() -> list[tuple[str, str, dict[str, Any]]]:
    """Return method, path and description of all operations."""
    paths = Contract().document["paths"]
    return [
        (method.upper(), path, item[method])
        for path, item in paths.items()
        for method in METHODS
        if method in item
    ]


def filled(path: str) -> str:
    """Return a path about what is not there: whoever gets through changes nothing."""
    names = {"daemon": "main", "watcher": "nobody", "pid": "1"}
    return re.sub(r"{(\w+)}", lambda found: names[found[1]], path)


CHANGING: Final = [
    (method, filled(path))
    for method, path, _ in described()
    if method != "GET" and (method, path) not in OPEN | FOR_READERS
]
READING: Final = [
    (method, filled(path))
    for method, path, _ in described()
    if method == "GET" and (method, path) not in OPEN
]


def status(visitor: Visitor, method: str, path: str, **headers: str) -> int:
    return visitor.send(method, path, None if method == "GET" else {}, headers).status


def test_there_is_something_to_guard() -> None:
    assert len(CHANGING) >= 18
    assert len(READING) >= 12


def test_nobody_gets_further_than_the_door(dashboard: Dashboard) -> None:
    for method, path in CHANGING + READING:
        assert status(dashboard.nobody, method, path) == 401, (method, path)


def test_who_may_only_look_changes_nothing_anywhere(dashboard: Dashboard) -> None:
    for method, path in CHANGING:
        answer = dashboard.read.send(method, path, {})
        assert (answer.status, "role full" in answer.json["detail"]) == (403, True), (method, path)


def test_who_may_only_look_reads_neither_options_nor_environments(dashboard: Dashboard) -> None:
    for method, path in READING:
        is_private = "/watchers/" in path and path.endswith(PRIVATE)
        assert (status(dashboard.read, method, path) == 403) == is_private, (method, path)


def test_a_browser_needs_its_csrf_token_and_our_own_page_everywhere(dashboard: Dashboard) -> None:
    browser = Visitor(dashboard.url)
    csrf = browser.log_in(tokens_in(dashboard.state)["full"])
    for method, path in [*CHANGING, *FOR_READERS]:
        assert status(browser, method, path) == 403, (method, path)
        foreign = {"X-CSRF-Token": csrf, "Origin": "http://evil.example"}
        assert status(browser, method, path, **foreign) == 403, (method, path)
    assert status(browser, "GET", "/api/session") == 200


def test_there_is_no_method_that_is_not_described(dashboard: Dashboard) -> None:
    known: dict[str, set[str]] = {}
    for method, path, _ in described():
        known.setdefault(filled(path), set()).add(method)
    for path, methods in known.items():
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE"} - methods:
            assert status(dashboard.full, method, path) == 405, (method, path)


def test_beside_the_api_there_is_only_what_can_be_looked_at(dashboard: Dashboard) -> None:
    for path in ("/", "/static/favicon.svg", "/anything", "/api/live"):
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            assert status(dashboard.full, method, path) == 405, (method, path)


def test_what_a_stranger_asks_for_reaches_the_log_without_control_characters(dashboard: Dashboard) -> None:
    place = urlsplit(dashboard.url)
    request = b"POST /api/\x9b31mred\x85 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with socket.create_connection((place.hostname, place.port or 80), timeout=20) as connection:
        connection.sendall(request)
        assert connection.recv(100).startswith(b"HTTP/1.1 404")
    log = dashboard.daemon.log
    until(lambda: "POST /api/%C2%9B31mred%C2%85 404" in log(), log)
    assert "\x9b" not in log()
