"""Start, stop, restart, reload, resize, kill, add, rm of real processes: what runs, and what is published."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from circus_core.errors import CallTimeoutError, ConnectionLostError, RefusedError
from tests.integration.daemon import Daemon, Recorder, is_alive, until

Start = Callable[..., Daemon]

SLEEPER = "[watcher:w]\ncmd = sleep $(circus.wid)000\nautostart = False\n"
STUBBORN = """\
[watcher:w]
cmd = sh -c 'trap "" TERM; : > {ready}; exec sleep 1000'
autostart = False
"""


def balance(events: Recorder, watcher: str = "w") -> None:
    """Every process that was announced has ended once, after its announcement."""
    lives: dict[int, list[str]] = {}
    for event in events.all(watcher, "spawn", "reap"):
        lives.setdefault(event.pid, []).append(event.action)
    assert lives
    assert {pid: life for pid, life in lives.items() if life != ["spawn", "reap"]} == {}


def test_start_and_stop_publish_what_they_do_in_order(circusd: Start) -> None:
    daemon = circusd(SLEEPER + "numprocesses = 2\n")
    w = daemon.watcher("w")
    assert w.status() == "stopped"
    reply = w.do("start")
    pids = w.pids()
    assert reply["info"] == {"started": sorted(pids), "kept": []}
    assert w.status() == "active"
    assert w.do("stop")["status"] == "ok"
    assert not any(map(is_alive, pids))
    daemon.events.wait("w", "stop")
    assert daemon.events.actions("w") == ["spawn", "spawn", "start", "kill", "kill", "reap", "reap", "stop"]
    assert {e.payload["exit_code"] for e in daemon.events.all("w", "reap")} == {-15}
    balance(daemon.events)


def test_states_are_published_as_they_are_taken(circusd: Start) -> None:
    daemon = circusd(SLEEPER)
    w = daemon.watcher("w")
    w.do("start")
    w.do("stop")
    daemon.events.wait("w", "stop")
    daemon.events.wait_for(lambda e: e.action == "state" and e.payload["state"] == "stopped")
    states = [e.payload["state"] for e in daemon.events.all("w", "state")]
    assert states == ["starting", "active", "stopping", "stopped"]


def test_start_of_a_running_watcher_keeps_its_processes(circusd: Start) -> None:
    daemon = circusd(SLEEPER)
    w = daemon.watcher("w")
    w.do("start")
    pid = w.pid()
    assert w.do("start")["info"] == {"started": [], "kept": [pid]}
    assert w.pids() == [pid]


def test_restart_replaces_all_processes(circusd: Start) -> None:
    daemon = circusd(SLEEPER + "numprocesses = 2\n")
    w = daemon.watcher("w")
    w.do("start")
    before = w.pids()
    info = w.do("restart")["info"]
    assert info == {"started": sorted(w.pids()), "stopped": sorted(before), "kept": []}
    assert w.wids() == [1, 2]
    daemon.events.wait("w", "start", count=2)
    assert daemon.events.actions("w")[3:] == [
        "kill", "kill", "reap", "reap", "stop", "spawn", "spawn", "start",
    ]  # fmt: skip
    w.do("stop")
    daemon.events.wait("w", "stop", count=2)
    balance(daemon.events)


def test_restart_of_a_stopped_watcher_starts_it(circusd: Start) -> None:
    daemon = circusd(SLEEPER)
    daemon.watcher("w").do("restart")
    daemon.watcher("w").until_pids(1)


def test_a_restart_without_a_name_reads_the_file_again(circusd: Start) -> None:
    daemon = circusd(SLEEPER)
    daemon.write_ini("[watcher:other]\ncmd = sleep 1000\n")
    daemon.call("restart")
    until(lambda: _statuses(daemon).get("other") == "active")
    assert "w" not in _statuses(daemon)


def _statuses(daemon: Daemon) -> dict[str, str]:
    with daemon.client(timeout=0.5) as client:
        try:
            return dict(client.send("status")["statuses"])
        except (CallTimeoutError, ConnectionLostError):  # it is being made anew
            return {}


def test_a_rolling_reload_replaces_one_after_the_other(circusd: Start) -> None:
    daemon = circusd(SLEEPER + "numprocesses = 3\n")
    w = daemon.watcher("w")
    w.do("start")
    before = w.pids()
    info = w.do("reload")["info"]
    assert info == {"started": sorted(w.pids()), "stopped": sorted(before), "kept": []}
    daemon.events.wait("w", "reload")
    w.do("stop")
    daemon.events.wait("w", "stop")
    running: set[int] = set()
    most = 0
    for event in daemon.events.all("w", "spawn", "kill"):
        (running.add if event.action == "spawn" else running.discard)(event.pid)
        most = max(most, len(running))
    assert most == 4  # a surge of one
    assert "start" not in daemon.events.actions("w")[4:]
    balance(daemon.events)


def test_a_sequential_reload_stops_one_then_spawns_one(circusd: Start) -> None:
    daemon = circusd(SLEEPER + "numprocesses = 2\n")
    w = daemon.watcher("w")
    w.do("start")
    w.do("reload", sequential=True)
    daemon.events.wait("w", "reload")
    assert daemon.events.actions("w")[3:] == ["kill", "reap", "spawn", "kill", "reap", "spawn", "reload"]
    assert w.wids() == [1, 2]


def test_a_reload_that_is_not_graceful_is_a_restart(circusd: Start) -> None:
    daemon = circusd(SLEEPER)
    w = daemon.watcher("w")
    w.do("start")
    w.do("reload", graceful=False)
    daemon.events.wait("w", "start", count=2)
    assert daemon.events.actions("w") == ["spawn", "start", "kill", "reap", "stop", "spawn", "start"]


def test_a_reload_with_send_hup_only_sends_it(circusd: Start, tmp_path: Path) -> None:
    out = tmp_path / "out"
    daemon = circusd(
        "[watcher:w]\nautostart = False\nsend_hup = True\nnumprocesses = 2\n"
        f"cmd = sh -c 'trap \"echo $$ >> {out}\" HUP; : > {out}.$$; while :; do sleep 0.02; done'\n"
    )
    w = daemon.watcher("w")
    w.do("start")
    pids = w.pids()
    until(lambda: all(Path(f"{out}.{pid}").exists() for pid in pids))
    w.do("reload")
    until(lambda: out.exists() and sorted(out.read_text().split()) == sorted(map(str, pids)))
    assert w.pids() == pids
    daemon.events.wait("w", "reload")
    assert daemon.events.actions("w") == ["spawn", "spawn", "start", "reload"]


def test_a_reload_starts_a_stopped_watcher_that_it_names(circusd: Start) -> None:
    daemon = circusd(SLEEPER)
    daemon.watcher("w").do("reload")
    assert daemon.watcher("w").status() == "active"


@pytest.mark.parametrize("by", ["command", "SIGHUP"])
def test_a_reload_of_all_leaves_stopped_watchers_alone(circusd: Start, by: str) -> None:
    daemon = circusd(SLEEPER + "[watcher:v]\ncmd = sleep 1000\nautostart = False\n")
    v = daemon.watcher("v")
    v.do("start")
    before = v.pid()
    if by == "command":
        daemon.call("reload", waiting=True)
    else:
        daemon.kill(signal.SIGHUP)
    daemon.events.wait("v", "reload")
    assert v.pid() != before
    assert daemon.watcher("w").status() == "stopped"


def test_incr_and_decr_take_the_oldest(circusd: Start) -> None:
    daemon = circusd(SLEEPER + "numprocesses = 2\n")
    w = daemon.watcher("w")
    w.do("start")
    first = w.pids()
    assert w.do("incr", nb=3)["numprocesses"] == 5
    five = w.pids()
    assert five[:2] == first
    assert w.wids() == [1, 2, 3, 4, 5]
    assert w.do("decr", nb=3)["numprocesses"] == 2
    assert w.pids() == five[3:]
    assert w.wids() == [4, 5]
    assert w.do("decr", nb=10)["numprocesses"] == 0
    assert w.pids() == []
    assert w.status() == "active"
    w.do("incr")
    assert w.wids() == [1]
    w.do("stop")
    daemon.events.wait("w", "stop")
    balance(daemon.events)


def test_numprocesses_can_be_set(circusd: Start) -> None:
    daemon = circusd(SLEEPER)
    w = daemon.watcher("w")
    w.do("start")
    w.do("set", options={"numprocesses": 3})
    assert len(w.until_pids(3)) == 3
    daemon.events.wait("w", "spawn", count=3)
    assert daemon.events.actions("w") == ["spawn", "start", "updated", "spawn", "spawn"]


def test_a_killed_process_is_replaced_at_once_with_its_number(circusd: Start) -> None:
    daemon = circusd(SLEEPER + "numprocesses = 3\n")
    w = daemon.watcher("w")
    w.do("start")
    first, second, third = w.pids()
    place = daemon.events.wait("w", "start")[0].at
    daemon.call("signal", name="w", pid=second, signum=9)
    (new,) = daemon.events.wait("w", "spawn", after=place)
    assert w.pids() == [first, third, new.pid]
    assert w.wids() == [1, 3, 2]
    assert [e.action for e in daemon.events.all("w", "kill", "reap", "spawn") if e.at > place] == [
        "reap", "spawn",
    ]  # fmt: skip
    assert daemon.events.all("w", "reap")[0].payload["exit_code"] == -9


def test_the_kill_command_stops_a_process_and_has_it_replaced(circusd: Start) -> None:
    daemon = circusd(SLEEPER + "numprocesses = 2\n")
    w = daemon.watcher("w")
    w.do("start")
    first, second = w.pids()
    w.do("kill", pid=first, signum="INT")
    until(lambda: first not in w.pids() and len(w.pids()) == 2)
    assert second in w.pids()
    assert daemon.events.wait("w", "reap")[0].payload["exit_code"] == -2
    w.do("stop")
    daemon.events.wait("w", "stop")
    balance(daemon.events)


def test_the_kill_command_takes_its_own_grace(circusd: Start, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    daemon = circusd(STUBBORN.format(ready=ready) + "graceful_timeout = 30\n")
    w = daemon.watcher("w")
    w.do("start")
    until(ready.exists)
    pid = w.pid()
    w.do("kill", pid=pid, graceful_timeout=0.1)
    assert daemon.events.wait("w", "reap")[0].payload["exit_code"] == -9
    assert [e.pid for e in daemon.events.all("w", "kill")] == [pid, pid]
    w.do("set", options={"graceful_timeout": 0.1})


def test_a_watcher_is_added_started_and_removed(circusd: Start) -> None:
    daemon = circusd("")
    daemon.call("add", name="New one", cmd="sleep 1000", start=True, waiting=True)
    new = daemon.watcher("New one")
    (pid,) = new.until_pids(1)
    with pytest.raises(RefusedError, match="already exist"):
        daemon.call("add", name="NEW ONE", cmd="sleep 1000")
    new.do("rm")
    daemon.events.wait("new_one", "stop")
    assert daemon.events.actions("new_one") == ["add", "spawn", "start", "remove", "kill", "reap", "stop"]
    assert not is_alive(pid)
    with pytest.raises(RefusedError, match="not found"):
        new.status()


def test_an_added_watcher_whose_backend_does_not_exist_says_so(circusd: Start) -> None:
    daemon = circusd("")
    daemon.call("add", name="w", cmd="sleep 1000", options={"backend": "nosuch", "max_retry": 1})
    daemon.watcher("w").do("start")
    assert daemon.watcher("w").status() == "stopped"
    assert "no backend 'nosuch' is installed" in daemon.watcher("w").reason()


def test_rm_with_nostop_leaves_its_processes_to_themselves(circusd: Start) -> None:
    daemon = circusd(SLEEPER)
    w = daemon.watcher("w")
    w.do("start")
    pid = w.pid()
    w.do("rm", nostop=True)
    daemon.events.wait("w", "remove")
    assert is_alive(pid)
    daemon.stop()
    assert is_alive(pid)
    os.kill(pid, signal.SIGKILL)
    until(lambda: not is_alive(pid))


def test_what_was_removed_with_nostop_is_not_replaced_when_it_ends(circusd: Start) -> None:
    daemon = circusd(SLEEPER)
    w = daemon.watcher("w")
    w.do("start")
    pid = w.pid()
    w.do("rm", nostop=True)
    os.kill(pid, signal.SIGKILL)
    daemon.events.wait("w", "reap")
    daemon.call("status")
    assert daemon.descendants() == []


def test_a_numprocesses_of_zero_can_not_be_started(circusd: Start) -> None:
    daemon = circusd(SLEEPER + "numprocesses = 0\n")
    w = daemon.watcher("w")
    w.do("start")
    assert w.status() == "stopped"
    assert "numprocesses is 0" in w.reason()


def test_all_ends_with_the_daemon(circusd: Start) -> None:
    daemon = circusd(SLEEPER + "numprocesses = 5\n")
    w = daemon.watcher("w")
    w.do("start")
    assert daemon.stop() == 0
    assert daemon.descendants() == []
    # what is published last arrives, too
    daemon.events.wait("w", "stop")
    assert Counter(daemon.events.actions("w")) == {"spawn": 5, "start": 1, "kill": 5, "reap": 5, "stop": 1}


@pytest.mark.parametrize("how", ["quit", "SIGTERM", "SIGINT", "SIGQUIT"])
def test_the_daemon_ends_when_told(circusd: Start, how: str) -> None:
    daemon = circusd(SLEEPER)
    daemon.watcher("w").do("start")
    if how == "quit":
        daemon.call("quit")
    else:
        daemon.kill(signal.Signals[how])
    assert daemon.wait() == 0
    assert daemon.descendants() == []


def test_tcp_endpoints_work_too(circusd: Start) -> None:
    daemon = circusd(SLEEPER, tcp=True)
    done = daemon.ctl("start", "w", "--waiting")
    assert done.returncode == 0, done.stderr
    assert daemon.ctl("status", "w").stdout == "active\n"


def test_a_stop_may_give_its_reason_which_status_shows_until_the_next_wish(circusd: Start) -> None:
    daemon = circusd("[watcher:web]\ncmd = sleep 1000\n")
    daemon.watcher("web").until("active")
    assert daemon.ctl("stop", "web", "--waiting", "--reason", "the disk is full").returncode == 0
    assert daemon.ctl("status", "web").stdout == "stopped (the disk is full)\n"
    daemon.watcher("web").do("start")
    assert daemon.ctl("status", "web").stdout == "active\n"


def test_a_pattern_starts_only_watchers_with_autostart_but_restarts_what_runs(circusd: Start) -> None:
    daemon = circusd(
        "[watcher:web1]\ncmd = sleep 1000\n"
        "[watcher:web2]\ncmd = sleep 1000\nautostart = False\n"
        "[watcher:web3]\ncmd = sleep 1000\nautostart = False\n"
    )
    daemon.watcher("web3").do("start")
    before = daemon.watcher("web3").pids()
    daemon.call("start", name="web*", waiting=True)
    daemon.call("restart", name="web*", waiting=True)
    states = [daemon.watcher(f"web{number}").status() for number in (1, 2, 3)]
    assert states == ["active", "stopped", "active"]
    assert not set(before) & set(daemon.watcher("web3").pids())


def test_the_reason_of_a_stop_outlives_a_change_of_the_number(circusd: Start) -> None:
    daemon = circusd("[watcher:web]\ncmd = sleep 1000\n")
    daemon.watcher("web").until("active")
    daemon.call("stop", name="web", reason="the disk is full", waiting=True)
    daemon.call("incr", name="web", waiting=True)
    assert daemon.watcher("web").reason() == "the disk is full"


def test_a_watcher_with_more_processes_does_not_become_a_singleton(circusd: Start) -> None:
    w = circusd("[watcher:w]\ncmd = sleep 1000\nsingleton = False\n").watcher("w")
    w.do("incr", nb=2)
    with pytest.raises(RefusedError, match="singleton"):
        w.do("set", options={"singleton": True})
    w.do("set", options={"numprocesses": 1, "singleton": True})
    until(lambda: len(w.pids()) == 1)
