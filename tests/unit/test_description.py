"""The text of `describe`, and what JSON can't say."""

from __future__ import annotations

import time
from typing import Any

import pytest

from circus_core.commands.description_text import description_text, duration
from circus_core.config.model import WatcherConfig
from circus_core.description import describe_watcher
from circus_core.history import Failure, History
from circus_core.observed import Observed
from tests.controlled import A_DESCRIPTION
from tests.unit.views import AWatcher, FixedClock

AT = time.mktime((2026, 3, 1, 12, 30, 5, 0, 0, -1))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (59.94, "59.9 s"), (65, "1 m 05 s"), (7384, "2 h 03 m"), (180_000, "2 d 02 h")],
)
def test_a_duration_has_two_units_at_most(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_all_that_is_known_has_its_line() -> None:
    process: dict[str, Any] = {
        "pid": 12, "wid": 1, "state": "running", "started": AT, "age": 65.0, "restarts": 3,
        "expires_in": 3.0, "killed_in": None, "open_files": 7,
    }  # fmt: skip
    stopping = {**process, "pid": 4444, "state": "stopping", "killed_in": 1.5, "open_files": None}
    known = {
        **A_DESCRIPTION, "name": "web", "state": "active", "since": AT, "reason": "backoff: exit 3",
        "args": ["-v", "x"], "uid": "www", "gid": 33, "working_dir": "/srv", "numprocesses": 3, "running": 2,
        "spawned": 9, "failed_spawns": 1, "restarts": 4, "ended": 7,
        "processes": [process, stopping],
        "backoffs": [{"wid": 3, "failures": 1, "next_try_in": 2.0, "reason": "exit 3"}],
        "exits": [
            {"time": AT, "pid": 9, "wid": 3, "exit_code": 3, "end": "exit 3", "lived": 0.5, "asked": False},
            {"time": AT, "pid": 8, "wid": 1, "exit_code": -9, "end": "killed by SIGKILL", "lived": 5.0,
             "asked": True},
        ],
        "hooks": {
            "before_start": {"target": "a.b", "ignore_failure": True, "failed_at": AT, "error": "boom"},
            "event": {"target": None, "ignore_failure": False, "failed_at": AT, "error": "bang"},
        },
        "sockets": [{"fd": 7, "name": "ux", "path": "/run/ux"}],
        "streams": {
            "stdout": {"class": "Some", "options": {"filename": "x.log"}, "dropped_bytes": 1, "errors": 2,
                       "problem": "no space left on device"},
        },
        "options": {"other.key": "3"},
    }  # fmt: skip
    assert description_text(known).splitlines() == [
        "web",
        "  state       active since 2026-03-01 12:30:05",
        "  reason      backoff: exit 3",
        "  command     sleep 100 -v x",
        "  runs as     user www, group 33, in /srv",
        "  count       2 of 3 running; 9 started, 1 failed to start, 4 of these as a restart; 7 ended",
        "  processes   PID   WID  STATE     STARTED              AGE       RESTARTS  FILES",
        "              12    1    running   2026-03-01 12:30:05  1 m 05 s  3         7      max_age in 3.0 s",
        "              4444  1    stopping  2026-03-01 12:30:05  1 m 05 s  3         ?      killed in 1.5 s",
        "  waiting     worker 3: exit 3; 1 failure in a row, next try in 2.0 s",
        "  last ends   WHEN                 PID  WID  END                LIVED",
        "              2026-03-01 12:30:05  8    1    killed by SIGKILL  5.0 s  as told",
        "              2026-03-01 12:30:05  9    3    exit 3             0.5 s",
        "  hooks       before_start  a.b, failures are ignored",
        "                            failed 2026-03-01 12:30:05: boom",
        "              event         of a plugin",
        "                            failed 2026-03-01 12:30:05: bang",
        "  sockets     ux at /run/ux, descriptor 7",
        "  stdout      Some, filename = x.log",
        "              1 byte dropped, 2 errors",
        "              held back: no space left on device",
        "  options     other.key = 3",
    ]


def test_what_json_can_not_say_is_told_as_text() -> None:
    class Thing:
        def __repr__(self) -> str:
            return "<thing>"

    config = WatcherConfig(name="web", options={"a": Thing(), "b": float("inf"), "c": [1, {"d": Thing()}]})
    history = History(since=1.0, hook_failures={"event": Failure(at=2.0, error="bang")})
    described = describe_watcher(
        AWatcher(config=config), processes={}, seen=Observed(), history=history, clock=FixedClock()
    )
    assert described["options"] == {"a": "<thing>", "b": "inf", "c": [1, {"d": "<thing>"}]}
    assert described["hooks"]["event"] == {
        "target": None, "ignore_failure": False, "failed_at": 2.0, "error": "bang"
    }  # fmt: skip
