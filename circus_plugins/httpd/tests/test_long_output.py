"""Output of which there is more than an answer of circusd holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from circus_core.testing import StandInDaemon, until

from .dashboards import Dashboard, Visitor, by_hand, tokens_in

pytestmark = pytest.mark.slow

LOGS = "/api/daemons/main/logs"


def test_it_is_searched_and_downloaded_up_to_its_end(dashboard: Dashboard, tmp_path: Path) -> None:
    options = {
        "tail_bytes": "1M",
        "stdout_stream.class": "FileStream",
        "stdout_stream.filename": str(tmp_path / "log"),
    }
    command = "sh -c 'seq -f %060.0f 5000; exec sleep 1000'"
    lines = [f"{number:060}" for number in range(1, 5001)]
    dashboard.daemon.call("add", name="long", cmd=command, options=options, start=True, waiting=True)

    def found(query: str) -> list[str]:
        page = dashboard.read.get(f"{LOGS}?watcher=long&{query}").json
        return [line["message"] for line in page["lines"]]

    until(lambda: found("lines=1") == lines[-1:])
    assert found("search=04999") == lines[4998:4999]

    def downloaded(query: str) -> list[str]:
        text = dashboard.read.get(f"{LOGS}.txt?{query}").body.decode()
        return [line.rpartition(" ")[2] for line in text.splitlines()]

    assert downloaded("watcher=long") == lines
    assert downloaded("watcher=long&search=9&lines=2") == lines[4997:4999]
    assert [line for line in downloaded("stream=stdout") if len(line) == 60] == lines
    until(lambda: {"1", "2", *lines} <= set(downloaded("stream=stdout")))  # that of others is with it
    assert downloaded("watcher=long&search=nothing") == []
    assert dashboard.read.get(f"{LOGS}.txt?watcher=nobody").status == 404
    dashboard.daemon.call("rm", name="long", waiting=True)


def test_who_writes_without_end_is_read_up_to_now(tmp_path: Path, stand_in_daemon: StandInDaemon) -> None:
    def logs(properties: Mapping[str, Any]) -> Mapping[str, Any]:
        if properties.get("lines") == 0:
            return {"lines": [], "cursor": {"web": [1, 30_000]}, "lost": {}, "missing": {}, "more": False}
        place = properties.get("after", {"web": [1, 0]})["web"][1] + 100
        line = {"watcher": "web", "wid": 1, "pid": 2, "stream": "stdout", "time": 1.0, "message": str(place)}
        return {
            "lines": [line],
            "cursor": {"web": [1, place]},
            "lost": {"web": 7},
            "missing": {},
            "more": True,
        }

    stand_in_daemon.replies |= {
        "describe": {"descriptions": {"web": {"name": "web", "state": "active"}}},
        "listsockets": {"sockets": []},
        "globaloptions": {"options": {"pubsub_endpoint": stand_in_daemon.pubsub_endpoint}},
        "logs": logs,
    }
    with by_hand(tmp_path / "h", "--endpoint", stand_in_daemon.endpoint) as (url, state, _):
        page = Visitor(url, tokens_in(state)["read"]).get(f"{LOGS}?search=0").json
    assert [line["message"] for line in page["lines"]] == [str(place) for place in range(100, 30_001, 100)]
    assert page["lost"] == {"web": 300 * 7}
