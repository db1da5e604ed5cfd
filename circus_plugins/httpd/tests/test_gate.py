"""Host, Origin and proxies."""

from __future__ import annotations

import pytest

from circus_httpd.gate import Gate, Visitor, parse_name
from circus_httpd.problems import Problem

GATE = Gate(allowed_hosts=["dash.example.org"], trusted_proxies=["10.0.0.0/8", "::1"])


def here(host: str = "localhost:8080", scheme: str = "http") -> Visitor:
    return Visitor("127.0.0.1", scheme, host)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:8080",
        "127.0.0.1:8080",
        "[::1]:8080",
        "192.168.1.7",
        "dash.example.org",
        "a.localhost",
        "Dash.Example.Org.:443",
    ],
)
def test_our_names_are_let_in(host: str) -> None:
    GATE.check_host(here(host))


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "localhost.evil.example",
        "dash.example.org.evil.example",
        "127.0.0.1.evil.example",
        "localhost@evil.example",
        "localhost:80:80",
        "evil.example/localhost",
        "[::1",
        "localhost:x",
        " localhost",
    ],
)
def test_other_names_are_refused(host: str) -> None:
    with pytest.raises(Problem, match="not called") as refused:
        GATE.check_host(here(host))
    assert refused.value.status == 421


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://localhost:8080"},
        {"Origin": "http://localhost:8080", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_our_own_page_may_ask(headers: dict[str, str]) -> None:
    GATE.check_origin(here(), headers)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "https://localhost:8080"},
        {"Origin": "http://localhost:9090"},
        {"Origin": "http://localhost"},
        {"Origin": "http://[bad"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:8080"},
    ],
)
def test_pages_of_other_sites_may_not(headers: dict[str, str]) -> None:
    with pytest.raises(Problem, match="comes from") as refused:
        GATE.check_origin(here(), headers)
    assert refused.value.status == 403


def test_an_origin_can_be_asked_for() -> None:
    with pytest.raises(Problem, match="nowhere"):
        GATE.check_origin(here(), {}, is_required=True)


FORWARDED = {
    "Host": "backend:8080",
    "X-Forwarded-For": "6.6.6.6, 203.0.113.9, 10.1.2.3",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "dash.example.org",
}


def test_a_trusted_proxy_is_believed_but_not_what_came_before_it() -> None:
    assert GATE.visitor("10.9.9.9", "http", FORWARDED) == Visitor("203.0.113.9", "https", "dash.example.org")


def test_an_ipv4_address_is_the_same_at_a_socket_for_both() -> None:
    """As at `httpd_host = ::`, which takes IPv4 too."""
    mapped = {**FORWARDED, "X-Forwarded-For": "::ffff:203.0.113.9, ::ffff:10.1.2.3"}
    for headers in (FORWARDED, mapped):
        visitor = GATE.visitor("::ffff:10.9.9.9", "http", headers)
        assert visitor == Visitor("203.0.113.9", "https", "dash.example.org")
    assert GATE.visitor("::ffff:192.0.2.1", "http", FORWARDED).address == "192.0.2.1"


def test_what_is_no_address_is_nobody() -> None:
    assert GATE.visitor("10.9.9.9", "http", {"Host": "x", "X-Forwarded-For": "y" * 999}).address == "10.9.9.9"


def test_nobody_else_is_believed() -> None:
    assert GATE.visitor("192.0.2.1", "http", FORWARDED) == Visitor("192.0.2.1", "http", "backend:8080")


def test_a_proxy_that_tells_nothing_is_the_visitor() -> None:
    assert GATE.visitor("::1", "http", {"Host": "localhost"}) == Visitor("::1", "http", "localhost")


@pytest.mark.parametrize(
    "name", ["dash.example.org", "Dash", "a_b", "xn--bcher-kva.example.", "::1", "10.0.0.7"]
)
def test_a_name_that_can_be_in_a_host_header_may_be_allowed(name: str) -> None:
    Gate(allowed_hosts=[parse_name(name)]).check_host(here(f"[{name}]" if ":" in name else name))


@pytest.mark.parametrize(
    "name",
    ["a/b", "a:8080", "https://a", "a b", "*.example.org", "a..b", "-a", "", ".", "bücher", "a@b", "[::1]"],
)
def test_a_name_that_can_never_be_in_a_host_header_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="without scheme, port and path, got "):
        parse_name(name)
