"""`events`: print events as they happen, for people."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from circus_core.commands.arguments import Option, Word, count
from circus_core.commands.colours import Colour, paint
from circus_core.commands.command import Answer, Conversation, LocalCommand
from circus_core.events import event_name
from circus_core.records import dataclass

__all__ = ["Events"]

_PAYLOAD: Final[Mapping[str, str]] = {
    "process_pid": "pid {}",
    "wid": "worker {}",
    "delay": "next try in {:.1f} s",
    "failures": "after {} failures in a row",
    "timeout": "not within {:g} s",
    "seconds": "after {:.1f} s",
    "silent": "silent for {:.1f} s",
    "lost_bytes": "{} bytes",
    "dropped_bytes": "{} in all",
    "count": "{} events",
    "total": "{} in all",
    **dict.fromkeys(("name", "state", "stream"), "{}"),
    **dict.fromkeys(("error", "reason"), "({})"),
}
_COLOURS: Final[Mapping[str, Colour]] = {
    **dict.fromkeys(("spawn", "start", "reload", "output_resumed"), "green"),
    **dict.fromkeys(("kill", "reap", "stop", "backoff", "output_held"), "yellow"),
    **dict.fromkeys(("hook_failure", "hook_timeout", "output_dropped", "events_dropped"), "red"),
}


class Events(LocalCommand):
    """Print what happens, a line for each event, until interrupted

    A TOPIC is the beginning of what is to be printed, such as watcher.web. for one watcher; without any,
    everything is. With --json each event is an object: topic, watcher, action, time and what belongs to it.
    docs/wire.md lists all events.
    """

    name = "events"
    arguments = (
        Word("topics", "how topics begin", metavar="TOPIC", is_required=False, is_many=True),
        Option("watcher", "only of watchers whose name fits this shell pattern", completes="watcher"),
        Option("action", "only these, such as spawn,reap"),
        Option("count", "end after so many", convert=count, letter="n"),
    )

    def converse(self, daemon: Conversation, properties: Mapping[str, Any]) -> Iterator[Answer]:
        left = properties.get("count")
        if left == 0:
            return
        is_wanted = _wanted(properties)
        for topic, payload in daemon.events(_topics(properties), of_control=True):
            event = _read(topic, payload)
            if is_wanted(event):
                yield _answer(event, wants_colours=daemon.wants_colours)
                left = None if left is None else left - 1
                if left == 0:
                    return


@dataclass(frozen=True, slots=True)
class _Event:
    topic: str
    watcher: str
    action: str
    payload: Mapping[str, Any]


def _topics(properties: Mapping[str, Any]) -> Sequence[str]:
    """Return what to subscribe to: no more than what is wanted, as far as that can be said so."""
    watcher = properties.get("watcher")
    topics: Sequence[str] = tuple(properties.get("topics") or ())
    if topics or watcher is None or any(sign in watcher for sign in "*?["):
        return topics
    return (f"watcher.{event_name(watcher)}.",)


def _wanted(properties: Mapping[str, Any]) -> Callable[[_Event], bool]:
    import re
    from fnmatch import translate

    name = re.compile(translate(event_name(properties.get("watcher") or "*")))
    actions = frozenset(filter(None, (properties.get("action") or "").replace(" ", "").split(",")))
    return lambda event: bool(name.match(event.watcher)) and (not actions or event.action in actions)


def _read(topic: bytes, payload: bytes) -> _Event:
    """Take an event apart; one that is not of the known form is shown all the same."""
    text = topic.decode(errors="replace")
    family, _, rest = text.partition(".")
    watcher, _, action = rest.rpartition(".")
    try:
        told = json.loads(payload)
    except ValueError:
        told = payload.decode(errors="replace")
    return _Event(text, watcher or family, action, told if isinstance(told, dict) else {"event": told})


def _answer(event: _Event, *, wants_colours: bool) -> Answer:
    head = {"topic": event.topic, "watcher": event.watcher, "action": event.action}
    return Answer({**head, **event.payload, **head}, lambda: _text(event, wants_colours=wants_colours))


def _text(event: _Event, *, wants_colours: bool) -> str:
    parts = [_clock(event.payload.get("time")), event.watcher, event.action]
    if wants_colours:
        parts[0] = paint(parts[0], "dim")
        if event.action in _COLOURS:
            parts[2] = paint(parts[2], _COLOURS[event.action])
    parts += [_shown(key, value) for key, value in event.payload.items() if key != "time"]
    return " ".join(filter(None, parts))


def _clock(time: Any) -> str:
    """Return seconds since the epoch as a local time of day."""
    from datetime import datetime

    try:
        return datetime.fromtimestamp(time).isoformat(sep=" ", timespec="milliseconds").partition(" ")[2]
    except (TypeError, ValueError, OverflowError, OSError):
        return "??:??:??.???"


def _shown(key: str, value: Any) -> str:
    if value == "":
        return ""
    if key == "exit_code" and isinstance(value, int):
        return _exit(value)
    try:
        return _PAYLOAD[key].format(value)
    except (KeyError, ValueError, TypeError):
        return f"{key}={json.dumps(value)}"


def _exit(code: int) -> str:
    if code >= 0:
        return f"exit status {code}"
    import signal

    try:
        return f"signal {-code} ({signal.Signals(-code).name})"
    except ValueError:
        return f"signal {-code}"
