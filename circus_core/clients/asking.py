"""What both clients have in common: how a request is made, and what its reply means. Does no I/O."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from circus_core import wire
from circus_core.clients.channel import reachable
from circus_core.errors import CallError, RefusedError, WireCode
from circus_core.records import dataclass, replace

if TYPE_CHECKING:
    from circus_core.commands.command import Command, Result

__all__ = [
    "BARRIER",
    "BARRIERS",
    "ReceivedEvent",
    "check_message",
    "encode_call",
    "is_conflict",
    "message_of",
    "pauses",
    "read_event",
    "read_result",
    "refuse_errors",
    "told_events_endpoint",
]

ResultT = TypeVar("ResultT", bound="Result")

BARRIER: Final = "numwatchers"
"""A request that every daemon answers at once: its reply tells that what was sent before has arrived."""

BARRIERS: Final = 2
"""Replies to wait for when what was sent before went over another connection of the same ZeroMQ context.

A daemon may read the first request before what waits on the other connection at the same moment, but not the
second one, which was sent after the reply to the first.
"""

_CONFLICTS: Final = ("arbiter is already running ", "arbiter is restarting")
_LONGEST_PAUSE: Final = 1.0


def message_of(command: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    """Make a message; properties that are None are left out."""
    given = {name: value for name, value in properties.items() if value is not None}
    return {"command": command, "properties": given}


def check_message(message: object) -> None:
    """Refuse what is no request with a reply: some daemons would never answer on this connection again.

    Raises:
        CallError: with what to write instead.
    """
    if not isinstance(message, MutableMapping):
        raise CallError(f'call() takes a mapping such as {{"command": "list"}}, got {message!r}')
    if not isinstance(message.get("command"), str):
        raise CallError(f"'command' must be the name of a command, got {message.get('command')!r}")
    if message.get("msg_type") == "cast":
        raise CallError("a message with msg_type 'cast' gets no reply; send it with cast()")


def encode_call(message: MutableMapping[str, Any]) -> bytes:
    """Give a message a new `id` and return its bytes; CallError: it can't be written as JSON."""
    message["id"] = os.urandom(16).hex()  # uuid costs 2 ms to import
    return wire.encode_message(message)


def is_conflict(reply: Mapping[str, Any]) -> bool:
    """Return whether a daemon of Circus 0.19 did nothing because it does something else just now."""
    return (
        reply.get("status") == "error"
        and reply.get("errno") == WireCode.COMMAND_ERROR
        and str(reply.get("reason")).startswith(_CONFLICTS)
    )


def pauses() -> Iterator[float]:
    """Yield the seconds to wait before each further try of a request that was in conflict."""
    pause = 0.05
    while True:
        yield pause
        pause = min(2 * pause, _LONGEST_PAUSE)


def told_events_endpoint(reply: Mapping[str, Any], asked: str) -> str:
    """Return the event endpoint that a reply to `globaloptions` tells, as it can be reached from here.

    Args:
        asked: the control endpoint of the daemon that replied.

    Raises:
        CallError: it tells none.
    """
    options = reply.get("options")
    told = options.get("pubsub_endpoint") if isinstance(options, dict) else None
    if not isinstance(told, str):
        raise CallError(f"the daemon at {asked} does not tell its pubsub_endpoint")
    return reachable(told, asked)


def refuse_errors(reply: dict[str, Any]) -> dict[str, Any]:
    """Return a reply as it is; RefusedError if it reports one."""
    if reply.get("status") == "error":
        reason = str(reply.get("reason") or "unknown error")
        raise RefusedError(reason, errno=int(reply.get("errno") or 0), reply=reply)
    return reply


def read_result(command: type[Command[Any, ResultT]], reply: dict[str, Any]) -> ResultT:
    """Return what a command found or did.

    Raises:
        RefusedError: the daemon answered with an error.
        CallError: the reply is not one to this command.
    """
    refuse_errors(reply)
    try:
        result = cast("ResultT", command.result.from_json(reply))
        return replace(result, troubles=reply["troubles"]) if reply.get("troubles") else result
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise CallError(f"the answer to '{command.name}' can't be understood: {reply}") from error


@dataclass(frozen=True, slots=True)
class ReceivedEvent:
    """One event as it was published: see docs/wire.md for topics and payloads.

    Attributes:
        topic: `watcher.NAME.ACTION`; NAME is in lower case with `_` for blanks.
        payload: the JSON object that came with it.
    """

    topic: str
    payload: Mapping[str, Any]

    @property
    def watcher(self) -> str:
        """The name of the watcher, in the form of topics."""
        return self.topic.partition(".")[2].rpartition(".")[0]

    @property
    def action(self) -> str:
        """What happened, such as `spawn` or `reap`."""
        return self.topic.rpartition(".")[2]

    @property
    def time(self) -> float:
        """When it happened, seconds since the epoch; 0 if it does not say."""
        return float(self.payload.get("time", 0))

    @property
    def pid(self) -> int | None:
        """The process that it is about, None if it is about the watcher."""
        pid = self.payload.get("process_pid")
        return None if pid is None else int(pid)


def read_event(frames: list[bytes]) -> ReceivedEvent:
    """Read topic and payload; CallError if they are not those of an event."""
    try:
        topic, payload = frames[0].decode(), wire.decode_reply(frames[1])
    except (IndexError, ValueError) as error:
        raise CallError(f"this is not an event: {frames!r}") from error
    return ReceivedEvent(topic, payload)
