"""The plugin as a process, against the endpoints of a daemon that the test plays."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from circus_core.testing.daemon import StandInDaemon, wait_until

OPTIONS = "attempts:2:::window:1:::retry_in:0.05:::max_retry:2"


class Daemon(StandInDaemon):
    """Knows watchers: their options, states and the reasons given for a stop."""

    def __init__(self, folder: Path, *watchers: str, keeps_reasons: bool = True) -> None:
        super().__init__(folder)
        self.keeps_reasons = keeps_reasons
        self.states = dict.fromkeys(watchers, "active")
        self.reasons: dict[str, str] = {}
        self.options: dict[str, dict[str, Any]] = {name: {"respawn": True} for name in watchers}
        self.replies["status"] = self._status
        self.replies["options"] = self._options
        self.replies["stop"] = self._stop
        self.replies["start"] = self._start
        self.pids = iter(range(100, 10_000))
        self.now = 1000.0

    def crash(self, watcher: str, times: int = 1, *, lived: float = 0.01, pause: float = 0.0) -> None:
        """Let a process come up and die, several times."""
        for _ in range(times):
            self.now += pause
            pid = next(self.pids)
            self.publish(watcher, "spawn", process_pid=pid, time=self.now)
            self.now += lived
            self.publish(watcher, "reap", process_pid=pid, exit_code=1, time=self.now)

    def carried_out(self, command: str, count: int = 1) -> None:
        """Wait for a request to stop or start, and publish what comes of it."""
        (*_, last) = self.wait_for(command, count)
        name = last["properties"]["name"]
        in_event = name.lower().replace(" ", "_")
        self.publish(in_event, command)
        state, reason = self.states[name], self.reasons.get(name, "")
        self.publish(in_event, "state", state=state, reason=reason)

    def _status(self, props: Mapping[str, Any]) -> dict[str, Any]:
        reasons = {"reasons": dict(self.reasons)} if self.reasons else {}
        if "name" in props:
            return {"status": self.states.get(props["name"], "error"), **reasons}
        return {"statuses": dict(self.states), **reasons}

    def _options(self, props: Mapping[str, Any]) -> dict[str, Any]:
        return {"options": self.options[props["name"]]}

    def _stop(self, props: Mapping[str, Any]) -> dict[str, Any]:
        self.states[props["name"]] = "stopped"
        if self.keeps_reasons:
            self.reasons[props["name"]] = props["reason"]
        return {}

    def _start(self, props: Mapping[str, Any]) -> dict[str, Any]:
        self.states[props["name"]] = "active"
        self.reasons.pop(props["name"], None)
        return {}


class Plugin:
    """The running plugin and its log."""

    def __init__(self, daemon: Daemon, folder: Path, config: str = OPTIONS) -> None:
        self._log = folder / "log"
        endpoints = ("--endpoint", daemon.endpoint, "--pubsub", daemon.pubsub_endpoint)
        words = [*endpoints, "--log-output", str(self._log), "--config", config, "flapping"]
        self.process = subprocess.Popen([sys.executable, "-m", "circus_core.cli.circus_plugin", *words])
        daemon.wait_for_subscriber()
        daemon.wait_for("status", 2)  # it has looked back: what it had paused before

    def log(self) -> str:
        return self._log.read_text()

    def wait_for_log(self, text: str) -> None:
        wait_until(lambda: text in self.log(), lambda: f"{text!r} in {self.log()}")

    def end(self) -> None:
        self.process.terminate()
        assert self.process.wait(20) == 0
        assert "Traceback" not in self.log()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with Daemon(tmp_path, "web", "Two Words", "other") as standing_in:
        yield standing_in


@pytest.fixture
def plugin(daemon: Daemon, tmp_path: Path) -> Iterator[Plugin]:
    running = Plugin(daemon, tmp_path)
    try:
        yield running
        running.end()
    finally:
        running.process.kill()
        running.process.wait()


def names(requests: list[dict[str, Any]]) -> list[str]:
    return [request["properties"]["name"] for request in requests]


def test_a_crash_loop_is_stopped_started_again_and_finally_stopped(daemon: Daemon, plugin: Plugin) -> None:
    for attempt in (1, 2):
        daemon.crash("web", 2, pause=10)
        daemon.carried_out("stop", attempt)
        daemon.carried_out("start", attempt)
    daemon.crash("web", 2)
    daemon.carried_out("stop", 3)
    plugin.wait_for_log("web: flapping detected: reached max retry limit")
    assert "web: flapping detected: retry in 0.05s (attempt number 1)" in plugin.log()
    assert "web: flapping detected: retry in 0.05s (attempt number 2)" in plugin.log()
    assert names(daemon.asked("stop")) == ["web"] * 3
    assert names(daemon.asked("start")) == ["web"] * 2
    assert daemon.reasons["web"] == "flapping: reached max retry limit"


def test_a_name_with_blanks_is_stopped_under_its_own_name(daemon: Daemon, plugin: Plugin) -> None:
    daemon.crash("two_words", 2)
    daemon.carried_out("stop")
    daemon.wait_for("start")
    assert names(daemon.asked("stop") + daemon.asked("start")) == ["Two Words"] * 2


def test_names_are_taken_literally(daemon: Daemon, plugin: Plugin) -> None:
    daemon.states["w*"] = "active"
    daemon.options["w*"] = {}
    daemon.crash("w*", 2)
    assert [request["properties"]["match"] for request in daemon.wait_for("stop")] == ["simple"]


def test_two_watchers_of_one_name_in_events_are_left_alone(daemon: Daemon, plugin: Plugin) -> None:
    daemon.states["two_words"] = "active"
    daemon.publish("two_words", "add")
    daemon.crash("two_words", 2)
    daemon.crash("web", 2)
    daemon.wait_for("stop")
    assert names(daemon.asked("stop")) == ["web"]
    assert "Two Words and two_words are one name in events" in plugin.log()


def test_deaths_that_were_asked_for_do_not_count(daemon: Daemon, plugin: Plugin) -> None:
    for pid in range(5):
        daemon.publish("other", "spawn", process_pid=pid)
        daemon.publish("other", "kill", process_pid=pid)
        daemon.publish("other", "reap", process_pid=pid, exit_code=-15)
    daemon.crash("web", 2)
    daemon.wait_for("stop")
    assert names(daemon.asked("stop")) == ["web"]


@pytest.mark.parametrize(
    "options", [{"respawn": False}, {"flapping.active": "no"}, {"flapping.attempts": "9"}]
)
def test_a_watcher_may_be_left_alone(daemon: Daemon, plugin: Plugin, options: dict[str, Any]) -> None:
    daemon.options["other"] = options
    daemon.crash("other", 3)
    daemon.crash("web", 2)
    daemon.wait_for("stop")
    assert names(daemon.asked("stop")) == ["web"]


def test_options_are_read_again_when_they_were_changed(daemon: Daemon, plugin: Plugin) -> None:
    daemon.options["web"] = {"flapping.attempts": "9"}
    daemon.crash("web", 3)
    daemon.wait_for("options")
    daemon.options["web"] = {"flapping.attempts": "3"}
    daemon.publish("web", "updated")
    daemon.crash("web")
    daemon.wait_for("stop")
    assert len(daemon.asked("options")) == 2


def test_in_place_of_a_wrong_option_that_of_the_plugin_is_used(daemon: Daemon, plugin: Plugin) -> None:
    daemon.options["web"] = {"flapping.window": "long"}
    daemon.crash("web", 2)
    daemon.wait_for("stop")
    assert "watcher 'web': flapping.window must be seconds >= 0, got 'long'" in plugin.log()


def test_what_an_operator_is_stopping_is_not_started_again(daemon: Daemon, plugin: Plugin) -> None:
    daemon.states["web"] = "stopping"
    daemon.crash("web", 2)
    daemon.wait_for("status", 3)
    daemon.crash("other", 2)
    daemon.carried_out("stop")
    daemon.wait_for("start")
    assert names(daemon.asked("stop") + daemon.asked("start")) == ["other"] * 2


def _pause(daemon: Daemon) -> None:
    """Get `web` stopped for a pause of 0.6 s."""
    daemon.options["web"] = {"flapping.retry_in": "0.6"}
    daemon.crash("web", 2)
    daemon.carried_out("stop")


def _other_is_started(daemon: Daemon) -> None:
    """Let a pause pass that began later and is as long."""
    daemon.options["other"] = {"flapping.retry_in": "0.6"}
    daemon.crash("other", 2)
    daemon.carried_out("stop", 2)
    wait_until(lambda: "other" in names(daemon.asked("start")), "the start of the other one")


def test_an_operators_stop_during_the_pause_stands(daemon: Daemon, plugin: Plugin) -> None:
    _pause(daemon)
    del daemon.reasons["web"]  # the daemon forgets our reason when someone else asks for the stop
    _other_is_started(daemon)
    assert names(daemon.asked("start")) == ["other"]
    assert "web: started or stopped by someone else" in plugin.log()


def test_an_operators_start_during_the_pause_ends_it(daemon: Daemon, plugin: Plugin) -> None:
    _pause(daemon)
    daemon.states["web"] = "active"
    daemon.publish("web", "start")
    _other_is_started(daemon)
    assert names(daemon.asked("start")) == ["other"]


def test_a_watcher_that_is_removed_is_forgotten(daemon: Daemon, plugin: Plugin) -> None:
    _pause(daemon)
    del daemon.states["web"]
    daemon.publish("web", "remove")
    _other_is_started(daemon)
    assert names(daemon.asked("start")) == ["other"]


def test_events_of_no_interest_do_not_stop_it(daemon: Daemon, plugin: Plugin) -> None:
    daemon.publish("ghost", "reap", process_pid=1, exit_code=0)
    daemon.publish("web", "hook_failure", name="before_start", error="x")
    daemon.crash("web", 2)
    daemon.wait_for("stop")


def test_events_that_come_after_the_pause_they_are_from_are_not_taken_for_new_ones(
    daemon: Daemon, plugin: Plugin
) -> None:
    daemon.now = time.time()
    daemon.crash("web", 2)
    daemon.wait_for("stop")
    daemon.wait_for("start")  # the pause is over, and the plugin has not heard of the stop yet
    for action in ("stop", "start"):
        daemon.publish("web", action, time=daemon.now)
    daemon.publish("web", "start")
    daemon.now = time.time() + 1
    daemon.crash("web", 2)
    plugin.wait_for_log("(attempt number 2)")
    assert "by someone else" not in plugin.log()


def test_a_daemon_that_keeps_no_reasons_is_served_too(tmp_path: Path) -> None:
    with Daemon(tmp_path, "web", keeps_reasons=False) as daemon:
        plugin = Plugin(daemon, tmp_path)
        try:
            daemon.crash("web", 2)
            daemon.carried_out("stop")
            daemon.wait_for("start")
            plugin.end()
        finally:
            plugin.process.kill()
            plugin.process.wait()


def test_a_pause_of_an_earlier_life_is_ended_by_the_next_one(daemon: Daemon, tmp_path: Path) -> None:
    daemon.options["web"] = {"flapping.retry_in": "30"}
    first = Plugin(daemon, tmp_path)
    daemon.crash("web", 2)
    daemon.carried_out("stop")
    first.process.kill()
    first.process.wait()
    daemon.options["web"] = {"flapping.retry_in": "0.1", "flapping.max_retry": "1"}
    second = Plugin(daemon, tmp_path)
    try:
        daemon.carried_out("start")
        daemon.crash("web", 2)
        second.wait_for_log("web: flapping detected: reached max retry limit")
        second.end()
    finally:
        second.process.kill()
        second.process.wait()


def test_a_wrong_option_of_the_plugin_ends_it_with_a_message(tmp_path: Path) -> None:
    words = ["--config", "attempts:none", "flapping"]
    command = [sys.executable, "-m", "circus_core.cli.circus_plugin", *words]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 1
    assert "attempts must be a whole number >= 1, got 'none'" in process.stderr
    assert "Traceback" not in process.stderr
