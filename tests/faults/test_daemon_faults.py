"""circusd on a machine in trouble: what it promises in the table of faults, row by row."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import psutil
import pytest

from tests.integration.daemon import Daemon, is_alive, until

Start = Callable[..., Daemon]

USER = 65526  # who has no other processes
AS_USER = ("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups")
SLEEPER = "[watcher:w]\ncmd = sleep $(circus.wid)000\n"


@contextmanager
def asking(daemon: Daemon) -> Iterator[list[float]]:
    """Ask for the status again and again; gives the seconds that each answer took."""
    delays: list[float] = []
    is_over = threading.Event()

    def ask() -> None:
        with daemon.client() as client:
            while not is_over.is_set():
                began = time.monotonic()
                client.send("status")
                delays.append(time.monotonic() - began)
                is_over.wait(0.01)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield delays
    finally:
        is_over.set()
        thread.join()


def cpu(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def test_more_processes_than_the_soft_limit_of_descriptors_allows_are_no_shortage(circusd: Start) -> None:
    daemon = circusd(SLEEPER, command=("prlimit", "--nofile=100:1000"))
    w = daemon.watcher("w")
    w.do("start")
    w.do("incr", nb=150)
    assert len(w.pids()) == 151
    assert w.reason() == ""


@pytest.mark.root
def test_without_descriptors_nothing_that_runs_is_touched(circusd: Start) -> None:
    daemon = circusd(SLEEPER + "numprocesses = 3\n", command=("prlimit", "--nofile=60:60"))
    w = daemon.watcher("w")
    w.until("active")
    before = w.pids()
    daemon.call("incr", name="w", nb=60)
    until(lambda: "no free descriptor" in daemon.log(), daemon.log)
    assert w.status() == "active"
    until(lambda: w.reason().startswith("backoff: "), w.reason)
    assert set(before) <= set(w.pids())
    assert daemon.ctl("status", "w").returncode == 0  # a new client gets in
    w.do("decr", nb=60)
    assert len(w.until_pids(3)) == 3


@pytest.mark.root
def test_a_wish_that_no_machine_can_fulfil_holds_up_nobody(circusd: Start) -> None:
    daemon = circusd(SLEEPER, command=("prlimit", "--nofile=100:100"))
    w = daemon.watcher("w")
    w.do("start")
    w.do("incr", nb=10**15)
    until(lambda: w.reason().startswith("backoff: "), w.reason)
    assert daemon.log().count("no free descriptor") < 600
    w.do("decr", nb=10**15)
    assert len(w.pids()) == 1


@pytest.mark.root
def test_without_room_for_processes_it_waits_and_recovers_by_itself(circusd: Start, tmp_path: Path) -> None:
    """As an ordinary user, whose processes are limited: as root there is no limit."""
    if not _may_run_python():
        pytest.skip("needs an interpreter that every user may run")
    folder = tmp_path / "d0"
    folder.mkdir()
    folder.chmod(0o777)
    tmp_path.chmod(0o755)
    command = ("prlimit", "--nproc=4096", *AS_USER)
    daemon = circusd(SLEEPER + "numprocesses = 2\n", command=command)
    w = daemon.watcher("w")
    w.until("active")
    before = w.pids()
    _limit_processes(daemon.pid, _threads_of(USER) + 1)
    daemon.call("incr", name="w", nb=5)
    until(lambda: "the limit of processes" in daemon.log(), daemon.log)
    assert w.status() == "active"
    assert set(before) <= set(w.pids())
    _limit_processes(daemon.pid, 4096)
    assert len(w.until_pids(7)) == 7


def _may_run_python() -> bool:
    words = [*AS_USER, sys.executable, "-c", "import circus_core"]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def _threads_of(uid: int) -> int:
    found = [process.info for process in psutil.process_iter(["uids", "num_threads"])]
    return sum(info["num_threads"] or 0 for info in found if info["uids"] and info["uids"].real == uid)


def _limit_processes(pid: int, soft: int) -> None:
    subprocess.run([*AS_USER, "prlimit", f"--pid={pid}", f"--nproc={soft}:"], check=True)


def test_a_program_that_goes_into_the_background_is_not_piled_up(circusd: Start) -> None:
    """What it leaves is ended with it, so there are never two; its restarts come ever more slowly."""
    daemon = circusd("[watcher:w]\nshell = True\ncmd = setsid sh -c 'sleep 1000 & sleep 1000' & sleep 0.01\n")
    daemon.events.wait("w", "reap", count=4)
    assert len(daemon.descendants()) <= 5
    daemon.watcher("w").do("stop")
    assert daemon.descendants() == []


def test_processes_that_hop_from_session_to_session_do_not_survive(circusd: Start, tmp_path: Path) -> None:
    script, hopping = tmp_path / "hopper.py", tmp_path / "hopping"
    script.write_text(
        "import os, sys, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork(): os._exit(0)\n"
        "    open(sys.argv[1], 'w').close()\n"
        "    end = time.monotonic() + 60\n"  # were it not caught, no machine should have it for ever
        "    while time.monotonic() < end:\n"
        "        time.sleep(0.002)\n"
        "        if os.fork(): os._exit(0)\n"
        "        os.setsid()\n"
        "    os._exit(0)\n"
        "while True: time.sleep(1000)\n"
    )
    daemon = circusd(f"[watcher:w]\ncmd = {sys.executable} -I -S {script} {hopping}\ncopy_env = True\n")
    w = daemon.watcher("w")
    w.until("active")
    until(hopping.exists)
    w.do("stop")
    assert daemon.descendants() == []


def test_fifty_crashing_processes_cost_next_to_nothing(circusd: Start) -> None:
    daemon = circusd("[watcher:w]\ncmd = false\nnumprocesses = 50\n[watcher:v]\ncmd = sleep 1000\n")
    daemon.watcher("v").until("active")
    until(lambda: len(daemon.events.all("w", "backoff")) >= 200, deadline=90)
    with asking(daemon) as delays:
        began, spawns, used = time.monotonic(), len(daemon.events.all("w", "spawn")), cpu(daemon.pid)
        time.sleep(1.0)  # what is measured is what it does in this time
        took = time.monotonic() - began  # a busy machine wakes us late
        assert len(daemon.events.all("w", "spawn")) - spawns < 120 * took
        assert cpu(daemon.pid) - used < 0.6 * took
    assert median(delays) < 2
    until(lambda: "next try in" in daemon.watcher("w").reason())


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_thousand_processes_that_die_at_once_are_all_back_while_it_answers(circusd: Start) -> None:
    daemon = circusd(SLEEPER.replace("$(circus.wid)000", "1000") + "numprocesses = 1000\n")
    w = daemon.watcher("w")
    until(lambda: w.status() == "active" and len(w.pids()) == 1000, deadline=120)
    before = set(w.pids())
    with asking(daemon) as delays:
        began = time.monotonic()
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        until(lambda: not before & set(w.pids()) and len(w.pids()) == 1000, deadline=120)
        took = time.monotonic() - began
    print(f"1000 back in {took:.2f} s; status p50 {median(delays):.3f} max {max(delays):.3f} s")
    assert median(delays) < took / 10
    assert daemon.call("status", name="w")["status"] == "active"
    until(lambda: len(daemon.events.all("w", "reap")) == 1000)
    until(lambda: len([e for e in daemon.events.all("w", "spawn") if e.pid not in before]) == 1000)


def test_a_hook_that_raises_is_told_in_status_and_event(circusd: Start, tmp_path: Path) -> None:
    folder = tmp_path / "d0"
    folder.mkdir()
    (folder / "bad_hook.py").write_text("def hook(**_):\n    raise ValueError('database is down')\n")
    daemon = circusd(SLEEPER + "hooks.before_start = bad_hook.hook\n[watcher:v]\ncmd = sleep 1000\n")
    daemon.watcher("v").until("active")
    w = daemon.watcher("w")
    until(lambda: "database is down" in w.reason())
    assert w.status() == "stopped"
    until(lambda: "Traceback" in daemon.log())
    daemon.log_path.write_text(daemon.log().replace("Traceback", "[asked for]", 1))


def test_no_signal_hits_a_process_that_got_the_number_of_a_dead_one(circusd: Start) -> None:
    """A pid that has ended is refused, whoever has it now."""
    daemon = circusd(SLEEPER)
    w = daemon.watcher("w")
    w.until("active")
    pid = w.pid()
    os.kill(pid, signal.SIGKILL)
    daemon.events.wait("w", "spawn")
    until(lambda: pid not in w.pids())
    for command in ("signal", "kill"):
        with pytest.raises(Exception, match="not found"):
            daemon.call(command, name="w", pid=pid, signum=9, waiting=True)
    assert len(w.until_pids(1)) == 1


def test_a_daemon_that_was_frozen_goes_on_as_if_nothing_had_been(circusd: Start) -> None:
    daemon = circusd(SLEEPER + "numprocesses = 3\n[watcher:v]\ncmd = sleep 1000\n")
    w, v = daemon.watcher("w"), daemon.watcher("v")
    w.until("active")
    v.until("active")
    steady, (first, *others) = v.pids(), w.pids()
    daemon.kill(signal.SIGSTOP)
    os.kill(first, signal.SIGKILL)
    time.sleep(1.0)  # so long it is away
    daemon.kill(signal.SIGCONT)
    until(lambda: first not in w.pids() and len(w.pids()) == 3)
    assert set(others) < set(w.pids())
    assert v.pids() == steady


def test_a_suspended_process_is_still_one_of_the_wanted(circusd: Start) -> None:
    daemon = circusd(SLEEPER)
    w = daemon.watcher("w")
    w.until("active")
    pid = w.pid()
    os.kill(pid, signal.SIGSTOP)
    until(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED)
    assert w.status() == "active"
    assert w.pids() == [pid]
    w.do("restart")
    assert not is_alive(pid)


FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")


@pytest.mark.skipif(not FAKETIME.exists(), reason="needs libfaketime")
@pytest.mark.parametrize("jump", ["+1d", "-1d"])
def test_a_jump_of_the_clock_restarts_nothing(circusd: Start, tmp_path: Path, jump: str) -> None:
    stamp = tmp_path / "offset"
    stamp.write_text("+0\n")
    daemon = circusd(
        SLEEPER + "numprocesses = 2\nmax_age = 3600\nmax_age_variance = 0\n",
        env={
            "LD_PRELOAD": str(FAKETIME),
            "DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_TIMESTAMP_FILE": str(stamp),
        },
    )
    w = daemon.watcher("w")
    w.until("active")
    before = w.pids()
    (tmp_path / "jump").write_text(f"{jump}\n")
    (tmp_path / "jump").rename(stamp)  # it is never read half written
    daemon.call("set", name="zz-beacon", options={"max_retry": 4})
    until(lambda: abs(daemon.call("status")["time"] - time.time()) > 80000)  # it sees the jump
    os.kill(before[0], signal.SIGKILL)
    until(lambda: before[0] not in w.pids() and len(w.pids()) == 2)
    assert before[1] in w.pids()
    w.do("restart")
    assert len(w.pids()) == 2
