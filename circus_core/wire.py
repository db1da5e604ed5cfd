"""Messages of the control and event channels: what the bytes in their frames mean.

A request travels as one JSON object, optionally behind an empty frame as a REQ socket sends it; a reply
goes back the way the request came. docs/wire.md describes both for people. Nothing here does I/O.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NoReturn

from circus_core.errors import CallError, CircusError, InvalidJsonError, MessageError, WireCode
from circus_core.records import dataclass

__all__ = [
    "MAX_DEPTH",
    "MAX_MESSAGE",
    "Request",
    "decode_message",
    "decode_reply",
    "encode_error",
    "encode_event",
    "encode_message",
    "encode_reply",
    "encode_request",
    "split_request",
]

MAX_MESSAGE: Final = 1 << 20
"""Bytes of a message; whoever sends a longer one is disconnected."""

MAX_DEPTH: Final = 32
"""Objects and arrays inside each other; no command needs more than five."""


@dataclass(frozen=True, slots=True)
class Request:
    """One message of a client, not yet checked.

    Attributes:
        id: any JSON value, goes back unchanged; None when absent.
        is_cast: the client wants no reply, not even an error.
        fields: the object as it came.
    """

    id: Any
    is_cast: bool
    fields: Mapping[str, Any]

    def command(self) -> str:
        """Return the name of the command, in lower case; MessageError if there is none."""
        if "command" not in self.fields:
            raise MessageError("message invalid 'command' is missing")
        name = self.fields["command"]
        if not isinstance(name, str):
            raise MessageError("'command' isn't a string")
        return name.lower()

    def properties(self) -> Mapping[str, Any]:
        """Return the arguments of the command; MessageError if they are not an object.

        Absent, null and an empty array, which some clients send, mean none.
        """
        given = self.fields.get("properties")
        if given is None or given == []:
            return {}
        if not isinstance(given, dict):
            raise MessageError("'properties' should be an object")
        return given


def split_request(frames: Sequence[bytes]) -> tuple[list[bytes], bytes]:
    """Return what must stand in front of the reply, and the text of the request.

    Args:
        frames: as a ROUTER socket receives them, the peer's routing id first.

    Returns:
        the frames of the way back (routing id, and the empty frame of a REQ socket if it sent one), and
        the text; a message of any other form has an empty text, which no one can mistake for a request.
    """
    match frames:
        case [routing_id, body]:
            return [routing_id], body
        case [routing_id, b"", body]:
            return [routing_id, b""], body
        case [routing_id, b"", *_]:
            return [routing_id, b""], b""
    return [frames[0]], b""


def decode_message(body: bytes) -> Request:
    """Read a request.

    Raises:
        InvalidJsonError: not UTF-8 or not JSON, also when it is empty.
        MessageError: JSON, but not an object, or one that is nested too deeply.
    """
    message = _decode_json(body)
    if not isinstance(message, dict):
        raise MessageError("message invalid, a JSON object is expected")
    return Request(id=message.get("id"), is_cast=message.get("msg_type") == "cast", fields=message)


def encode_reply(result: Mapping[str, Any], *, request_id: Any, time: float) -> bytes:
    """Make the answer to a request that was carried out; `result` may have a `status` of its own."""
    return _encode({"status": "ok", "time": time, **result, "id": request_id})


def encode_error(error: CircusError | OSError, *, request_id: Any, time: float) -> bytes:
    """Make the answer to a request that was not carried out."""
    code = error.code if isinstance(error, CircusError) else WireCode.OS_ERROR
    reply = {"status": "error", "reason": str(error), "tb": None, "time": time, "errno": int(code)}
    return _encode({**reply, "id": request_id})


def encode_event(topic: str, payload: Mapping[str, Any]) -> list[bytes]:
    """Return the two frames of an event."""
    return [topic.encode(), _encode(payload)]


def encode_request(
    command: str, properties: Mapping[str, Any], *, request_id: Any = None, is_cast: bool = False
) -> bytes:
    """Make a request, as a client does; CallError if something in it can't be written as JSON."""
    message: dict[str, Any] = {"command": command, "properties": dict(properties)}
    if is_cast:
        message["msg_type"] = "cast"
    if request_id is not None:
        message["id"] = request_id
    return encode_message(message)


def encode_message(message: Mapping[str, Any]) -> bytes:
    """Make a request from its envelope; CallError if something in it can't be written as JSON."""
    try:
        return _encode(message)
    except (TypeError, ValueError, RecursionError) as error:
        raise CallError(f"the message can't be written as JSON: {error}") from error


def decode_reply(body: bytes) -> dict[str, Any]:
    """Read a reply; CallError if it is not a JSON object."""
    try:
        reply = json.loads(body.decode())
    except (ValueError, RecursionError) as error:
        raise CallError(f"the reply is not JSON: {error}") from error
    if not isinstance(reply, dict):
        raise CallError("the reply is not a JSON object")
    return reply


def _encode(message: Mapping[str, Any]) -> bytes:
    return _ENCODER.encode(message).encode()


def _decode_json(body: bytes) -> Any:
    try:
        message = _DECODER.decode(body.decode())
    except (ValueError, RecursionError):  # ValueError is also bad UTF-8 and a number of 4300 digits
        raise InvalidJsonError from None
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH:  # else it can't be too deep
        _check_depth(message)
    return message


def _refuse_constant(word: str) -> NoReturn:
    """Python reads NaN and Infinity, RFC 8259 has neither."""
    raise ValueError(f"{word} is not JSON")


def _finite_float(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"{text} is too large")  # it could not go back in a reply
    return number


_ENCODER: Final = json.JSONEncoder(allow_nan=False)
_DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite_float)
"""Made once: the functions of json make one for each call that wants anything special."""


def _check_depth(message: Any) -> None:
    layer = [message]
    for _ in range(MAX_DEPTH):
        layer = [item for value in layer for item in _items(value) if isinstance(item, dict | list)]
        if not layer:
            return
    raise MessageError(f"message invalid, nested deeper than {MAX_DEPTH} levels")


def _items(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
