"""circusd, the flapping plugin and programs that crash, all of them real; the plugin in both hosts."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable

import pytest

from circus_core.testing import Daemon, PluginContract, Watch, until

SECTIONS = """
[watcher:Crash Loop]
cmd = false
autostart = False
flapping.retry_in = {retry_in}
flapping.max_retry = 2
flapping.window = 30

[watcher:good]
cmd = sleep 1000
numprocesses = 2

[watcher:slow loop]
cmd = sleep 1.2
autostart = False
flapping.window = 3
flapping.attempts = 2
flapping.retry_in = 3600

[watcher:spared]
cmd = false
autostart = False
flapping.active = False
"""

Run = Callable[..., Watch]


class TestFlapping(PluginContract):
    use = "flapping"


class Flapping:
    """The plugin, and the watchers that it looks after."""

    def __init__(self, plugin: Watch) -> None:
        self.plugin = plugin
        self.daemon: Daemon = plugin.daemon
        self.crash_loop = self.daemon.watcher("Crash Loop")
        self.good = self.daemon.watcher("good")

    def start_crashing(self) -> None:
        self.daemon.call("start", name="Crash Loop")

    def wait_for_log(self, text: str, count: int = 1) -> None:
        until(lambda: self.daemon.log().count(text) >= count, lambda: f"{count} x {text!r}", deadline=40)


@pytest.fixture
def flapping(request: pytest.FixtureRequest, run_plugin: Run) -> Flapping:
    retry_in = getattr(request, "param", 0.2)
    return Flapping(run_plugin("flapping", SECTIONS.format(retry_in=retry_in), attempts=3))


def test_a_crash_loop_is_paused_twice_and_then_left_stopped(flapping: Flapping) -> None:
    flapping.start_crashing()
    flapping.wait_for_log("Crash Loop: flapping detected: reached max retry limit")
    flapping.crash_loop.until("stopped")
    log = flapping.daemon.log()
    assert log.count("Crash Loop: flapping detected: retry in") == 2
    assert log.count("Crash Loop started") == 3
    assert log.count("Crash Loop stopped") == 3
    assert flapping.good.status() == "active"


def test_an_operators_start_after_that_is_a_new_beginning(flapping: Flapping) -> None:
    flapping.start_crashing()
    flapping.wait_for_log("reached max retry limit")
    flapping.crash_loop.until("stopped")
    flapping.start_crashing()
    flapping.wait_for_log("reached max retry limit", 2)
    assert flapping.daemon.log().count("(attempt number 1)") == 2


def test_restarts_reloads_and_decr_are_not_flapping(flapping: Flapping) -> None:
    for command in ("restart", "reload", "decr", "incr", "kill", "stop", "start") * 2:
        flapping.good.do(command)
    flapping.start_crashing()
    flapping.wait_for_log("reached max retry limit")  # so the plugin has heard of all of that
    assert "good: flapping" not in flapping.daemon.log()
    assert flapping.good.status() == "active"


def test_a_loop_that_is_slow_is_found_too(flapping: Flapping) -> None:
    flapping.daemon.call("start", name="slow loop")
    slow = flapping.daemon.watcher("slow loop")
    slow.until("stopped")
    assert slow.reason().startswith("flapping: to be started at")


def test_a_watcher_may_be_spared(flapping: Flapping) -> None:
    flapping.daemon.call("start", name="spared")
    flapping.daemon.events.wait("spared", "backoff", count=3)
    flapping.start_crashing()
    flapping.wait_for_log("reached max retry limit")
    assert flapping.daemon.watcher("spared").status() == "active"


@pytest.mark.parametrize("flapping", [5.0], indirect=True)
def test_an_operators_stop_during_the_pause_stands(flapping: Flapping) -> None:
    flapping.start_crashing()
    flapping.daemon.events.wait("crash_loop", "stop")
    flapping.crash_loop.do("stop")
    flapping.wait_for_log("Crash Loop: started or stopped by someone else")
    assert flapping.crash_loop.status() == "stopped"
    assert flapping.daemon.log().count("Crash Loop started") == 1


@pytest.mark.parametrize("flapping", [1.0], indirect=True)
def test_a_pause_outlives_the_death_of_the_plugin(flapping: Flapping) -> None:
    flapping.start_crashing()
    flapping.daemon.events.wait("crash_loop", "stop")
    last = flapping.daemon.events.last
    flapping.daemon.call("signal", name=flapping.plugin.name, signum=int(signal.SIGKILL))
    flapping.daemon.events.wait(flapping.plugin.name, "ready", after=last)
    flapping.wait_for_log("Crash Loop started", 2)


@pytest.mark.parametrize("flapping", [3600.0], indirect=True)
def test_status_and_describe_tell_why_and_until_when_it_is_stopped(flapping: Flapping) -> None:
    flapping.start_crashing()
    flapping.daemon.events.wait("crash_loop", "stop")
    reply = flapping.daemon.call("status", name="Crash Loop")
    assert reply["status"] == "stopped"
    assert "flapping: to be started at" in json.dumps(reply)
    known = flapping.daemon.call("describe", name="Crash Loop")["descriptions"]["Crash Loop"]
    assert known["reason"].startswith("flapping: to be started at")
    assert "flapping: to be started at" in flapping.daemon.ctl("describe", "Crash Loop").stdout
