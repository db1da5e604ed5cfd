"""Frames and envelopes."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circus_core import wire
from circus_core.errors import CallError, CircusError, InvalidJsonError, MessageError, SpawnError

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(properties=st.dictionaries(st.text(), JSON, max_size=4), request_id=JSON)
def test_decode_undoes_encode(properties: dict[str, Any], request_id: Any) -> None:
    body = wire.encode_request("Stop", properties, request_id=request_id)
    request = wire.decode_message(body)
    assert (request.command(), request.properties(), request.id) == ("stop", properties, request_id)


@given(body=st.binary(max_size=200))
def test_any_bytes_are_a_request_or_an_error_of_ours(body: bytes) -> None:
    with suppress(InvalidJsonError, MessageError):
        request = wire.decode_message(body)
        request.command()
        request.properties()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"\xff",
        b"nul",
        b"NaN",
        b'{"a": Infinity}',
        b"1e999",
        b"9" * 5000,
        b"[" * 100_000,
        b'{"a":' * 100_000,
        '{"command": "list"}'.encode("utf-16"),
        b"\xef\xbb\xbf{}",
    ],
)
def test_what_is_not_json_is_said_to_be_invalid(body: bytes) -> None:
    with pytest.raises(InvalidJsonError, match=r"^json invalid$"):
        wire.decode_message(body)


@pytest.mark.parametrize("body", [b"[]", b"1", b'"list"', b"null", b"true", b"[" * 40 + b"]" * 40])
def test_what_is_not_an_object_is_a_message_error(body: bytes) -> None:
    with pytest.raises(MessageError, match="message invalid"):
        wire.decode_message(body)


@pytest.mark.parametrize("levels", [wire.MAX_DEPTH - 1, wire.MAX_DEPTH])
def test_nesting_is_limited(levels: int) -> None:
    body = b'{"command": "list", "a": ' + b"[" * levels + b"]" * levels + b"}"
    if levels < wire.MAX_DEPTH:
        assert wire.decode_message(body).command() == "list"
    else:
        with pytest.raises(MessageError, match="nested deeper than 32 levels"):
            wire.decode_message(body)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "message invalid 'command' is missing"),
        ({"command": None}, "'command' isn't a string"),
        ({"command": 5}, "'command' isn't a string"),
        ({"command": "list", "properties": "x"}, "'properties' should be an object"),
        ({"command": "list", "properties": [1]}, "'properties' should be an object"),
    ],
)
def test_a_bad_envelope_names_the_key(fields: dict[str, Any], reason: str) -> None:
    request = wire.decode_message(json.dumps(fields).encode())
    with pytest.raises(MessageError, match=f"^{reason}$"):
        _ = request.command(), request.properties()


@pytest.mark.parametrize("fields", [{}, {"properties": None}, {"properties": []}, {"properties": {}}])
def test_no_properties_may_be_written_in_many_ways(fields: dict[str, Any]) -> None:
    assert wire.decode_message(json.dumps({"command": "LIST", **fields}).encode()).properties() == {}


def test_only_the_word_cast_is_a_cast() -> None:
    casts = [
        wire.decode_message(json.dumps({"msg_type": word}).encode()).is_cast for word in ("cast", "Cast", 1)
    ]
    assert casts == [True, False, False]


@pytest.mark.parametrize(
    ("frames", "way_back", "body"),
    [
        ([b"id", b"{}"], [b"id"], b"{}"),
        ([b"id", b"", b"{}"], [b"id", b""], b"{}"),
        ([b"id", b""], [b"id"], b""),
        ([b"id", b"a", b"b"], [b"id"], b""),
        ([b"id", b"", b"a", b"b"], [b"id", b""], b""),
    ],
)
def test_the_reply_goes_back_as_the_request_came(
    frames: list[bytes], way_back: list[bytes], body: bytes
) -> None:
    assert wire.split_request(frames) == (way_back, body)


def test_a_reply_has_the_keys_of_its_command_between_status_and_id() -> None:
    reply = json.loads(wire.encode_reply({"pids": [1]}, request_id={"a": 1}, time=5.5))
    assert list(reply.items()) == [("status", "ok"), ("time", 5.5), ("pids", [1]), ("id", {"a": 1})]


def test_the_status_of_a_reply_may_be_a_state() -> None:
    assert (
        json.loads(wire.encode_reply({"status": "stopped"}, request_id=None, time=0))["status"] == "stopped"
    )


@pytest.mark.parametrize(
    ("error", "errno", "reason"),
    [
        (MessageError("bad"), 3, "bad"),
        (SpawnError("none"), 4, "none"),
        (OSError(22, "Invalid argument"), 4, "[Errno 22] Invalid argument"),
        (CircusError("odd"), 5, "odd"),
    ],
)
def test_an_error_reply_has_number_and_reason(error: CircusError | OSError, errno: int, reason: str) -> None:
    reply = json.loads(wire.encode_error(error, request_id="x", time=1.0))
    assert reply == {
        "status": "error", "reason": reason, "tb": None, "time": 1.0, "errno": errno, "id": "x"
    }  # fmt: skip


@pytest.mark.parametrize("value", [object(), float("nan"), {1, 2}])
def test_a_request_that_is_no_json_is_refused_before_it_is_sent(value: object) -> None:
    with pytest.raises(CallError, match="can't be written as JSON"):
        wire.encode_request("set", {"value": value})


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b"{"])
def test_a_reply_that_is_no_object_is_a_call_error(body: bytes) -> None:
    with pytest.raises(CallError, match="not"):
        wire.decode_reply(body)


def test_an_event_is_its_topic_and_its_payload() -> None:
    assert wire.encode_event("watcher.web.add", {"time": 1.0}) == [b"watcher.web.add", b'{"time": 1.0}']
