"""The HTTP API: what it shows, and that what it does is done on the daemon."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from circus_core.testing import Daemon, until

from .conftest import start
from .dashboards import Dashboard

pytestmark = pytest.mark.slow

D = "/api/daemons/main"
MASK = "\u2022" * 8


def act(dashboard: Dashboard, watcher: str, action: str, **body: Any) -> Any:
    answer = dashboard.full.post(f"{D}/watchers/{quote(watcher, safe='')}/{action}", body)
    assert answer.status == 200, answer.body
    return answer.json


def test_the_overview_shows_every_watcher(dashboard: Dashboard) -> None:
    dashboard.daemon.watcher("web").until("active")
    answer = dashboard.full.get(f"{D}/watchers")
    assert answer.status == 200
    overview = answer.json
    rows = overview["watchers"]
    assert {name: row["kind"] for name, row in rows.items() if not name.startswith("_")} == {
        "web": "watcher",
        "Talker One": "watcher",
        "broken": "watcher",
        "idle": "watcher",
        "plugin:flapping": "plugin",
        "circusd-stats": "service",
        "circushttpd": "service",
    } | {name: "watcher" for name in rows if name not in NAMES}
    web = rows["web"]
    assert (web["state"], web["numprocesses"], web["running"]) == ("active", 2, 2)
    assert web["cmd"] == "sleep $(circus.wid)000"
    assert web["shell"] is False
    assert rows["idle"]["state"] == "stopped"
    assert rows["broken"]["cmd"] == f"/does/not/exist --password={MASK}"
    assert overview["daemon"]["state"] == "up"
    assert overview["sockets"]["count"] == 2


NAMES = {"web", "Talker One", "broken", "idle", "plugin:flapping", "circusd-stats", "circushttpd"}


def test_figures_come_in_for_who_asks_once(dashboard: Dashboard) -> None:
    until(lambda: "statistics of circusd" in dashboard.daemon.log(), dashboard.daemon.log)

    def overview() -> Any:
        return dashboard.full.get(f"{D}/watchers").json

    # A single question waits for figures, but for a machine that is busy not long enough.
    until(lambda: "memory" in overview()["watchers"]["web"], lambda: str(overview()))
    until(lambda: len(overview()["daemon"]["services"]) == 3, lambda: str(overview()))
    shown = overview()
    assert shown["daemon"]["stats"]["is_on"], shown["daemon"]
    assert shown["watchers"]["web"]["memory"] > 100_000
    assert shown["watchers"]["web"]["cpu"] is not None
    services = shown["daemon"]["services"]
    assert services["circusd"]["pid"] == dashboard.daemon.pid
    assert services.keys() == {"circusd", "circusd-stats", "circushttpd"}


def test_a_page_of_a_watcher_has_its_processes_hooks_and_sockets(dashboard: Dashboard) -> None:
    document = dashboard.full.watcher("web").json
    assert sorted(map(int, document["processes"])) == sorted(dashboard.daemon.watcher("web").pids())
    process = next(iter(document["processes"].values()))
    assert process["state"] == "running"
    assert process["memory"] > 100_000
    assert process["expires"] > time.time() + 3000
    assert document["hooks"]["before_spawn"]["target"] == "hooks.allow"
    assert sorted(document["sockets"]) == ["circushttpd", "web"]
    assert dashboard.full.watcher("nobody").json["status"] == 404


def test_case_does_not_count_in_the_name_of_a_watcher(dashboard: Dashboard) -> None:
    full, talker = dashboard.full, quote("TALKER one")
    before = full.get(f"{D}/events").json["last"]
    assert act(dashboard, "TALKER one", "restart", waiting=True)
    assert full.watcher("TALKER one").json["name"] == "Talker One"
    for part in ("options", "environment"):
        assert full.get(f"{D}/watchers/{talker}/{part}").status == 200, part
    until(lambda: full.get(f"{D}/events?after={before}&watcher={talker}&action=spawn").json["events"])
    until(lambda: b" Talker One.1 stdout" in full.get(f"{D}/logs.txt?watcher={talker}").body)
    lines = full.get(f"{D}/logs?watcher={talker}").json["lines"]
    assert {line["watcher"] for line in lines} == {"Talker One"}
    until(lambda: [*full.get(f"{D}/history?watcher={talker}&seconds=60").json["watchers"]] == ["Talker One"])


def test_who_may_only_look_sees_no_arguments_and_no_environment(dashboard: Dashboard) -> None:
    assert dashboard.read.watcher("broken").json["cmd"] == "/does/not/exist"
    assert "target" not in dashboard.read.watcher("web").json["hooks"]["before_spawn"]
    for path in ("options", "environment", "environment?reveal=true"):
        assert dashboard.read.get(f"{D}/watchers/web/{path}").status == 403


def test_secrets_are_shown_only_to_who_asks_for_them(dashboard: Dashboard) -> None:
    shown = dashboard.full.get(f"{D}/watchers/web/environment").json
    assert shown["environment"] == {
        "SECRET_KEY": MASK,
        "DATABASE_URL": f"postgres://bob:{MASK}@db/app",
        "COLOUR": "blue",
    }
    assert sorted(shown["masked"]) == ["DATABASE_URL", "SECRET_KEY"]
    revealed = dashboard.full.get(f"{D}/watchers/web/environment?reveal=true").json
    assert revealed["environment"]["SECRET_KEY"] == "open-sesame"
    options = dashboard.full.get(f"{D}/watchers/broken/options").json
    assert options["masked"] == ["cmd"]
    assert "env" not in options["options"]
    assert "geheim" in dashboard.full.get(f"{D}/watchers/broken/options?reveal=true").json["options"]["cmd"]


def test_a_variable_is_changed_and_the_hidden_ones_stay(dashboard: Dashboard) -> None:
    def environ() -> dict[str, str]:
        (pid, *_) = dashboard.daemon.watcher("web").until_pids(2)
        return dict(
            line.split("=", 1) for line in Path(f"/proc/{pid}/environ").read_text().split("\0") if "=" in line
        )

    path = f"{D}/watchers/web/environment"
    answer = dashboard.full.send("PATCH", path, {"set": {"COLOUR": "red"}, "unset": ["X"], "waiting": True})
    assert answer.status == 200, answer.body
    until(lambda: environ().get("COLOUR") == "red")
    assert environ()["SECRET_KEY"] == "open-sesame"
    assert dashboard.full.send("PATCH", path, {"set": {"A": MASK}}).status == 422
    assert dashboard.full.send("PATCH", path, {}).status == 422
    assert dashboard.full.send("PATCH", path, {"set": {"COLOUR": "blue"}, "waiting": True}).status == 200


def test_options_are_changed(dashboard: Dashboard) -> None:
    path = f"{D}/watchers/idle/options"
    answer = dashboard.full.send("PATCH", path, {"options": {"graceful_timeout": 7, "numprocesses": 3}})
    assert answer.status == 200, answer.body
    assert dashboard.daemon.call("get", name="idle", keys=["graceful_timeout", "numprocesses"])[
        "options"
    ] == {
        "graceful_timeout": 7,
        "numprocesses": 3,
    }
    until(lambda: dashboard.full.watcher("idle").json["graceful_timeout"] == 7)
    refused = dashboard.full.send("PATCH", path, {"options": {"graceful_timeout": "soon"}})
    assert (refused.status, refused.headers["Content-Type"]) == (422, "application/problem+json")
    assert "graceful_timeout" in refused.json["detail"]
    assert dashboard.full.send("PATCH", path, {"options": {"cmd": f"x {MASK}"}}).status == 422


def test_every_option_is_explained(dashboard: Dashboard) -> None:
    table = {option["name"]: option for option in dashboard.read.get("/api/options").json["options"]}
    assert table["graceful_timeout"]["unit"] == "seconds"
    assert table["graceful_timeout"]["settable"]
    assert table["rlimit_NAME"]["settable"]
    assert not table["name"]["settable"]
    assert "use_papa" not in table


def test_a_watcher_is_started_stopped_and_restarted(dashboard: Dashboard) -> None:
    idle = dashboard.daemon.watcher("idle")
    assert act(dashboard, "idle", "start", waiting=True)["message"] == "idle was started"
    assert idle.status() == "active"
    before = idle.pids()
    info = act(dashboard, "idle", "restart", waiting=True)["info"]
    assert sorted(info["stopped"]) == sorted(before)
    between = idle.pids()
    act(dashboard, "idle", "reload", waiting=True, sequential=True)
    assert not set(idle.pids()) & set(between)
    act(dashboard, "idle", "stop", waiting=True)
    assert idle.status() == "stopped"


def test_processes_are_added_and_taken_away(dashboard: Dashboard) -> None:
    web = dashboard.daemon.watcher("web")
    assert act(dashboard, "web", "incr", nb=2, waiting=True)["numprocesses"] == 4
    web.until_pids(4)
    assert act(dashboard, "web", "decr", nb=2, waiting=True)["numprocesses"] == 2
    web.until_pids(2)


def test_one_process_is_killed_and_replaced(dashboard: Dashboard) -> None:
    web = dashboard.daemon.watcher("web")
    one, other = web.until_pids(2)
    act(dashboard, "web", f"processes/{one}/kill", waiting=True)
    until(lambda: one not in web.pids() and len(web.pids()) == 2)
    assert other in web.pids()
    act(dashboard, "web", f"processes/{other}/signal", signum=9, recursive=True)
    until(lambda: other not in web.pids() and len(web.pids()) == 2)
    exits = dashboard.full.watcher("web").json["exits"]
    assert {each["pid"] for each in exits} >= {one, other}
    missing = dashboard.full.post(f"{D}/watchers/web/processes/{other}/kill")
    assert missing.status == 404, missing.body


def test_a_signal_reaches_all_or_one(dashboard: Dashboard) -> None:
    talkers = dashboard.daemon.watcher("Talker One")
    pids = talkers.until_pids(2)
    for signum in ("STOP", "SIGCONT"):
        act(dashboard, "Talker One", "signal", signum=signum)
    act(dashboard, "Talker One", f"processes/{pids[0]}/signal", signum="STOP")
    until(lambda: Path(f"/proc/{pids[0]}/stat").read_text().rpartition(")")[2].split()[0] == "T")
    os.kill(pids[0], signal.SIGCONT)
    assert dashboard.full.post(f"{D}/watchers/web/signal", {"signum": "NOTHING"}).status == 422
    assert talkers.pids() == pids


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "a/b c%", "..", "\u202eevil", "\U0001f3aa", "n" * 3000]
)
def test_a_watcher_of_any_name_is_added_and_removed(dashboard: Dashboard, name: str) -> None:
    encoded = "~" + __import__("base64").urlsafe_b64encode(name.encode()).decode()
    path = f"{D}/watchers/{encoded}"
    body = {"name": name, "cmd": "sleep 1000", "options": {"numprocesses": 2}, "start": True, "waiting": True}
    added = dashboard.full.post(f"{D}/watchers", body)
    if not name.isprintable():
        assert added.status == 422
        return
    assert added.status == 201, added.body
    assert dashboard.full.get(path).json["name"] == name
    assert dashboard.full.get(f"{D}/watchers").json["watchers"][name]["running"] == 2
    assert dashboard.full.post(f"{path}/incr", {"waiting": True}).json["numprocesses"] == 3
    again = dashboard.full.post(f"{D}/watchers", body)
    assert again.status == 409, again.body
    removed = dashboard.full.send("DELETE", f"{path}?waiting=true")
    assert removed.status == 200, removed.body
    assert dashboard.full.get(path).status == 404


def test_sockets_are_listed_with_who_uses_them(dashboard: Dashboard) -> None:
    sockets = dashboard.read.get(f"{D}/sockets").json["sockets"]
    assert sockets.keys() == {"web", "circushttpd"}
    assert sockets["web"]["address"] == f"127.0.0.1:{sockets['web']['port']}"
    assert "web" in sockets["web"]["watchers"]


def test_events_are_remembered_and_found(dashboard: Dashboard) -> None:
    last = dashboard.read.get(f"{D}/events").json["last"]
    dashboard.daemon.watcher("Talker One").do("restart")

    def found(query: str) -> list[dict[str, Any]]:
        return list(dashboard.read.get(f"{D}/events?after={last}&{query}").json["events"])

    until(lambda: len(found("action=spawn,reap&watcher=Talker%20One")) == 4)
    events = found("watcher=Talker%20One")
    assert [event["id"] for event in events] == sorted(event["id"] for event in events)
    reaped = next(event for event in events if event["action"] == "reap")
    assert reaped["topic"] == "watcher.talker_one.reap"
    assert reaped["data"]["exit_code"] == -signal.SIGTERM
    assert len(found("limit=1")) == 1
    assert dashboard.read.get(f"{D}/events?limit=0").status == 422


def test_events_of_a_watcher_have_its_name_from_its_first_moment_to_its_last(dashboard: Dashboard) -> None:
    assert dashboard.read.get(f"{D}/watchers").status == 200  # it is connected
    last = dashboard.read.get(f"{D}/events").json["last"]

    def names(action: str) -> list[str]:
        found = dashboard.read.get(f"{D}/events?after={last}&action={action}").json["events"]
        return [event["watcher"] for event in found]

    def begin_and_end(name: str) -> None:
        dashboard.daemon.call("add", name=name, cmd="sleep 1000", start=True, waiting=True)
        until(lambda: name in names("spawn"), lambda: str(names("spawn")))
        dashboard.daemon.call("rm", name=name, waiting=True)

    begin_and_end("New Job/1")
    begin_and_end("NEW Job/1")  # has the same form in topics
    until(lambda: len(names("remove,reap")) == 4, lambda: str(names("remove,reap")))
    for action in ("add", "spawn", "reap", "remove"):
        assert names(action) == ["New Job/1", "NEW Job/1"], action


def test_logs_are_read_searched_and_downloaded(dashboard: Dashboard) -> None:
    def lines(query: str) -> list[dict[str, Any]]:
        return list(dashboard.read.get(f"{D}/logs?{query}").json["lines"])

    talker = "watcher=Talker%20One"

    def messages(query: str) -> set[str]:
        return {line["message"] for line in lines(f"{talker}&{query}")}

    until(lambda: messages("stream=stdout") == {"out 1", "out 2"}, lambda: str(lines(talker)))
    until(lambda: messages("stream=stderr") == {"<b>err"}, lambda: str(lines(talker)))
    assert messages("search=OUT%202") == {"out 2"}
    assert {line["wid"] for line in lines(f"{talker}&wid=1")} == {1}
    page = dashboard.read.get(f"{D}/logs?{talker}&lines=1").json
    assert len(page["lines"]) == 1
    assert page["cut"]
    assert "web" in dashboard.read.get(f"{D}/logs").json["missing"]
    text = dashboard.read.get(f"{D}/logs.txt?{talker}&search=out")
    assert text.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert text.headers["Content-Disposition"].startswith("attachment")
    assert b" Talker One.2 stdout | out 2\n" in text.body
    assert b"err" not in text.body
    assert dashboard.read.get(f"{D}/logs?watcher=nobody").status == 404


def test_the_past_is_told_for_charts(dashboard: Dashboard) -> None:
    def past(query: str = "") -> dict[str, Any]:
        answer = dashboard.read.get(f"{D}/history?{query}")
        assert answer.status == 200, answer.body
        return dict(answer.json["watchers"])

    until(lambda: len(past("watcher=web&seconds=60").get("web", {"time": []})["time"]) >= 2)
    columns = past()["Talker One"]
    assert len({len(column) for column in columns.values()}) == 1
    assert columns["time"] == sorted(columns["time"])
    assert abs(columns["time"][-1] - time.time()) < 60
    assert past("watcher=nobody") == {}


def test_a_changed_file_is_planned_and_then_applied(tmp_path: Path) -> None:
    with ExitStack() as stack:
        dashboard = start(tmp_path / "d", stack, "[watcher:web]\ncmd = sleep 1000\n")
        full, daemon = dashboard.full, dashboard.daemon
        assert full.get(f"{D}/plan").json["plan"] == {"circus": [], "sockets": [], "watchers": []}
        assert not full.get(f"{D}").json["stats"]["is_on"]
        assert "statsd = True" in full.get(f"{D}").json["stats"]["problem"]
        history = full.get(f"{D}/history")
        assert (history.status, "statsd" in history.json["detail"]) == (409, True)
        daemon.write_ini("[watcher:web]\ncmd = sleep 2000\n[watcher:new]\ncmd = sleep 1000\n")
        steps = full.get(f"{D}/plan").json["plan"]["watchers"]
        assert sorted(step["name"] for step in steps) == ["new", "web"]
        assert all(step["text"] for step in steps)
        assert "new" not in daemon.call("list")["watchers"]
        done = full.post(f"{D}/reloadconfig", {"waiting": True})
        assert done.json["applied"], done.body
        assert full.watcher("new").json["state"] == "active"
        daemon.write_ini("[watcher:web]\ncmd = sleep 2000\nnumprocesses = many\n")
        refused = full.post(f"{D}/reloadconfig")
        assert refused.status == 409
        assert "numprocesses" in refused.json["detail"]


def test_further_daemons_are_connected_and_forgotten(
    dashboard: Dashboard, circusd: Callable[..., Daemon], tmp_path: Path
) -> None:
    other = circusd("[watcher:other]\ncmd = sleep 1000\n")
    nobody = dashboard.full.post("/api/daemons", {"endpoint": f"ipc://{tmp_path}/nobody"})
    assert nobody.status == 503, nobody.body
    assert len(dashboard.full.get("/api/daemons").json["daemons"]) == 1
    assert dashboard.read.post("/api/daemons", {"endpoint": other.endpoint}).status == 403
    connected = dashboard.full.post("/api/daemons", {"endpoint": other.endpoint})
    assert connected.status == 201, connected.body
    other_id = connected.json["id"]
    assert dashboard.full.post("/api/daemons", {"endpoint": other.endpoint}).status == 200
    assert "other" in dashboard.read.get(f"/api/daemons/{other_id}/watchers").json["watchers"]
    saved = next(dashboard.state.glob("state-*.json")).read_text()
    assert json.loads(saved)["daemons"] == [{"endpoint": other.endpoint, "ssh": None}]
    assert dashboard.read.send("DELETE", f"/api/daemons/{other_id}").status == 403
    assert dashboard.full.send("DELETE", f"/api/daemons/{other_id}").status == 204
    assert dashboard.full.get(f"/api/daemons/{other_id}").status == 404


def test_the_network_is_asked_only_if_that_was_allowed(dashboard: Dashboard) -> None:
    refused = dashboard.full.send("POST", "/api/discover")
    assert (refused.status, "--multicast" in refused.json["detail"]) == (409, True)
