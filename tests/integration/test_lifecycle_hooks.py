"""The functions of a watcher's section around real processes: their order, their refusals, their failures."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from circus_core.errors import RefusedError
from tests.integration.daemon import Daemon, is_alive, until

Start = Callable[..., Daemon]

STARTING = ["before_start", "after_start", "before_spawn", "after_spawn"]
ENDING = ["before_stop", "after_stop", "before_signal", "after_signal", "before_reap", "after_reap"]
NAMES = [*STARTING, *ENDING]

MODULE = """\
import json, pathlib, time
here = pathlib.Path(__file__).parent

def told(hook_name, watcher, arbiter, **extras):
    assert arbiter.get_watcher(watcher.name).name == watcher.name
    line = {"hook": hook_name, "alive": len(watcher.processes), **extras}
    with (here / "told").open("a") as file:
        file.write(json.dumps(line, default=str) + "\\n")
    return True

def refuses(hook_name, **others):
    return not (here / "refuse").exists()

def explodes(hook_name, **others):
    if (here / "refuse").exists():
        raise RuntimeError("hook exploded")
    return True

def returns_nothing(**others):
    pass

def sleeps(**others):
    time.sleep(60)
    return True

def slow(**others):
    time.sleep(0.3)
    return True

def takes_longer_than_a_quick_death(**others):
    time.sleep(1.1)
    return True

def takes_longer_than_the_grace(**others):
    time.sleep(3.5)
    return True

def leaves_late(**others):
    time.sleep(0.3)
    (here / "left").touch()
    return True

def sets_env(watcher, **others):
    watcher.env["FROM_HOOK"] = "yes"
    return True

def numbers(watcher, **others):
    number = int(watcher.env.get("NUMBER", 0)) + 1
    time.sleep(0.05)
    watcher.env["NUMBER"] = str(number)
    time.sleep(0.05)
    return True

def after_what_left(**others):
    return (here / "left").exists()

def stops_it(watcher, **others):
    watcher.stop()
    return True
"""

SLEEPER = "[watcher:w]\ncmd = sleep 1000\nautostart = False\nhook_timeout = 20\ngraceful_timeout = 1\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the hook functions lie and leave what they were told."""
    made = tmp_path / "d0"
    made.mkdir()
    (made / "some_hooks.py").write_text(MODULE)
    return made


def hooks(function: str, *names: str, flag: str = "") -> str:
    return "".join(f"hooks.{name} = some_hooks.{function}{flag}\n" for name in names)


def told(folder: Path) -> list[dict[str, Any]]:
    path = folder / "told"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_hooks_are_called_in_the_order_of_a_life(circusd: Start, folder: Path) -> None:
    daemon = circusd(SLEEPER + "numprocesses = 2\nwarmup_delay = 0.3\n" + hooks("told", *NAMES))
    w = daemon.watcher("w")
    w.do("start")
    first, _ = w.pids()
    os.kill(first, signal.SIGKILL)
    until(lambda: len(told(folder)) == 10, lambda: str(told(folder)))
    calls = told(folder)
    assert [call["hook"] for call in calls[:6]] == [
        "before_start", "before_spawn", "after_spawn", "before_spawn", "after_spawn", "after_start",
    ]  # fmt: skip
    assert sorted(call["hook"] for call in calls[6:]) == [
        "after_reap", "after_spawn", "before_reap", "before_spawn",
    ]  # fmt: skip
    reap = next(call for call in calls if call["hook"] == "after_reap")
    assert (reap["process_pid"], reap["exit_code"], reap["process_status"]) == (first, -9, 2)
    w.do("decr")
    last = w.pid()
    until(lambda: told(folder)[-1]["hook"] == "after_reap" and len(told(folder)) == 14)
    w.do("stop")
    until(lambda: told(folder)[-1]["hook"] == "after_stop", lambda: str(told(folder)[14:]))
    calls = told(folder)[14:]
    words = [call["hook"] for call in calls]
    assert words == ["before_stop", *ENDING[2:], "after_stop"]
    assert calls[1]["pid"] == last
    assert calls[1]["signum"] == signal.SIGTERM


@pytest.mark.parametrize("hook", ["before_stop", "before_reap", "after_reap", "after_stop"])
def test_the_end_of_the_daemon_does_not_cut_off_a_hook_of_the_end(
    circusd: Start, folder: Path, hook: str
) -> None:
    daemon = circusd(SLEEPER + hooks("leaves_late", hook))
    daemon.watcher("w").do("start")
    daemon.stop()
    assert (folder / "left").exists()


@pytest.mark.parametrize("hook", ["after_reap", "after_stop"])
def test_a_restart_asks_before_start_when_the_end_was_told(circusd: Start, folder: Path, hook: str) -> None:
    (folder / "left").touch()
    daemon = circusd(SLEEPER + hooks("leaves_late", hook) + hooks("after_what_left", "before_start"))
    w = daemon.watcher("w")
    w.do("start")
    (folder / "left").unlink()
    w.do("restart")
    assert (w.status(), w.reason()) == ("active", "")


