"""circusd, the flapping plugin and programs that crash, all of them real."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from circus_core.client import CircusClient
from circus_core.errors import CallError
from circus_core.testing.daemon import wait_until

CONFIG = """
[circus]
endpoint = ipc://{folder}/control
pubsub_endpoint = ipc://{folder}/events
logoutput = {folder}/log

[watcher:Crash Loop]
cmd = false
autostart = False
flapping.retry_in = {retry_in}
flapping.max_retry = 2

[watcher:good]
cmd = sleep 1000
numprocesses = 2

[plugin:flapping]
use = flapping
attempts = 3
"""


class Circusd:
    """A daemon with a program that crashes and one that does not."""

    def __init__(self, folder: Path, *, retry_in: float) -> None:
        self._log = folder / "log"
        config = folder / "circus.ini"
        config.write_text(CONFIG.format(folder=folder, retry_in=retry_in))
        self.process = subprocess.Popen([sys.executable, "-m", "circus_core.cli.circusd", str(config)])
        self._client = CircusClient(f"ipc://{folder}/control", timeout=20)
        wait_until(self._is_up, self.log)

    def close(self, *, status: int = 0) -> None:
        self._client.close()
        self.process.terminate()
        try:
            assert self.process.wait(20) == status
        finally:
            self.process.kill()
            self.process.wait()

    def ask(self, command: str, **properties: Any) -> dict[str, Any]:
        return self._client.send(command, **properties)

    def statuses(self) -> dict[str, str]:
        statuses: dict[str, str] = self.ask("status")["statuses"]
        return statuses

    def log(self) -> str:
        return self._log.read_text() if self._log.exists() else ""

    def wait_for_log(self, text: str, count: int = 1) -> None:
        wait_until(lambda: self.log().count(text) >= count, lambda: f"{count} x {text!r} in {self.log()}")

    def plugin_pid(self) -> int:
        (pid,) = self.ask("list", name="plugin:flapping")["pids"]
        return int(pid)

    def start_crashing(self) -> None:
        """Start the program that crashes, about when the plugin begins to listen."""
        self.wait_for_log("] Starting\n")
        self.ask("start", name="Crash Loop")

    def _is_up(self) -> bool:
        try:
            return self.statuses().get("good") == "active"
        except CallError:
            return False


@pytest.fixture
def daemon(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Circusd]:
    circusd = Circusd(tmp_path, retry_in=getattr(request, "param", 0.2))
    try:
        yield circusd
    finally:
        circusd.close()


def test_a_crash_loop_is_paused_twice_and_then_left_stopped(daemon: Circusd) -> None:
    daemon.start_crashing()
    daemon.wait_for_log("Crash Loop: flapping detected: reached max retry limit")
    wait_until(lambda: daemon.statuses()["Crash Loop"] == "stopped", daemon.log)
    assert daemon.log().count("Crash Loop: flapping detected: retry in") == 2
    assert daemon.log().count("Crash Loop started") == 3
    assert daemon.log().count("Crash Loop stopped") == 3
    assert daemon.statuses()["good"] == "active"


def test_an_operators_start_after_that_is_a_new_beginning(daemon: Circusd) -> None:
    daemon.start_crashing()
    daemon.wait_for_log("reached max retry limit")
    wait_until(lambda: daemon.statuses()["Crash Loop"] == "stopped", daemon.log)
    daemon.ask("start", name="Crash Loop")
    daemon.wait_for_log("reached max retry limit", 2)
    assert daemon.log().count("(attempt number 1)") == 2


def test_restarts_reloads_and_decr_are_not_flapping(daemon: Circusd) -> None:
    daemon.start_crashing()
    for command in ("restart", "reload", "decr", "incr", "kill", "stop", "start") * 2:
        daemon.ask(command, name="good", waiting=True)
    daemon.wait_for_log("reached max retry limit")  # so the plugin has heard of all of that
    assert "good: flapping" not in daemon.log()
    assert daemon.statuses()["good"] == "active"


@pytest.mark.parametrize("daemon", [1.0], indirect=True)
def test_an_operators_stop_during_the_pause_stands(daemon: Circusd) -> None:
    daemon.start_crashing()
    daemon.wait_for_log("Crash Loop stopped")
    daemon.ask("stop", name="Crash Loop", waiting=True)
    daemon.wait_for_log("Crash Loop: started or stopped by someone else")
    assert daemon.statuses()["Crash Loop"] == "stopped"
    assert daemon.log().count("Crash Loop started") == 1


@pytest.mark.parametrize("daemon", [1.0], indirect=True)
def test_a_pause_outlives_the_death_of_the_plugin(daemon: Circusd) -> None:
    daemon.start_crashing()
    daemon.wait_for_log("Crash Loop stopped")
    os.kill(daemon.plugin_pid(), signal.SIGKILL)
    daemon.wait_for_log("Crash Loop started", 2)


@pytest.mark.parametrize("daemon", [3600.0], indirect=True)
def test_status_tells_why_and_until_when_it_is_stopped(daemon: Circusd) -> None:
    daemon.start_crashing()
    daemon.wait_for_log("Crash Loop stopped")
    reply = daemon.ask("status", name="Crash Loop")
    assert reply["status"] == "stopped"
    assert "flapping: to be started at" in json.dumps(reply)


def test_the_plugin_ends_when_the_daemon_is_killed(tmp_path: Path) -> None:
    with ExitStack() as stack:
        circusd = Circusd(tmp_path, retry_in=1)
        for pid in [circusd.plugin_pid(), *circusd.ask("list", name="good")["pids"]]:
            stack.callback(_end, os.pidfd_open(pid))
        stack.callback(circusd.close, status=-signal.SIGKILL)
        circusd.process.kill()
        circusd.process.wait()
        circusd.wait_for_log("] Stopping\n")


def _end(descriptor: int) -> None:
    with suppress(ProcessLookupError):
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    os.close(descriptor)
