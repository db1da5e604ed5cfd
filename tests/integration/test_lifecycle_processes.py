"""How processes live and die: respawn, backoff, limits of tries, age, signals, numbers."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.integration.daemon import Daemon, Recorder, free_port, is_alive, until

Start = Callable[..., Daemon]

SLEEPER = "[watcher:w]\ncmd = sleep $(circus.wid)000\n"


def most_at_once(events: Recorder, watcher: str) -> int:
    """The largest number of processes that had been spawned and not yet reaped."""
    living, most = 0, 0
    for event in events.all(watcher, "spawn", "reap"):
        living += 1 if event.action == "spawn" else -1
        most = max(most, living)
    return most


# Starting


def test_watchers_start_by_priority_highest_first(circusd: Start) -> None:
    sections = "".join(
        f"[watcher:{name}]\ncmd = sleep 1000\npriority = {priority}\n"
        for name, priority in (("a", 0), ("b", 9), ("c", -1), ("d", 9), ("B2", 0))
    )
    daemon = circusd(sections)
    daemon.call("stop", waiting=True)
    place = daemon.events.last
    daemon.call("start", waiting=True)
    for name in ("a", "b", "c", "d", "b2"):
        daemon.events.wait(name, "start", after=place)
    spawns = [e for e in daemon.events.all(None, "spawn") if e.at > place]
    assert [e.watcher for e in sorted(spawns, key=lambda e: e.payload["time"])] == ["b", "d", "b2", "a", "c"]


def test_autostart_off_leaves_a_watcher_stopped(circusd: Start) -> None:
    daemon = circusd(SLEEPER + "[watcher:off]\ncmd = sleep 1000\nautostart = False\n")
    daemon.watcher("w").until("active")
    assert daemon.watcher("off").status() == "stopped"
    daemon.call("start", waiting=True)
    assert daemon.watcher("off").status() == "stopped"
    daemon.watcher("off").do("start")
    assert daemon.watcher("off").status() == "active"


def test_warmup_delay_lies_between_two_spawns(circusd: Start) -> None:
    daemon = circusd(SLEEPER + "numprocesses = 3\nwarmup_delay = 0.2\nautostart = False\n")
    daemon.watcher("w").do("start")
    times = [e.payload["time"] for e in daemon.events.wait("w", "spawn", count=3)]
    assert min(b - a for a, b in itertools.pairwise(times)) >= 0.19


def test_the_daemons_warmup_delay_lies_between_two_watchers(circusd: Start) -> None:
    sections = "".join(f"[watcher:{name}]\ncmd = sleep 1000\n" for name in "abc")
    daemon = circusd(sections, circus={"warmup_delay": 0.2})
    daemon.watcher("c").until("active")
    daemon.call("stop", waiting=True)
    place = daemon.events.last
    began = time.time()
    daemon.call("start", waiting=True)
    times = [daemon.events.wait(name, "spawn", after=place)[0].payload["time"] for name in "abc"]
    assert times[1] - began >= 0.19
    assert times[2] - began >= 0.39


# Dying


def test_a_crash_loop_is_answered_at_once_then_with_growing_delays(circusd: Start) -> None:
    daemon = circusd("[watcher:w]\ncmd = sh -c 'exit 7'\nautostart = False\n")
    w = daemon.watcher("w")
    w.do("start")
    assert w.status() == "active"
    reaps = daemon.events.wait("w", "reap", count=4)
    assert {e.payload["exit_code"] for e in reaps} == {7}
    backoffs = daemon.events.wait("w", "backoff", count=3)
    delays = [e.payload["delay"] for e in backoffs]
    assert delays == sorted(delays)
    assert delays[2] > 1.5 * delays[0]
    course = [e.action for e in daemon.events.all("w", "spawn", "backoff")]
    assert course[:4] == ["spawn", "spawn", "backoff", "spawn"]  # the first one at once
    until(lambda: w.reason().startswith("backoff: exit 7, next try in "), w.reason)
    until(
        lambda: "(backoff: exit 7, next try in" in daemon.ctl("status", "w").stdout
    )  # not while it is tried


def test_a_process_that_lives_longer_is_replaced_at_once_each_time(circusd: Start) -> None:
    daemon = circusd(SLEEPER + "autostart = False\n")
    w = daemon.watcher("w")
    w.do("start")
    for count in (1, 2):
        spawn = daemon.events.wait("w", "spawn", count=count)[-1]
        until(lambda spawn=spawn: time.time() - spawn.payload["time"] > 1.2)  # type: ignore[misc]
        os.kill(spawn.pid, signal.SIGKILL)
    daemon.events.wait("w", "spawn", count=3)
    assert daemon.events.all("w", "backoff") == []


def test_a_program_that_is_missing_is_tried_max_retry_times_then_given_up(circusd: Start) -> None:
    daemon = circusd("[watcher:w]\ncmd = /no/such/program\nautostart = False\n")
    w = daemon.watcher("w")
    daemon.call("start", name="w")
    until(lambda: w.status() == "stopped" and w.reason(), w.status)
    assert "could not be started in 5 tries" in w.reason()
    assert "/no/such/program" in w.reason()
    assert daemon.log().count("error in 'w'") == 5
    assert "stopped (could not be started in 5 tries" in daemon.ctl("status", "w").stdout
    daemon.events.wait("w", "stop")
    assert daemon.events.actions("w") == ["stop"]


def test_unlimited_tries_leave_the_daemon_idle_in_between(circusd: Start) -> None:
    daemon = circusd("[watcher:w]\ncmd = /no/such/program\nmax_retry = -1\nnumprocesses = 3\n")
    w = daemon.watcher("w")
    until(lambda: daemon.log().count("error in 'w'") >= 12)
    until(lambda: w.reason().startswith("backoff: "))
    process = psutil.Process(daemon.pid)
    before = process.cpu_times()
    time.sleep(0.5)  # what is measured is what it uses in this time
    after = process.cpu_times()
    assert after.user + after.system - before.user - before.system < 0.1
    w.do("stop")


def test_a_start_tries_at_once_what_waits_for_its_next_try(circusd: Start, tmp_path: Path) -> None:
    program = tmp_path / "program"
    daemon = circusd(f"[watcher:w]\ncmd = {program}\nmax_retry = -1\n")
    w = daemon.watcher("w")
    until(lambda: daemon.log().count("error in 'w'") >= 5)
    program.symlink_to("/bin/sleep")
    daemon.call("set", name="w", options={"args": "1000"}, waiting=True)
    w.do("start")
    assert w.status() == "active"
    w.until_pids(1)


def test_without_respawn_the_watcher_stops_when_none_is_left(circusd: Start) -> None:
    daemon = circusd(SLEEPER + "numprocesses = 2\nrespawn = False\nautostart = False\n")
    w = daemon.watcher("w")
    w.do("start")
    first, second = w.pids()
    os.kill(first, signal.SIGKILL)
    daemon.events.wait("w", "reap")
    assert w.pids() == [second]
    assert w.status() == "active"
    assert len(w.do("start")["info"]["started"]) == 1  # fills up
    for pid in w.pids():
        os.kill(pid, signal.SIGKILL)
    w.until("stopped")
    assert "respawn" in w.reason()
    daemon.events.wait("w", "stop")
    w.do("start")
    assert len(w.pids()) == 2


def test_a_final_exit_is_not_replaced_and_any_other_one_is(circusd: Start, tmp_path: Path) -> None:
    for wid in ("1", "2"):
        os.mkfifo(tmp_path / wid)
    cmd = f"sh -c 'read status < {tmp_path}/$(circus.wid); exit $status'"
    daemon = circusd(f"[watcher:w]\ncmd = {cmd}\nfinal_exits = 0, 7\nnumprocesses = 2\n")
    w = daemon.watcher("w")
    w.until_pids(2)
    for status, left in (("3", 2), ("7", 1)):
        place = daemon.events.last
        (tmp_path / "1").write_text(f"{status}\n")
        reaped = daemon.events.wait("w", "reap", after=place)[0]
        assert reaped.payload["exit_code"] == int(status)
        w.until_pids(left)
    assert w.status() == "active"
    daemon.call("set", name="w", options={"final_exits": [3]}, waiting=True)
    (tmp_path / "2").write_text("3\n")
    w.until("stopped")
    assert "final_exits" in w.reason()


# Age


def test_max_age_replaces_processes(circusd: Start) -> None:
    daemon = circusd(SLEEPER + "numprocesses = 2\nmax_age = 1\nmax_age_variance = 0\nautostart = False\n")
    w = daemon.watcher("w")
    w.do("start")
    before = w.pids()
    daemon.events.wait("w", "reap", count=2)
    until(lambda: not set(before) & set(w.pids()) and len(w.pids()) == 2)
    spawns, kills = daemon.events.all("w", "spawn"), daemon.events.all("w", "kill")
    assert kills[0].payload["time"] - spawns[0].payload["time"] >= 1.0
    w.do("stop")
    daemon.events.wait("w", "stop")
    assert len(daemon.events.all("w", "spawn")) == len(daemon.events.all("w", "reap"))


def test_max_age_variance_is_drawn_for_each_process(circusd: Start) -> None:
    daemon = circusd(SLEEPER + "numprocesses = 8\nmax_age = 1\nmax_age_variance = 60\nautostart = False\n")
    w = daemon.watcher("w")
    w.do("start")
    before = w.pids()
    daemon.events.wait("w", "spawn", count=8)
    until(lambda: time.time() - daemon.events.all("w", "spawn")[0].payload["time"] > 1.3)
    assert len(set(before) & set(w.pids())) >= 5


# Stopping


def test_a_process_that_ignores_the_signal_is_killed_after_graceful_timeout(
    circusd: Start, tmp_path: Path
) -> None:
    ready = tmp_path / "ready"
    daemon = circusd(
        f"[watcher:w]\ncmd = sh -c 'trap \"\" TERM; : > {ready}; exec sleep 1000'\ngraceful_timeout = 0.4\n"
    )
    until(ready.exists)
    w = daemon.watcher("w")
    w.do("stop")
    (reap,) = daemon.events.wait("w", "reap")
    first, second = daemon.events.all("w", "kill")
    assert reap.payload["exit_code"] == -9
    assert 0.35 < second.payload["time"] - first.payload["time"] < 15  # it is 30 where nothing is said
    assert "did not end in time and is killed" in daemon.log()


def test_a_graceful_timeout_of_zero_kills_at_once(circusd: Start, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    daemon = circusd(
        f"[watcher:w]\ncmd = sh -c 'trap \"\" TERM; : > {ready}; exec sleep 1000'\ngraceful_timeout = 0\n"
    )
    until(ready.exists)
    w = daemon.watcher("w")
    w.do("stop")
    assert daemon.events.wait("w", "reap")[0].payload["exit_code"] == -9


@pytest.mark.parametrize("name", ["INT", "SIGUSR1", "quit", "10", "SIGRTMIN+1"])
def test_the_stop_signal_is_what_the_option_says(circusd: Start, name: str) -> None:
    number = {"INT": 2, "SIGUSR1": 10, "quit": 3, "10": 10, "SIGRTMIN+1": signal.SIGRTMIN + 1}[name]
    daemon = circusd(SLEEPER + f"stop_signal = {name}\n")
    daemon.watcher("w").until("active")
    daemon.watcher("w").do("stop")
    assert daemon.events.wait("w", "reap")[0].payload["exit_code"] == -number


@pytest.mark.parametrize("stop_children", [True, False])
def test_stop_children_sends_the_signal_to_direct_children(
    circusd: Start, tmp_path: Path, stop_children: bool
) -> None:
    script = tmp_path / "family.py"
    script.write_text(
        "import os, pathlib, signal, sys, time\n"
        "out = pathlib.Path(sys.argv[1])\n"
        "def told(*_):\n"
        "    (out / 'told').touch()\n"
        "    os._exit(0)\n"
        "signal.signal(signal.SIGTERM, lambda *_: None if sys.argv[2] == 'True' else os._exit(0))\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    signal.signal(signal.SIGTERM, told)\n"
        "    (out / 'child').write_text(str(os.getpid()))\n"
        "    while True: signal.pause()\n"
        "os.waitpid(child, 0)\n"
    )
    daemon = circusd(
        f"[watcher:w]\ncmd = {sys.executable} -I -S {script} {tmp_path} {stop_children}\n"
        f"stop_children = {stop_children}\ncopy_env = True\ngraceful_timeout = 10\n"
    )
    w = daemon.watcher("w")
    until(lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text())
    child = int((tmp_path / "child").read_text())
    pid = w.pid()
    w.do("stop")
    assert (tmp_path / "told").exists() == stop_children
    assert not is_alive(child)
    daemon.events.wait("w", "stop")
    assert [e.pid for e in daemon.events.all("w", "kill")] == ([pid, child] if stop_children else [pid])


@pytest.mark.parametrize("kill_descendants", [True, False])
def test_descendants_end_with_their_process_unless_they_may_stay(
    circusd: Start, tmp_path: Path, kill_descendants: bool
) -> None:
    daemon = circusd(
        f"[watcher:w]\nshell = True\ncmd = setsid sleep 1000 & echo $! > {tmp_path}/child; exec sleep 1000\n"
        f"kill_descendants = {kill_descendants}\n"
    )
    until(lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text())
    child = int((tmp_path / "child").read_text())
    daemon.watcher("w").do("stop")
    assert is_alive(child) != kill_descendants
    if not kill_descendants:
        os.kill(child, signal.SIGKILL)
        until(lambda: not is_alive(child))


PREFORK = """\
import os, socket, sys
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", int(sys.argv[1])))
listener.listen()
master = os.getpid()
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        while True:
            connection, _ = listener.accept()
            connection.sendall(b"%d" % master)
            connection.close()
