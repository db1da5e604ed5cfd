"""Signals reach circusd at any moment of its life: it ends as it should, or nothing happens."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from tests.integration.circusd_runs import Runs
from tests.integration.daemon import DEADLINE, until

ENDING = [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT]
HARMLESS = [signal.SIGWINCH, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM]
SLEEPER = "[watcher:sleeper]\ncmd = sleep 1000\n"
STUBBORN = "[watcher:stubborn]\ncmd = sh -c 'trap \"\" TERM; : > ready; exec sleep 1000'\n"
HELD = "[watcher:held]\ncmd = sh -c 'trap \"\" TERM; : > ready; read x < go'\ngraceful_timeout = 60\n"
HANG = """\
import pathlib, time
def hang(**others):
    pathlib.Path("hangs").touch()
    time.sleep(1000)
"""


def ended_well(runs: Runs, process: subprocess.Popen[bytes]) -> bool:
    """It exits with 0, without a traceback, and leaves nothing."""
    assert process.wait(DEADLINE) == 0, runs.said()
    assert "Traceback" not in runs.said()
    assert "KeyboardInterrupt" not in runs.said()
    assert runs.alive() == []
    return True


@pytest.mark.parametrize("signum", ENDING)
def test_an_ending_signal_ends_everything(runs: Runs, signum: int) -> None:
    process = runs.start(runs.write(SLEEPER, pidfile="pid"))
    runs.wait_for("sleeper started")
    process.send_signal(signum)
    assert ended_well(runs, process)
    assert f"Got signal SIG_{signal.Signals(signum).name[3:]}" in runs.said()
    assert not (runs.folder / "pid").exists()


def test_signals_that_say_nothing_do_nothing(runs: Runs) -> None:
    process = runs.start(runs.write(SLEEPER))
    runs.wait_for("sleeper started")
    before = runs.alive()
    for signum in HARMLESS:
        process.send_signal(signum)
        runs.wait_for(f"Got signal SIG_{signum.name[3:]}")
    assert runs.alive() == before
    process.terminate()
    assert ended_well(runs, process)


def fifo_for_include(runs: Runs) -> Path:
    """Have the configuration include a pipe that nobody writes to."""
    fifo = runs.folder / "slow.ini"
    os.mkfifo(fifo)
    runs.write(SLEEPER, include="slow.ini")
    return fifo


@contextmanager
def kept_reading(fifo: Path) -> Iterator[int]:
    """Wait until circusd reads the pipe, and keep it waiting for what is written."""
    writers: list[int] = []

    def is_read() -> bool:
        with suppress(OSError):  # ENXIO: nobody reads
            writers.append(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
        return bool(writers)

    until(is_read, "circusd to read the pipe")
    try:
        yield writers[0]
    finally:
        os.close(writers[0])


@pytest.mark.parametrize("signum", ENDING)
def test_it_ends_while_it_reads_its_file(runs: Runs, signum: int) -> None:
    fifo = fifo_for_include(runs)
    process = runs.start("circus.ini")
    with kept_reading(fifo):
        process.send_signal(signum)
        assert ended_well(runs, process)
    assert runs.said() == ""


def test_other_signals_do_not_disturb_the_reading(runs: Runs) -> None:
    fifo = fifo_for_include(runs)
    process = runs.start("circus.ini")
    with kept_reading(fifo) as writer:
        for signum in (*HARMLESS, signal.SIGHUP):
            process.send_signal(signum)
        os.write(writer, b"[watcher:late]\ncmd = sleep 1000\n")
    runs.wait_for("late started")
    process.terminate()
    assert ended_well(runs, process)


def install_slow_plugin(runs: Runs) -> None:
    site = runs.folder / "site"
    (site / "slow-1.dist-info").mkdir(parents=True)
    (site / "slow-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: slow\nVersion: 1\n")
    (site / "slow-1.dist-info" / "entry_points.txt").write_text("[circus]\nslow = slow_hooks\n")
    (site / "slow_hooks.py").write_text(
        "import asyncio, pathlib\nfrom circus_core import hookimpl\nhook_timeout = None\n"
        "@hookimpl\nasync def arbiter_starting(arbiter):\n"
        "    pathlib.Path('hangs').touch()\n    await asyncio.sleep(1000)\n"
    )
    runs.env["PYTHONPATH"] = str(site)


@pytest.mark.parametrize("signum", ENDING)
def test_it_ends_before_anything_is_bound(runs: Runs, signum: int) -> None:
    install_slow_plugin(runs)
    process = runs.start(runs.write(SLEEPER, pidfile="pid"))
    until((runs.folder / "hangs").exists)
    process.send_signal(signal.SIGHUP)
    process.send_signal(signum)
    assert ended_well(runs, process)
    assert not (runs.folder / "ctl").exists()
    assert not (runs.folder / "pid").exists()


@pytest.mark.parametrize("signum", ENDING)
def test_it_ends_while_watchers_warm_up(runs: Runs, signum: int) -> None:
    many = "".join(f"[watcher:w{number}]\ncmd = sleep 1000\n" for number in range(5))
    process = runs.start(runs.write(many, warmup_delay=300))
    runs.wait_for("w0 started")
    process.send_signal(signum)
    assert ended_well(runs, process)
    assert "w1 started" not in runs.said()


@pytest.mark.parametrize("signum", ENDING)
def test_it_ends_while_a_hook_hangs(runs: Runs, signum: int) -> None:
    (runs.folder / "slow_hooks.py").write_text(HANG)
    runs.env["PYTHONPATH"] = str(runs.folder)
    process = runs.start(runs.write(f"{SLEEPER}hooks.before_start = slow_hooks.hang\nhook_timeout = 900\n"))
    until((runs.folder / "hangs").exists)
    process.send_signal(signum)
    assert ended_well(runs, process)


def test_any_number_of_signals_during_a_stop_changes_nothing(runs: Runs) -> None:
    process = runs.start(runs.write(f"{STUBBORN}graceful_timeout = 1\n", pidfile="pid"))
    until((runs.folder / "ready").exists)
    process.terminate()
    runs.wait_for("Arbiter exiting")
    while process.poll() is None:
        for signum in (*ENDING, *HARMLESS, signal.SIGHUP):
            process.send_signal(signum)
    assert ended_well(runs, process)
    assert not (runs.folder / "pid").exists()


def start_held(runs: Runs) -> subprocess.Popen[bytes]:
    """Start it with a process that does not end before `let_go`."""
    os.mkfifo(runs.folder / "go")
    process = runs.start(runs.write(HELD))
    until((runs.folder / "ready").exists)
    return process


def let_go(runs: Runs) -> None:
    (runs.folder / "go").write_text("\n")


def test_it_ends_while_it_stops_for_a_restart(runs: Runs) -> None:
    process = start_held(runs)
    with runs.client() as client:
        client.send("restart")
    runs.wait_for("Arbiter exiting")
    process.terminate()
    runs.wait_for("Got signal SIG_TERM")
    let_go(runs)
    assert ended_well(runs, process)
    assert runs.said().count("Starting master on pid") == 1


def test_a_quit_wins_over_a_restart_that_is_under_way(runs: Runs) -> None:
    process = start_held(runs)
    with runs.client() as client:
        client.send("restart")
        client.send("quit")
    let_go(runs)
    assert ended_well(runs, process)
    assert runs.said().count("Starting master on pid") == 1


def test_a_hang_up_replaces_processes_and_opens_the_log_again(runs: Runs) -> None:
    runs.write(SLEEPER, logoutput="log")
    process = runs.start("circus.ini")
    log = runs.folder / "log"
    runs.wait_for("sleeper started", log)
    with runs.client() as client:
        before = client.send("list", name="sleeper")["pids"]
        log.rename(runs.folder / "log.1")
        process.send_signal(signal.SIGHUP)
        runs.wait_for("sleeper reloaded", log)
        after = client.send("list", name="sleeper")["pids"]
    assert len(after) == 1
    assert after != before
    process.terminate()
    assert ended_well(runs, process)
    assert "Got signal SIG_HUP" not in (runs.folder / "log.1").read_text()


LOGGERS = """\
{"version": 1,
 "handlers": {"file": {"class": "logging.FileHandler", "filename": "log"}},
 "root": {"level": "INFO", "handlers": ["file"]}}
