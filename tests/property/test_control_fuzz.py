"""A live controller answers whatever it is sent, and goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.controlled import Peers, Served, kernel_commands
from tests.property.effort import examples

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
    | st.sampled_from(["sleeper", "lazy", "web one", "*", "regex", "TERM", "15", "true"])
)  # fmt: skip
VALUES = st.recursive(
    SCALARS, lambda v: st.lists(v, max_size=4) | st.dictionaries(st.text(), v, max_size=4), max_leaves=20
)
KEYS = st.sampled_from(
    [
        "name",
        "nb",
        "waiting",
        "match",
        "keys",
        "options",
        "pid",
        "signum",
        "graceful_timeout",
        "cmd",
        "args",
        "start",
        "children",
        "recursive",
        "childpid",
        "graceful",
        "sequential",
        "nostop",
        "option",
        "process",
        "extended",
    ]
)
COMMANDS = st.sampled_from(sorted(kernel_commands()))
REQUESTS = st.fixed_dictionaries(
    {"command": COMMANDS | VALUES, "properties": st.dictionaries(KEYS, VALUES, max_size=6) | VALUES},
    optional={"id": VALUES, "msg_type": st.text(max_size=3), "waiting": VALUES},
)


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with Served() as running:
        yield running


@pytest.fixture(scope="module")
def peers() -> Iterator[Peers]:
    with Peers() as made:
        yield made


def ask(served: Served, peers: Peers, body: bytes) -> dict[str, Any]:
    """Send and return the reply; a second, sane request shows that the controller goes on."""
    peer = peers.dealer(served.controller.endpoint)
    try:
        peer.send(body)
        assert peer.poll(20_000), "no reply"
        reply: dict[str, Any] = json.loads(peer.recv())
        peer.send(b'{"command": "numwatchers"}')
        assert peer.poll(20_000), "no reply to the next request"
        assert json.loads(peer.recv())["status"] == "ok"
    finally:
        peer.close(linger=0)
    return reply


SLOW = settings(
    max_examples=examples(60),
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)


@SLOW
@given(body=st.binary(max_size=500))
def test_bytes_are_answered(served: Served, peers: Peers, body: bytes) -> None:
    reply = ask(served, peers, body)
    assert (reply["status"], reply["tb"]) == ("error", None)
    assert reply["errno"] in (1, 3)


@SLOW
@given(message=VALUES)
def test_json_is_answered(served: Served, peers: Peers, message: Any) -> None:
    reply = ask(served, peers, json.dumps(message).encode())
    assert (reply["status"], reply["tb"]) == ("error", None)
    assert reply["errno"] in (1, 2, 3)


@SLOW
@given(message=REQUESTS)
def test_requests_are_answered_with_their_id(served: Served, peers: Peers, message: dict[str, Any]) -> None:
    reply = ask(served, peers, json.dumps(message).encode())
    assert reply["id"] == message.get("id")
    if reply["status"] == "error":
        assert reply["tb"] is None
        assert reply["errno"] in (2, 3, 4) or "already exist" in reply["reason"], reply
