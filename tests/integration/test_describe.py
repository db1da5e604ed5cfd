"""`describe` of a real daemon: what becomes of watchers is told."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.daemon import Daemon, until

Start = Callable[..., Daemon]


def section(name: str, cmd: str, *options: str) -> str:
    return "\n".join((f"[watcher:{name}]", f"cmd = {cmd}", "graceful_timeout = 1", *options, ""))


def known(daemon: Daemon, name: str) -> dict[str, Any]:
    found = daemon.call("describe", name=name)["descriptions"]
    (described,) = found.values()
    assert isinstance(described, dict)
    return described


def known_once(daemon: Daemon, name: str, claim: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """Wait until what is known meets the claim, and return that."""
    found: dict[str, Any] = {}

    def is_met() -> object:
        found.update(known(daemon, name))
        return claim(found)

    until(is_met, lambda: str(found))
    return found


def test_a_crash_is_remembered_with_its_signal(circusd: Start) -> None:
    daemon = circusd(section("w", "sleep 1000", "numprocesses = 2", "max_age = 100", "max_age_variance = 0"))
    first, second = daemon.watcher("w").until_pids(2)
    os.kill(first, signal.SIGKILL)
    until(lambda: known(daemon, "w")["restarts"] == 1)
    daemon.watcher("w").do("kill", pid=second)
    until(lambda: known(daemon, "w")["restarts"] == 2)
    daemon.watcher("w").until_pids(2)
    # A process that has just been started has a page and no more.
    now = known_once(daemon, "w", lambda it: all(process["memory"] > 4096 for process in it["processes"]))
    assert now["backoffs"] == []
    assert [(e["pid"], e["exit_code"], e["end"], e["asked"]) for e in now["exits"]] == [
        (first, -9, "killed by SIGKILL", False),
        (second, -15, "killed by SIGTERM", True),
    ]
    assert all(e["time"] == pytest.approx(time.time(), abs=30) for e in now["exits"])
    assert (now["spawned"], now["ended"], now["failed_spawns"]) == (4, 2, 0)
    assert (now["state"], now["running"], now["numprocesses"]) == ("active", 2, 2)
    assert sorted(process["restarts"] for process in now["processes"]) == [1, 1]
    for process in now["processes"]:
        assert process["open_files"] >= 3
        assert process["threads"] == 1
        assert process["cpu_time"] >= 0
        assert 0 < process["expires_in"] <= 100
        assert process["killed_in"] is None


def test_only_the_last_ends_are_kept(circusd: Start) -> None:
    daemon = circusd(section("w", "sleep 1000"))
    w = daemon.watcher("w")
    for _ in range(13):
        w.do("kill", signum="KILL")
    w.until_pids(1)
    now = known(daemon, "w")
    assert (now["ended"], len(now["exits"])) == (13, 10)


def test_what_holds_up_the_next_start_is_told(circusd: Start) -> None:
    daemon = circusd(
        section("dies", "sh -c 'exit 3'") + section("missing", "/no/such/program", "max_retry = -1")
    )
    dies = known_once(daemon, "dies", lambda dies: any(b["failures"] > 2 for b in dies["backoffs"]))
    assert (dies["exits"][-1]["exit_code"], dies["exits"][-1]["end"]) == (3, "exit 3")
    assert dies["backoffs"][0]["wid"] == 1
    assert dies["backoffs"][0]["reason"] == "exit 3"
    missing = known_once(daemon, "missing", lambda it: it["failed_spawns"] > 1 and it["backoffs"])
    assert "/no/such/program" in missing["backoffs"][0]["reason"]
    assert (missing["spawned"], missing["processes"]) == (0, [])


SINKS = """
class Loses:
    def __init__(self, place):
        pass

    def __call__(self, chunk):
        raise ValueError("lost")
"""


def test_sockets_streams_hooks_and_other_options_are_told(circusd: Start, tmp_path: Path) -> None:
    (tmp_path / "d0").mkdir()
    (tmp_path / "d0" / "sinks.py").write_text(SINKS)
    daemon = circusd(
        "[socket:web]\nhost = 127.0.0.1\nport = 0\n[socket:other]\nhost = 127.0.0.1\nport = 0\n"
        + section(
            "w",
            "sh -c 'echo hello; exec sleep 1000' $(circus.sockets.web)",
            "use_sockets = True",
            "stdout_stream.class = sinks.Loses",
            "stdout_stream.place = /some/where",
            "hooks.before_stop = os.getpid,true",
            "extra.limit = 3",
        )
    )
    until(lambda: known(daemon, "w")["streams"]["stdout"]["dropped_bytes"] == 6)
    now = known(daemon, "w")
    assert now["streams"]["stdout"] == {
        "class": "sinks.Loses",
        "options": {"place": "/some/where"},
        "dropped_bytes": 6,
        "errors": 1,
        "problem": "",
    }
    assert [socket["name"] for socket in now["sockets"]] == ["web"]
    assert now["hooks"] == {"before_stop": {"target": "os.getpid", "ignore_failure": True}}
    assert now["options"] == {"extra.limit": "3"}
    text = daemon.ctl("describe", "w").stdout
    assert "  stdout      sinks.Loses, place = /some/where\n              6 bytes dropped, 1 error\n" in text
    assert "  options     extra.limit = 3\n" in text
    assert daemon.call("stats")["dropped_bytes"] == {"w": 6}
    assert "output_bytes_dropped: 6" in daemon.ctl("dstats").stdout
    daemon.call("rm", name="w", waiting=True)
    assert daemon.call("dstats")["output_bytes_dropped"] == 6
    daemon.stop()
    daemon.log_path.write_text(daemon.log().replace("Traceback", "[traceback]"))


def test_the_text_has_it_all_in_lines(circusd: Start) -> None:
    daemon = circusd(section("w", "sleep 1000", "numprocesses = 2") + section("dies", "false"))
    first, _ = daemon.watcher("w").until_pids(2)
    os.kill(first, signal.SIGSEGV)
    known_once(daemon, "w", lambda w: (w["restarts"], w["running"], w["ended"]) == (1, 2, 1))
    until(lambda: known(daemon, "dies")["backoffs"])
    text = daemon.ctl("describe", "w").stdout
    lines = text.splitlines()
    assert lines[0] == "w"
    assert lines[1].startswith("  state       active since 20")
    assert "  count       2 of 2 running; 3 started, 1 of these as a restart; 1 ended" in lines
    assert any("killed by SIGSEGV" in line for line in lines)

    def everything() -> str:
        return daemon.ctl("describe", "*", "--match", "glob").stdout

    assert {"w", "dies", "zz-beacon"} <= set(everything().splitlines())
    until(lambda: "failures in a row, next try in" in everything(), everything)  # not while it is being tried
    refused = daemon.ctl("describe", "*")
    assert (refused.returncode, refused.stderr) == (3, "error: program * not found\n")


def test_a_process_that_is_being_stopped_has_its_deadline(circusd: Start, tmp_path: Path) -> None:
    deaf = f"sh -c 'trap \"\" TERM; : > {tmp_path}/ready; exec sleep 1000'"
    daemon = circusd(section("w", deaf).replace("graceful_timeout = 1", "graceful_timeout = 60"))
    until((tmp_path / "ready").exists)
    pid = daemon.watcher("w").pid()
    daemon.call("stop", name="w")

    def stopping() -> bool:
        processes = known(daemon, "w")["processes"]
        return any(p["state"] == "stopping" and p["killed_in"] is not None for p in processes)

    until(stopping)
    os.kill(pid, signal.SIGKILL)
    daemon.watcher("w").until("stopped")