"""


@pytest.mark.parametrize("by", ["signal", "command"])
def test_a_reload_opens_plain_log_files_of_a_logger_configuration_too(runs: Runs, by: str) -> None:
    (runs.folder / "log.json").write_text(LOGGERS)
    process = runs.start(runs.write(SLEEPER, loggerconfig="log.json"))
    log = runs.folder / "log"
    runs.wait_for("sleeper started", log)
    log.rename(runs.folder / "log.1")
    if by == "signal":
        process.send_signal(signal.SIGHUP)
    else:
        with runs.client() as client:
            client.send("reload")
    runs.wait_for("sleeper reloaded", log)
    process.terminate()
    assert ended_well(runs, process)


def test_a_hang_up_while_nothing_is_to_be_reloaded_is_no_harm(runs: Runs) -> None:
    process = runs.start(runs.write(f"{SLEEPER}autostart = False\n"))
    runs.wait_for("Arbiter now waiting for commands")
    process.send_signal(signal.SIGHUP)
    runs.wait_for("Got signal SIG_HUP")
    assert runs.alive() == [process.pid]
    process.terminate()
    assert ended_well(runs, process)


# -- as the first process of a container -----------------------------------------------------------

# The first process of a container leads its session, as does whatever is executed in it.
IN_A_PID_NAMESPACE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "setsid")


def as_pid_1(runs: Runs) -> psutil.Process:
    """Start circusd as pid 1 of a namespace; return it as it is seen from outside."""
    unshare = runs.start(runs.ini, before=IN_A_PID_NAMESPACE)
    runs.wait_for("Arbiter now waiting for commands")
    (daemon,) = psutil.Process(unshare.pid).children()
    return daemon


@pytest.mark.root
@pytest.mark.parametrize("signum", ENDING)
def test_as_pid_1_it_ends_on_signals(runs: Runs, signum: int) -> None:
    runs.write(SLEEPER)
    daemon = as_pid_1(runs)
    runs.wait_for("Starting master on pid 1")
    runs.wait_for("sleeper started")
    daemon.send_signal(signal.SIGUSR1)
    daemon.send_signal(signum)
    assert ended_well(runs, runs.started)


@pytest.mark.root
@pytest.mark.parametrize("autostart", [True, False])
def test_as_pid_1_it_reaps_what_others_leave(runs: Runs, autostart: bool) -> None:
    runs.write(f"{SLEEPER}autostart = {autostart}\n")
    daemon = as_pid_1(runs)
    if autostart:
        runs.wait_for("sleeper started")
    expected = len(daemon.children())
    enter = ["nsenter", "--pid", "--target", str(daemon.pid), "setsid"]
    held, hold = os.pipe()
    subprocess.run([*enter, "sh", "-c", "exec 3<&0; cat <&3 & cat <&3 &"], stdin=held, check=True)
    os.close(held)
    until(lambda: len(daemon.children()) == expected + 2, "the orphans to become its children")
    os.close(hold)
    until(lambda: len(daemon.children()) == expected, lambda: f"zombies: {daemon.children()}")
    daemon.terminate()
    assert ended_well(runs, runs.started)