@pytest.mark.parametrize("function", ["refuses", "explodes"])
@pytest.mark.parametrize("hook", STARTING)
def test_a_refusal_stops_the_watcher_and_says_why(
    circusd: Start, folder: Path, hook: str, function: str
) -> None:
    (folder / "refuse").touch()
    daemon = circusd(SLEEPER + "numprocesses = 2\n" + hooks(function, hook))
    w = daemon.watcher("w")
    w.do("start")
    assert w.status() == "stopped"
    assert f"hooks.{hook} = some_hooks.{function}" in w.reason()
    assert ("hook exploded" in w.reason()) == (function == "explodes")
    until(lambda: daemon.descendants() == [])
    assert "start" not in daemon.events.actions("w")
    outcome = daemon.events.wait("w", "hook_failure" if function == "explodes" else "hook_success")[0]
    assert outcome.payload["name"] == hook
    (folder / "refuse").unlink()
    w.do("start")
    assert w.status() == "active"
    _forgive_traceback(daemon)


@pytest.mark.parametrize("hook", STARTING)
def test_the_flag_lets_a_failure_pass(circusd: Start, folder: Path, hook: str) -> None:
    (folder / "refuse").touch()
    daemon = circusd(SLEEPER + hooks("explodes", hook, flag=", true"))
    w = daemon.watcher("w")
    w.do("start")
    assert w.status() == "active"
    assert daemon.events.wait("w", "hook_failure")[0].payload["error"] == "hook exploded"
    _forgive_traceback(daemon)


def test_a_hook_that_returns_nothing_refuses(circusd: Start, folder: Path) -> None:
    daemon = circusd(SLEEPER + hooks("returns_nothing", "before_start"))
    daemon.watcher("w").do("start")
    assert daemon.watcher("w").status() == "stopped"


def test_a_refused_replacement_stops_the_whole_watcher(circusd: Start, folder: Path) -> None:
    daemon = circusd(SLEEPER + "numprocesses = 2\n" + hooks("refuses", "before_spawn"))
    w = daemon.watcher("w")
    w.do("start")
    (folder / "refuse").touch()
    os.kill(w.pids()[0], signal.SIGKILL)
    w.until("stopped")
    assert "before_spawn said no" in w.reason()


def test_after_spawn_may_refuse_a_process_that_ignores_the_stop_signal(circusd: Start, folder: Path) -> None:
    (folder / "refuse").touch()
    daemon = circusd(
        "[watcher:w]\ncmd = sh -c 'trap \"\" TERM; sleep 1000'\nautostart = False\ngraceful_timeout = 0.2\n"
        + hooks("refuses", "after_spawn")
    )
    daemon.watcher("w").do("start")
    assert daemon.watcher("w").status() == "stopped"
    assert daemon.descendants() == []


