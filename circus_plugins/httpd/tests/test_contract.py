"""openapi.yaml is what requests are held to, and all of it is done."""

from __future__ import annotations

from typing import Any

import pytest

from circus_httpd.contract import Contract
from circus_httpd.daemons import Daemons
from circus_httpd.operations import Operations
from circus_httpd.problems import Problem

CONTRACT = Contract()
ELSEWHERE = {"session", "login", "logout", "downloadLogs"}
"""They need cookies, or answer with something else than JSON."""


async def _nothing() -> None: ...


def test_every_operation_is_done_and_described() -> None:
    operations = Operations(Daemons(lambda: None), multicast=None, description={}, daemons_changed=_nothing)
    assert {each.name for each in CONTRACT.operations} == set(operations.table) | ELSEWHERE


def test_no_comma_ends_a_text_of_the_description_before_its_end() -> None:
    """In braces YAML takes what follows a comma for a further key, without a value."""

    def nulls(value: Any, place: str) -> list[str]:
        if isinstance(value, dict):
            return [found for key, item in value.items() for found in nulls(item, f"{place}/{key}")]
        if isinstance(value, list):
            return [found for number, item in enumerate(value) for found in nulls(item, f"{place}/{number}")]
        return [place] if value is None else []

    assert nulls(CONTRACT.document, "") == []


def test_who_may_do_what() -> None:
    access = {each.name: each.access for each in CONTRACT.operations}
    assert {name for name, role in access.items() if role == "none"} == {"openapi", "health", "login"}
    assert {name for name, role in access.items() if role == "read"} == {
        *("session", "logout", "optionTable", "daemons", "daemon", "plan", "sockets", "events", "logs"),
        *("downloadLogs", "history", "watchers", "watcher"),
    }


@pytest.mark.parametrize(
    ("segment", "name"),
    [
        ("web", "web"),
        ("a%2Fb", "a/b"),
        ("%3Cscript%3E", "<script>"),
        ("~Li4", ".."),
        ("~fg", "~"),
        ("%C3%A9", "é"),
    ],
)
def test_any_name_can_be_written_in_a_path(segment: str, name: str) -> None:
    operation, values = CONTRACT.find("POST", f"daemons/main/watchers/{segment}/start")
    assert (operation.name, values) == ("start", {"daemon": "main", "watcher": name})


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "", 404),
        ("GET", "nothing", 404),
        ("GET", "daemons/main/watchers/", 404),
        ("GET", "daemons/xyz", 404),
        ("GET", "daemons/main/watchers/%FF", 404),
        ("GET", "daemons/main/watchers/~*", 404),
        ("POST", "daemons/main/watchers/web/processes/x/kill", 404),
        ("POST", "daemons/main/watchers/web/processes/0/kill", 404),
        ("PUT", "daemons", 405),
        ("GET", "daemons/main/watchers/web/start", 405),
    ],
)
def test_what_is_not_there_is_told(method: str, path: str, status: int) -> None:
    with pytest.raises(Problem) as refused:
        CONTRACT.find(method, path)
    assert refused.value.status == status


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b'{"nb": 2}', "application/json; charset=utf-8", 0),
        (b"", "", 0),
        (b"{}", "application/json", 0),
        (b'{"nb": 2}', "text/plain", 415),
        (b'{"nb": 2}', "", 415),
        (b"{", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b'{"nb": NaN}', "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b'{"nb": 0}', "application/json", 422),
        (b'{"nb": "2"}', "application/json", 422),
        (b'{"nb": true}', "application/json", 422),
        (b'{"other": 2}', "application/json", 422),
        (b"[]", "application/json", 422),
        (b"null", "application/json", 422),
    ],
)
def test_bodies_are_checked(body: bytes, content_type: str, status: int) -> None:
    operation, _ = CONTRACT.find("POST", "daemons/main/watchers/web/incr")
    if not status:
        operation.check_body(body, content_type)
        return
    with pytest.raises(Problem) as refused:
        operation.check_body(body, content_type)
    assert refused.value.status == status


def test_queries_are_checked() -> None:
    operation, _ = CONTRACT.find("GET", "daemons/main/logs")
    assert operation.query_values({"lines": [b"5"], "search": [b"x"]}) == {"lines": 5, "search": "x"}
    for arguments in (
        {"lines": [b"0"]},
        {"lines": [b"1e3"]},
        {"stream": [b"both"]},
        {"x": [b""]},
        {"wid": [b"1"] * 2},
    ):
        with pytest.raises(Problem) as refused:
            operation.query_values(arguments)
        assert refused.value.status == 422


@pytest.mark.parametrize("endpoint", ["tcp://10.0.0.1:5555", "ipc:///run/circus"])
def test_daemons_are_reached_by_tcp_and_ipc(endpoint: str) -> None:
    operation, _ = CONTRACT.find("POST", "daemons")
    operation.check_body(f'{{"endpoint": "{endpoint}"}}'.encode(), "application/json")


@pytest.mark.parametrize(
    "about",
    [
        '{"endpoint": "http://169.254.169.254/"}',
        '{"endpoint": "file:///etc/passwd"}',
        '{"endpoint": "inproc://x"}',
        '{"endpoint": "pgm://x"}',
        '{"endpoint": "tcp://a:1", "ssh": "-oProxyCommand=x"}',
        '{"endpoint": "tcp://a:1", "ssh": "a b"}',
        "{}",
    ],
)
def test_and_by_nothing_else(about: str) -> None:
    operation, _ = CONTRACT.find("POST", "daemons")
    with pytest.raises(Problem) as refused:
        operation.check_body(about.encode(), "application/json")
    assert refused.value.status == 422
