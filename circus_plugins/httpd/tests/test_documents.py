"""What pages see, made from what a daemon and circusd-stats tell."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest

from circus_core import ReceivedEvent
from circus_core.testing import until
from circus_httpd.discovery import discover, parse_multicast
from circus_httpd.documents import watcher_document, watcher_row
from circus_httpd.past import columns
from circus_httpd.timeline import LONGEST_TIMELINE, Timeline
from circus_httpd.usages import Usages
from circus_stats import Message

DESCRIPTION = {
    "name": "Web One",
    "state": "active",
    "running": 2,
    "cmd": "run --token abc",
    "args": ["--port", "1 2"],
    "processes": [{"pid": 7, "wid": 1, "state": "running", "memory": 5, "expires_in": 10.0}],
    "backoffs": [{"wid": 2, "failures": 3, "next_try_in": 1.5, "reason": "no"}],
    "hooks": {"before_start": {"target": "a.b", "ignore_failure": False}},
    "streams": {"stdout": {"class": "F", "options": {"password": "x"}, "errors": 0}},
}


def test_a_row_joins_what_is_known_and_what_it_costs() -> None:
    usages = Usages()
    family = {"cpu": 12.345, "mem": 1.239, "rss": 1000, "processes": 3}
    usages.take(
        Message("web one", None, {"kind": "watcher", "watcher": "Web One", "pid": [7, 8], "family": family})
    )
    row = watcher_row(DESCRIPTION, usages, "full")
    assert (row["cpu"], row["mem"], row["memory"]) == (12.3, 1.24, 1000)
    assert row["cmd"] == "run --token \u2022\u2022\u2022\u2022\u2022\u2022\u2022\u2022 --port '1 2'"
    assert watcher_row(DESCRIPTION, usages, "read")["cmd"] == "run"
    assert watcher_row({**DESCRIPTION, "running": 0}, usages, "full")["cpu"] is None


def test_times_that_are_left_become_moments() -> None:
    document = watcher_document(DESCRIPTION, Usages(), "full", 100.0)
    assert document["processes"]["7"]["expires"] == 110.0
    assert document["waiting"]["2"]["next_try"] == 101.5
    assert document["streams"]["stdout"]["options"] == {"password": "\u2022" * 8}
    reader = watcher_document(DESCRIPTION, Usages(), "read", 100.0)
    assert "options" not in reader["streams"]["stdout"]
    assert reader["hooks"]["before_start"]["target"] is None


def test_figures_of_processes_that_have_gone_are_forgotten() -> None:
    usages = Usages()
    for pid in (7, 8):
        usages.take(Message("web", str(pid), {"pid": pid, "cpu": 1.0, "mem": "N/A", "name": None}))
    usages.take(Message("web", None, {"pid": [7, 8], "cpu": 1.0, "mem": 0.1}))
    usages.take(Message("web", None, {"pid": [8], "cpu": 1.0, "mem": 0.1}))
    assert usages.processes.keys() == {8}
    assert usages.processes[8]["mem"] is None
    usages.keep_watchers(set())
    assert usages.watchers == {}


def test_a_watcher_may_be_called_sockets_or_circus() -> None:
    usages = Usages()
    usages.take(Message("sockets", "7", {"kind": "process", "pid": 7, "subtopic": 7, "cpu": 1.0, "mem": 1.0}))
    assert usages.processes.keys() == {7}
    usages.take(Message("sockets", None, {"kind": "watcher", "watcher": "sockets", "pid": [7], "cpu": 2.0}))
    assert usages.watchers["sockets"]["cpu"] == 2.0
    usages.take(Message("circus", "1", {"kind": "process", "name": "circusd", "pid": 1, "cpu": 1.0}))
    usages.take(Message("circus", None, {"kind": "watcher", "watcher": "circus", "pid": [8], "cpu": 4.0}))
    usages.take(Message("circus", None, {"kind": "watcher", "watcher": None, "pid": [1], "cpu": 1.0}))
    assert usages.watchers["circus"]["cpu"] == 4.0
    assert usages.services.keys() == {"circusd"}
    usages.take(Message("sockets", "9", {"kind": "socket", "reads": 4, "waiting": None}))
    assert usages.sockets == {9: {"reads": 4, "waiting": None}}


def test_the_timeline_is_bounded_and_tells_what_is_missing() -> None:
    timeline = Timeline()
    for number in range(LONGEST_TIMELINE + 10):
        timeline.add(ReceivedEvent("watcher.web.spawn", {"time": number, "process_pid": 3}), "web")
    timeline.add(ReceivedEvent("watcher.web.reap", {"time": 1.0, "reason": "x" * 10_000}), "web")
    events, missed = timeline.after(0, most=LONGEST_TIMELINE)
    assert (len(events), missed) == (LONGEST_TIMELINE, 11)
    assert len(events[-1]["data"]["reason"]) < 5000
    assert timeline.after(timeline.last, most=5) == ([], 0)
    assert timeline.after(timeline.last - 1, most=5)[0][0]["action"] == "reap"
    assert len(timeline.after(timeline.last + 99, most=5)[0]) == 5
    assert [event["action"] for event in timeline.find(0, most=9, actions=["reap"])[0]] == ["reap"]


def test_two_resolutions_become_one_series() -> None:
    coarse = {"step": 10, "end": 100.0, "series": {"cpu": [None, 1, 2, 3, 4], "rss": [None, 10, 20, 30, 40]}}
    fine = {"step": 1, "end": 100.0, "series": {"cpu": [7, 8, 9], "rss": [70, None, 90]}}
    assert columns([coarse, fine]) == {
        "time": [70.0, 80.0, 90.0, 98.0, 99.0, 100.0],
        "cpu": [1, 2, 3, 7, 8, 9],
        "memory": [10, 20, 30, 70, None, 90],
        "processes": [None] * 6,
    }
    nothing = {"step": 1, "end": 1.0, "series": {"cpu": [None], "rss": [None]}}
    assert columns([nothing])["time"] == []


def test_daemons_in_the_network_are_found_and_nonsense_is_not(caplog: pytest.LogCaptureFixture) -> None:
    nonsense = (b'{"endpoint": "file:///x"}', b"[]", b"\xff", b"[" * 1024)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        daemon.settimeout(20)

        def answer() -> None:
            while (came := daemon.recvfrom(100))[0] != b"end":
                for told in (*nonsense, b'{"endpoint": "tcp://0.0.0.0:5555"}'):
                    daemon.sendto(told, came[1])

        def find() -> list[str]:
            return asyncio.run(discover(f"udp://127.0.0.1:{daemon.getsockname()[1]}", timeout=0.3))

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            until(lambda: find() == ["tcp://127.0.0.1:5555"])  # in 0.3 s a busy machine may answer nothing
        finally:
            daemon.sendto(b"end", daemon.getsockname())
            thread.join()
    assert not caplog.records


@pytest.mark.parametrize("address", ["", "tcp://a:1", "udp://a", "udp://:1", "here"])
def test_what_is_no_multicast_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="udp://GROUP:PORT"):
        parse_multicast(address)