def test_each_reap_follows_its_spawn_however_slow_the_hook(circusd: Start, folder: Path) -> None:
    daemon = circusd("[watcher:w]\ncmd = true\nautostart = False\n" + hooks("slow", "after_spawn"))
    w = daemon.watcher("w")
    daemon.call("start", name="w")
    daemon.events.wait("w", "reap", count=2)
    w.do("stop")
    daemon.events.wait("w", "stop")
    words = [(e.action, e.pid) for e in daemon.events.all("w", "spawn", "reap")]
    assert [word for word, _ in words] == ["spawn", "reap"] * (len(words) // 2)


def test_what_after_spawn_refused_is_neither_spawned_nor_reaped_for_subscribers(
    circusd: Start, folder: Path
) -> None:
    (folder / "refuse").touch()
    daemon = circusd(SLEEPER + hooks("refuses", "after_spawn"))
    daemon.watcher("w").do("start")
    daemon.events.wait("w", "stop")
    assert daemon.events.all("w", "spawn", "reap") == []


def test_before_signal_can_forbid_the_stop_signal_but_not_the_kill(circusd: Start, folder: Path) -> None:
    (folder / "refuse").touch()
    daemon = circusd(
        SLEEPER.replace("graceful_timeout = 1", "graceful_timeout = 0.2") + hooks("refuses", "before_signal")
    )
    w = daemon.watcher("w")
    w.do("start")
    w.do("stop")
    assert daemon.events.wait("w", "reap")[0].payload["exit_code"] == -9
    assert len(daemon.events.all("w", "kill")) == 1  # a signal that was not sent is not announced


@pytest.mark.parametrize("hook", ["before_stop", "after_stop", "before_reap", "after_reap", "after_signal"])
@pytest.mark.parametrize("function", ["refuses", "explodes"])
def test_other_refusals_are_ignored(circusd: Start, folder: Path, hook: str, function: str) -> None:
    (folder / "refuse").touch()
    daemon = circusd(SLEEPER + hooks(function, hook))
    w = daemon.watcher("w")
    w.do("start")
    pid = w.pid()
    w.do("restart")
    assert w.status() == "active"
    assert not is_alive(pid)
    w.do("stop")
    assert w.status() == "stopped"
    _forgive_traceback(daemon)


def test_a_suspended_process_is_woken_for_its_stop_signal_before_after_signal_is_asked(
    circusd: Start, folder: Path
) -> None:
    daemon = circusd(
        SLEEPER.replace("graceful_timeout = 1", "graceful_timeout = 15") + hooks("sleeps", "after_signal")
    )
    w = daemon.watcher("w")
    w.do("start")
    os.kill(w.pid(), signal.SIGSTOP)
    daemon.call("stop", name="w")
    assert daemon.events.wait("w", "reap")[0].payload["exit_code"] == -15


def test_a_hook_that_takes_too_long_counts_as_a_failure(circusd: Start, folder: Path) -> None:
    daemon = circusd(
        SLEEPER.replace("hook_timeout = 20", "hook_timeout = 0.2") + hooks("sleeps", "before_start")
    )
    w = daemon.watcher("w")
    w.do("start")
    assert w.status() == "stopped"
    assert "no answer within 0.2 s" in w.reason()
    assert daemon.events.wait("w", "hook_timeout")[0].payload["timeout"] == 0.2
    daemon.events.wait("w", "hook_failure")


def test_before_spawn_may_change_the_environment(circusd: Start, folder: Path) -> None:
    daemon = circusd(SLEEPER + hooks("sets_env", "before_spawn"))
    w = daemon.watcher("w")
    w.do("start")
    until(lambda: b"FROM_HOOK=yes" in Path(f"/proc/{w.pid()}/environ").read_bytes())


def test_each_process_gets_what_before_spawn_wrote_for_it(circusd: Start, folder: Path) -> None:
    daemon = circusd(SLEEPER + "numprocesses = 5\n" + hooks("numbers", "before_spawn"))
    w = daemon.watcher("w")
    w.do("start")

    def numbers() -> list[int]:
        found = [re.search(rb"NUMBER=(\d+)", Path(f"/proc/{pid}/environ").read_bytes()) for pid in w.pids()]
        return sorted(int(each[1]) for each in found if each)  # within execve(2) there is none for a moment

    until(lambda: numbers() == [1, 2, 3, 4, 5], lambda: str(numbers()))


@pytest.mark.parametrize("hook", STARTING)
def test_a_hook_may_stop_its_watcher(circusd: Start, folder: Path, hook: str) -> None:
    daemon = circusd(SLEEPER + hooks("stops_it", hook))
    w = daemon.watcher("w")
    w.do("start")
    w.until("stopped")
    assert daemon.descendants() == []


def test_a_hook_that_can_not_be_found_is_told_at_the_start(circusd: Start) -> None:
    with pytest.raises(AssertionError, match="no_such_module") as failed:
        circusd(SLEEPER + "hooks.before_start = no_such_module.hook\n")
    assert "in time" not in str(failed.value)  # it has ended


def _forgive_traceback(daemon: Daemon) -> None:
    """A hook that raises is logged with its traceback: this one was asked for, and only this one is there."""
    daemon.stop()
    log = daemon.log()
    assert log.count("Traceback") == log.count("RuntimeError: hook exploded")
    daemon.log_path.write_text(log.replace("Traceback", "[traceback]"))


def test_a_hook_that_can_not_be_found_is_not_set(circusd: Start, folder: Path) -> None:
    daemon = circusd(SLEEPER)
    w = daemon.watcher("w")
    with pytest.raises(RefusedError, match=r"hooks\.before_start: some_hooks\.missing can't be imported"):
        w.do("set", options={"hooks.before_start": "some_hooks.missing"})
    w.do("start")
    assert w.status() == "active"


def test_a_slow_before_reap_makes_no_death_less_quick(circusd: Start, folder: Path) -> None:
    section = "[watcher:w]\ncmd = false\nautostart = False\nhook_timeout = 20\n"
    daemon = circusd(section + hooks("takes_longer_than_a_quick_death", "before_reap"))
    w = daemon.watcher("w")
    daemon.call("start", name="w")
    daemon.events.wait("w", "backoff")
    w.do("stop")


def test_a_process_that_ended_in_time_is_not_said_to_be_killed(circusd: Start, folder: Path) -> None:
    section = "[watcher:w]\ncmd = sleep 1000\nautostart = False\nhook_timeout = 20\ngraceful_timeout = 3\n"
    daemon = circusd(section + hooks("takes_longer_than_the_grace", "before_reap"))
    w = daemon.watcher("w")
    w.do("start")
    w.do("stop")
    daemon.events.wait("w", "stop")
    assert daemon.events.actions("w").count("kill") == 1
    assert "is killed" not in daemon.log()


def test_a_module_that_was_edited_counts_when_its_hook_is_set(circusd: Start, folder: Path) -> None:
    (folder / "edited.py").write_text(
        "def hook(watcher, **_):\n    watcher.env['SEEN'] = 'old'\n    return True\n"
    )
    daemon = circusd(SLEEPER + "hooks.before_spawn = edited.hook\n")
    w = daemon.watcher("w")
    (folder / "edited.py").write_text(
        "def hook(watcher, **_):\n    watcher.env['SEEN'] = 'newer'\n    return True\n"
    )
    w.do("set", options={"hooks.before_spawn": "edited.hook"})
    w.do("start")
    until(lambda: b"SEEN=newer" in Path(f"/proc/{w.pid()}/environ").read_bytes())
