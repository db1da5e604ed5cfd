"""`events`: what circusctl prints of what it hears."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

import pytest

from circus_core import events
from circus_core.commands.events import Events

TIME = datetime(2026, 3, 4, 12, 3, 4, 123000).timestamp()


class Daemon:
    """Publishes what it is given, and then there is silence."""

    def __init__(self, *published: events.Event | tuple[bytes, bytes], wants_colours: bool = False) -> None:
        self.wants_colours = wants_colours
        self.topics: Sequence[str] = ()
        self._published = published

    def ask(
        self, command: str, properties: Mapping[str, Any], /, *, timeout: float | None = None
    ) -> dict[str, Any]:
        raise NotImplementedError

    def events(
        self, topics: Sequence[str] = (), /, *, of_control: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        assert of_control
        self.topics = topics
        for event in self._published:
            if isinstance(event, events.Event):
                yield event.topic.encode(), json.dumps(event.payload()).encode()
            else:
                yield event


def printed(daemon: Daemon, **properties: Any) -> list[str]:
    return [answer.text() for answer in Events().converse(daemon, properties)]


SPAWN = events.Spawned(watcher="Web One", time=TIME, process_pid=4711)
REAP = events.Reaped(watcher="db", time=TIME, process_pid=4711, exit_code=-9)
STOP = events.Stopped(watcher="db", time=TIME)


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (SPAWN, "web_one spawn pid 4711"),
        (REAP, "db reap pid 4711 signal 9 (SIGKILL)"),
        (events.Reaped(watcher="db", time=TIME, process_pid=1, exit_code=7), "db reap pid 1 exit status 7"),
        (events.Reaped(watcher="db", time=TIME, process_pid=1, exit_code=-99), "db reap pid 1 signal 99"),
        (events.StateChanged(watcher="db", time=TIME, state="active", reason=""), "db state active"),
        (
            events.StateChanged(watcher="db", time=TIME, state="stopped", reason="why"),
            "db state stopped (why)",
        ),
        (
            events.BackedOff(watcher="db", time=TIME, wid=1, delay=1.5, failures=3, reason="exit 1"),
            "db backoff worker 1 next try in 1.5 s after 3 failures in a row (exit 1)",
        ),
        (
            events.HookFailed(watcher="db", time=TIME, name="after_stop", error="oh"),
            "db hook_failure after_stop (oh)",
        ),
        (events.EventsDropped(time=TIME, count=3, total=5), "circusd events_dropped 3 events 5 in all"),
        (
            (b"watcher.a.b.odd", b'{"time": null, "x": {"y": 1}, "delay": "z"}'),
            'a.b odd x={"y": 1} delay="z"',
        ),
        ((b"nonsense\xff", b"not JSON"), 'nonsense\ufffd event="not JSON"'),
        ((b"circusd.list", b"[1]"), "circusd list event=[1]"),
    ],
)
def test_an_event_is_one_line_for_people(event: Any, text: str) -> None:
    (line,) = printed(Daemon(event))
    clock = "12:03:04.123" if isinstance(event, events.Event) else "??:??:??.???"
    assert line == f"{clock} {text}"


def test_every_event_of_the_kernel_is_shown_without_its_keys() -> None:
    for name in events.__all__:
        kind = getattr(events, name)
        if isinstance(kind, type) and kind is not events.Event:
            values = {f.name: "text" if f.type == "str" else 1 for f in fields(kind)}
            (line,) = printed(Daemon(kind(**values)))
            assert "=" not in line


def test_json_has_all_of_it_in_one_object() -> None:
    (answer,) = Events().converse(Daemon(SPAWN), {})
    assert answer.data == {
        "topic": "watcher.web_one.spawn",
        "watcher": "web_one",
        "action": "spawn",
        "time": TIME,
        "process_pid": 4711,
    }


@pytest.mark.parametrize(
    ("properties", "actions", "topics"),
    [
        ({}, ["spawn", "reap", "stop"], ()),
        ({"topics": ["watcher.d"]}, ["spawn", "reap", "stop"], ("watcher.d",)),
        ({"watcher": "Web One"}, ["spawn"], ("watcher.web_one.",)),
        ({"watcher": "W*e"}, ["spawn"], ()),
        ({"watcher": "d?", "action": "stop, spawn"}, ["stop"], ()),
        ({"action": "reap,spawn"}, ["spawn", "reap"], ()),
        ({"count": 2}, ["spawn", "reap"], ()),
        ({"count": 1, "action": "stop"}, ["stop"], ()),
        ({"count": 0}, [], ()),
    ],
)
def test_only_what_is_wanted_is_printed(
    properties: dict[str, Any], actions: list[str], topics: tuple[str, ...]
) -> None:
    daemon = Daemon(SPAWN, REAP, STOP)
    assert [answer.data["action"] for answer in Events().converse(daemon, properties)] == actions
    assert daemon.topics == topics


def test_on_a_terminal_the_action_has_a_colour() -> None:
    assert printed(Daemon(REAP, wants_colours=True)) == [
        "\x1b[2m12:03:04.123\x1b[0m db \x1b[33mreap\x1b[0m pid 4711 signal 9 (SIGKILL)"
    ]