os.wait()
"""


def test_children_of_a_master_that_was_killed_give_its_port_back(circusd: Start, tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "prefork.py").write_text(PREFORK)
    daemon = circusd(
        f"[watcher:w]\ncmd = {sys.executable} -I -S {tmp_path}/prefork.py {port}\ncopy_env = True\n"
    )
    w = daemon.watcher("w")

    def answers() -> int:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
                return int(client.recv(100) or b"0")
        except OSError:  # nobody listens, or who would have answered was killed
            return 0

    for _ in range(5):
        until(answers)
        master = w.pid()
        until(lambda master=master: answers() == master)  # type: ignore[misc]
        os.kill(master, signal.SIGKILL)
        until(lambda master=master: answers() not in (0, master))  # type: ignore[misc]
    reaps = daemon.events.wait("w", "reap", count=5)
    assert {e.payload["exit_code"] for e in reaps} == {-9}  # no successor died because the port was taken


# Never too many

SLOW = """\
[watcher:w]
cmd = sh -c 'trap "exec sleep 0.2" TERM; : > {folder}/ready.$$; while :; do sleep 0.01; done'
numprocesses = 3
autostart = False
"""


@pytest.mark.parametrize("how", ["kill", "reload", "max_age"])
def test_what_replaces_a_process_waits_until_it_has_gone(circusd: Start, tmp_path: Path, how: str) -> None:
    """Its port and its memory are taken as long as it needs to end; only a rolling reload has one more."""
    daemon = circusd(
        SLOW.format(folder=tmp_path) + ("max_age = 1\nmax_age_variance = 0\n" * (how == "max_age"))
    )
    w = daemon.watcher("w")
    w.do("start")
    until(lambda: len(list(tmp_path.glob("ready.*"))) >= 3)
    if how != "max_age":
        w.do(how)
    daemon.events.wait("w", "reap", count=3)
    w.do("stop")
    daemon.events.wait("w", "stop")
    assert most_at_once(daemon.events, "w") == (4 if how == "reload" else 3)


# Singleton


def test_a_singleton_never_runs_twice(circusd: Start) -> None:
    daemon = circusd(SLEEPER + "singleton = True\nautostart = False\n")
    w = daemon.watcher("w")
    w.do("start")
    w.do("incr")
    assert len(w.pids()) == 1
    w.do("reload")
    w.do("reload", sequential=True)
    w.do("restart")
    daemon.call("kill", name="w")
    daemon.call("signal", name="w", signum=9)
    w.do("reload")
    w.do("decr")
    assert len(w.until_pids(1)) == 1
    w.do("stop")
    daemon.events.wait_for(lambda e: e.action == "stop" and e.at > daemon.events.all("w", "reap")[-1].at)
    assert most_at_once(daemon.events, "w") == 1
