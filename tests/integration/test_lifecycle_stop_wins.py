"""A stop wins over whatever is under way, and what is slow delays nobody else."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from circus_core.errors import RefusedError
from tests.integration.daemon import Daemon, is_alive, until

Start = Callable[..., Daemon]

STUBBORN = """\
[watcher:stubborn]
cmd = sh -c 'trap "" TERM; : > {ready}; exec sleep 1000'
autostart = False
"""
SLEEPER = "[watcher:{name}]\ncmd = sleep $(circus.wid)000\n"

SLOW_HOOKS = """\
import pathlib, time
here = pathlib.Path(__file__).parent
def hang(hook_name, **others):
    (here / hook_name).touch()
    time.sleep(60)
    return True
"""


@pytest.fixture
def hang(tmp_path: Path) -> Path:
    """Make hook functions that take a minute; one that was called leaves a file of its name here."""
    folder = tmp_path / "d0"
    folder.mkdir()
    (folder / "slow_hooks.py").write_text(SLOW_HOOKS)
    return folder


def end(daemon: Daemon) -> None:
    """End the daemon, well before any hook of these tests, or its timeout of 50 seconds, is over."""
    assert daemon.stop(deadline=25) == 0
    assert daemon.descendants() == []


@pytest.mark.parametrize("hook", ["before_start", "before_spawn", "after_spawn", "after_start"])
def test_a_stop_wins_over_a_hung_hook(circusd: Start, hang: Path, hook: str) -> None:
    daemon = circusd(
        SLEEPER.format(name="w") + f"autostart = False\nhook_timeout = 50\nhooks.{hook} = slow_hooks.hang\n"
    )
    w = daemon.watcher("w")
    daemon.call("start", name="w")
    until((hang / hook).exists)
    assert w.status() == "starting"
    w.do("stop")
    assert w.status() == "stopped"
    assert daemon.descendants() == []
    end(daemon)


@pytest.mark.parametrize("hook", ["before_start", "before_spawn", "after_spawn", "after_start"])
def test_a_hung_hook_delays_no_other_watcher_and_not_the_end(circusd: Start, hang: Path, hook: str) -> None:
    daemon = circusd(
        SLEEPER.format(name="w") + f"priority = 9\nhook_timeout = 50\nhooks.{hook} = slow_hooks.hang\n"
        "graceful_timeout = 2\n" + SLEEPER.format(name="v")
    )
    until((hang / hook).exists)
    daemon.watcher("v").until("active")
    assert daemon.watcher("w").status() == "starting"
    daemon.watcher("v").do("restart")
    end(daemon)


def test_a_hung_before_stop_holds_up_its_own_stop_only_until_its_timeout(circusd: Start, hang: Path) -> None:
    daemon = circusd(
        SLEEPER.format(name="w") + "hook_timeout = 0.3\nhooks.before_stop = slow_hooks.hang\n"
        + SLEEPER.format(name="v")
    )  # fmt: skip
    daemon.watcher("w").until("active")
    end(daemon)


def test_a_hung_before_signal_does_not_prevent_the_kill(circusd: Start, hang: Path) -> None:
    daemon = circusd(
        SLEEPER.format(name="w")
        + "hook_timeout = 50\ngraceful_timeout = 0.2\nhooks.before_signal = slow_hooks.hang\n"
    )
    w = daemon.watcher("w")
    w.until("active")
    w.do("stop")
    assert w.status() == "stopped"
    assert daemon.events.wait("w", "reap")[0].payload["exit_code"] == -9
    end(daemon)


def test_a_hung_before_reap_does_not_prevent_the_end(circusd: Start, hang: Path) -> None:
    daemon = circusd(SLEEPER.format(name="w") + "hook_timeout = 0.3\nhooks.before_reap = slow_hooks.hang\n")
    daemon.watcher("w").until("active")
    end(daemon)


def test_a_stop_wins_during_the_warmup_of_its_processes(circusd: Start) -> None:
    daemon = circusd(SLEEPER.format(name="w") + "numprocesses = 5\nwarmup_delay = 30\nautostart = False\n")
    w = daemon.watcher("w")
    daemon.call("start", name="w")
    w.until_pids(1)
    w.do("stop")
    assert w.status() == "stopped"
    assert daemon.descendants() == []


@pytest.mark.parametrize("sequential", [False, True])
def test_a_stop_wins_during_a_reload(circusd: Start, sequential: bool) -> None:
    daemon = circusd(SLEEPER.format(name="w") + "numprocesses = 3\nautostart = False\n")
    w = daemon.watcher("w")
    w.do("start")
    w.do("set", options={"warmup_delay": 30})
    place = daemon.events.last
    daemon.call("reload", name="w", sequential=sequential)
    daemon.events.wait("w", "spawn", after=place)  # now the delay runs
    w.do("stop")
    assert w.status() == "stopped"
    assert daemon.descendants() == []
    assert daemon.events.all("w", "reload") == []


def test_a_stop_wins_while_a_process_crashes_again_and_again(circusd: Start) -> None:
    daemon = circusd("[watcher:w]\ncmd = false\nnumprocesses = 3\n")
    w = daemon.watcher("w")
    daemon.events.wait("w", "reap", count=6)
    w.do("stop")
    assert w.status() == "stopped"
    (stop,) = daemon.events.wait("w", "stop")
    place = daemon.events.last
    assert [e for e in daemon.events.all("w", "spawn", "reap") if stop.at < e.at < place] == []
    assert daemon.descendants() == []


def test_a_process_that_is_suspended_is_stopped_at_once(circusd: Start) -> None:
    daemon = circusd(SLEEPER.format(name="w"))
    w = daemon.watcher("w")
    w.until("active")
    os.kill(w.pid(), signal.SIGSTOP)
    w.do("stop")
    assert daemon.events.wait("w", "reap")[0].payload["exit_code"] == -15


def test_a_slow_stop_delays_no_other_watcher(circusd: Start, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    daemon = circusd(STUBBORN.format(ready=ready) + "graceful_timeout = 60\n" + SLEEPER.format(name="v"))
    stubborn, v = daemon.watcher("stubborn"), daemon.watcher("v")
    stubborn.do("start")
    until(ready.exists)
    (pid,) = stubborn.pids()
    daemon.call("stop", name="stubborn")
    stubborn.until("stopping")
    v.do("restart")
    before = v.pid()
    os.kill(before, signal.SIGKILL)
    until(lambda: v.pids() not in ([], [before]))
    assert stubborn.status() == "stopping"
    os.kill(pid, signal.SIGKILL)
    stubborn.until("stopped")


def test_a_start_during_a_slow_stop_starts_after_it(circusd: Start, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    daemon = circusd(STUBBORN.format(ready=ready) + "graceful_timeout = 0.3\n")
    stubborn = daemon.watcher("stubborn")
    stubborn.do("start")
    until(ready.exists)
    first = stubborn.pid()
    daemon.call("stop", name="stubborn")
    stubborn.do("start")
    assert stubborn.status() == "active"
    assert stubborn.pid() != first
    assert not is_alive(first)


def test_the_end_of_the_daemon_wins_over_a_start(circusd: Start, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    daemon = circusd(
        STUBBORN.format(ready=ready) + "graceful_timeout = 60\n" + SLEEPER.format(name="v"),
    )
    stubborn, v = daemon.watcher("stubborn"), daemon.watcher("v")
    stubborn.do("start")
    until(ready.exists)
    pid = stubborn.pid()
    v.until("active")
    daemon.kill(signal.SIGTERM)
    v.until("stopped")
    for command, properties in (
        ("start", {"name": "v"}),
        ("restart", {"name": "v"}),
        ("reload", {"name": "v"}),
        ("start", {}),
        ("restart", {"name": "stubborn"}),
        ("add", {"name": "new", "cmd": "sleep 1000", "start": True}),
    ):
        try:
            daemon.call(command, **properties)
        except RefusedError:
            continue
    os.kill(pid, signal.SIGKILL)
    assert daemon.wait() == 0
    assert daemon.descendants() == []


def test_the_end_of_the_daemon_waits_for_removed_watchers_too(circusd: Start, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    daemon = circusd(STUBBORN.format(ready=ready) + "graceful_timeout = 0.5\n")
    stubborn = daemon.watcher("stubborn")
    stubborn.do("start")
    until(ready.exists)
    daemon.call("rm", name="stubborn")
    assert daemon.stop() == 0
    assert daemon.descendants() == []


@pytest.mark.parametrize("how", ["stop", "rm", "stop all"])
def test_what_is_stopped_before_its_turn_at_the_start_is_not_started(circusd: Start, how: str) -> None:
    sections = "".join(SLEEPER.format(name=name) for name in "abc")
    daemon = circusd(sections, circus={"warmup_delay": 3})
    a = daemon.watcher("a")
    a.until("active")
    assert daemon.watcher("b").status() == "stopped"
    if how == "stop all":
        daemon.call("stop", waiting=True)
        time.sleep(3.3)  # its turn would have come
        assert set(daemon.call("status")["statuses"].values()) == {"stopped"}
    else:
        daemon.call(how, name="b", waiting=True)
        daemon.events.wait("c", "start")
        if how == "stop":
            assert daemon.watcher("b").status() == "stopped"
    expected = 0 if how == "stop all" else 2
    until(lambda: len(daemon.descendants()) == expected, lambda: str(daemon.descendants()))


def test_a_second_sigterm_changes_nothing(circusd: Start, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    daemon = circusd(STUBBORN.format(ready=ready) + "graceful_timeout = 0.5\n")
    daemon.watcher("stubborn").do("start")
    until(ready.exists)
    for _ in range(5):
        daemon.kill(signal.SIGTERM)
    daemon.kill(signal.SIGHUP)
    assert daemon.wait() == 0
    assert daemon.events.wait("stubborn", "reap")[0].payload["exit_code"] == -9


def test_all_watchers_stop_at_the_same_time(circusd: Start, tmp_path: Path) -> None:
    sections = "".join(
        STUBBORN.format(ready=tmp_path / f"ready{n}").replace("stubborn", f"s{n}").replace(
            "autostart = False", "graceful_timeout = 1"
        )
        for n in range(6)
    )  # fmt: skip
    daemon = circusd(sections)
    until(lambda: all((tmp_path / f"ready{n}").exists() for n in range(6)))
    place = daemon.events.last
    end(daemon)
    for n in range(6):
        daemon.events.wait(f"s{n}", "reap", after=place)
    told = [e.action for e in daemon.events.all(None, "kill", "reap") if e.at > place]
    assert told[:6] == ["kill"] * 6


@pytest.mark.parametrize("signum", [signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGWINCH])
def test_other_signals_do_the_daemon_no_harm(circusd: Start, signum: signal.Signals) -> None:
    daemon = circusd(SLEEPER.format(name="w"))
    daemon.watcher("w").until("active")
    daemon.kill(signum)
    until(lambda: f"Got signal {signum.name.replace('SIG', 'SIG_')}" in daemon.log())
    assert daemon.watcher("w").status() == "active"
