"""circus-plugin: real processes against the two endpoints of a daemon."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from circus_core.plugin_watcher import CONFIG_VARIABLE, DAEMON_VARIABLE
from circus_core.testing.daemon import StandInDaemon, wait_until
from tests.documented_logger import LOGGER

# Says what happens to it.
TALKER = """
import os
import threading
import time

from tornado.ioloop import IOLoop, PeriodicCallback

from circus_core import CallError, CircusPlugin


class Talker(CircusPlugin):
    name = "talker"

    def say(self, *words):
        with open(self.config["says"], "a") as file:
            print(*words, file=file)

    def handle_recv(self, data):
        self.say("hears")

    def handle_stop(self):
        self.say("stop")


class Init(Talker):
    def handle_init(self):
        self.say("list", self.call("list")["watchers"])
        self.say("running", self.running)

    def handle_recv(self, data):
        self.say("running", self.running)


class Periodic(Talker):
    def handle_init(self):
        self.periodic = PeriodicCallback(self.tick, 10)
        self.periodic.start()

    def tick(self):
        self.periodic.stop()
        self.say("loop", IOLoop.current() is self.loop)
        self.say("status", self.call("status")["statuses"])


class Fussy(Talker):
    def handle_recv(self, data):
        name, action, message = self.split_data(data)
        if action == "spawn":
            raise RuntimeError("no spawns please")
        self.say(name, action)


class Caller(Talker):
    def handle_recv(self, data):
        name, action, message = self.split_data(data)
        self.call_timeout = 0.2 if name == "unanswered" else 20
        try:
            self.say(self.call(action, name=name)["answer"])
        except CallError as error:
            self.say(type(error).__name__)


class Caster(Talker):
    def handle_recv(self, data):
        name, action, message = self.split_data(data)
        threads = [threading.Thread(target=self.cast, args=(action,), kwargs={"n": n}) for n in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.say("cast")


class LastWords(Talker):
    def handle_stop(self):
        self.cast("farewell")


class StopsItself(Talker):
    def handle_recv(self, data):
        threading.Thread(target=self.stop).start()


class StopsInInit(Talker):
    def handle_init(self):
        self.loop.add_callback(self.say, "never")
        self.stop()


class Deaf(Talker):
    handle_recv = CircusPlugin.handle_recv


class Broken(Talker):
    def __init__(self, *args, **config):
        super().__init__(*args, **config)
        self.no_such_thing


class Unready(Talker):
    def handle_init(self):
        raise ValueError("filename must be given")


class NeverReady(Talker):
    def handle_init(self):
        self.say("init")
        while True:  # a signal that comes just before a long sleep would have to wait for its end
            time.sleep(0.05)


class BadStop(Talker):
    def handle_stop(self):
        super().handle_stop()
        raise RuntimeError("bad stop")


class NeverStops(Talker):
    stop_timeout = 3  # within which a slow machine says it

    def handle_stop(self):
        self.say("stop")
        threading.Event().wait()


class LeavesAThread(Talker):
    stop_timeout = 0.2

    def handle_recv(self, data):
        threading.Thread(target=threading.Event().wait).start()
        super().handle_recv(data)


class Environment(Talker):
    def handle_init(self):
        self.say(sorted(self.config.items()))
        self.say([name for name in os.environ if name.startswith("CIRCUS_")])


class NoPlugin:
    pass
"""


class Runner:
    """Starts plugins and sees that none is left behind."""

    def __init__(self, folder: Path, daemon: StandInDaemon, stack: ExitStack) -> None:
        self.folder = folder
        self.daemon = daemon
        self.log = folder / "log"
        self.says = folder / "says"
        self._stack = stack
        (folder / "logger_module.py").write_text(LOGGER)
        (folder / "talkers.py").write_text(TALKER)

    def start(self, name: str, *options: str, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        endpoints = ("--endpoint", self.daemon.endpoint, "--pubsub", self.daemon.pubsub_endpoint)
        return self.popen(*endpoints, *(options or ("--config", f"says:{self.says}")), name, env=env)

    def start_and_hear(self, name: str) -> subprocess.Popen[bytes]:
        """Return when its loop runs: who is told to end before that is not told to stop."""
        process = self.start(name)
        self.daemon.wait_for_subscriber()
        self.daemon.publish("w", "start")
        self.wait_for_words("hears")
        return process

    def popen(self, *words: str, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        path = os.pathsep.join(filter(None, (str(self.folder), os.environ.get("PYTHONPATH"))))
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "circus_core.cli.circus_plugin", *words],
                env={**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "error", **(env or {})},
                stderr=log,
                stdout=log,
            )
        self._stack.callback(self._end, process)
        return process

    def said(self) -> list[str]:
        return self.says.read_text().splitlines() if self.says.exists() else []

    def wait_for_words(self, *lines: str) -> None:
        wait_until(
            lambda: self.said() == list(lines), lambda: f"{lines}, not {self.said()}, {self.log.read_text()}"
        )

    def wait_for_log(self, text: str) -> None:
        wait_until(
            lambda: text in self.log.read_text(), lambda: f"{text!r} in the log {self.log.read_text()}"
        )

    @staticmethod
    def _end(process: subprocess.Popen[bytes]) -> None:
        process.kill()
        process.wait()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[StandInDaemon]:
    with StandInDaemon(tmp_path) as standing_in:
        yield standing_in


@pytest.fixture
def runner(tmp_path: Path, daemon: StandInDaemon) -> Iterator[Runner]:
    with ExitStack() as stack:
        yield Runner(tmp_path, daemon, stack)


def test_the_documented_logger_runs_unchanged(runner: Runner, daemon: StandInDaemon) -> None:
    events = runner.folder / "circus-events.log"
    process = runner.start("logger_module.Logger", "--config", f"filename:{events}")
    daemon.wait_for_subscriber()
    daemon.publish("web_one", "spawn", process_pid=7, time=1.5)
    daemon.publish("dot.ted", "reap", process_pid=7, time=2.5, exit_code=-9)
    expected = (
        "spawn web_one::{'time': 1.5, 'process_pid': 7}\n"
        "reap dot.ted::{'time': 2.5, 'process_pid': 7, 'exit_code': -9}\n"
    )
    wait_until(lambda: events.exists() and events.read_text() == expected, "both events")
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    log = runner.log.read_text().splitlines()
    messages = [line.split("] ", 2)[2] for line in log if " [INFO] " in line]
    assert messages == [
        "Loading the plugin...",
        f"Endpoint: '{daemon.endpoint}'",
        f"Pub/sub: '{daemon.pubsub_endpoint}'",
        "Starting",
        "Stopping",
    ]
    assert len(log) == len(messages)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_runs_handle_stop(runner: Runner, daemon: StandInDaemon, number: signal.Signals) -> None:
    process = runner.start("talkers.Fussy")
    daemon.wait_for_subscriber()
    daemon.publish("w", "start")
    runner.wait_for_words("w start")
    process.send_signal(number)
    assert process.wait(20) == 0
    assert runner.said() == ["w start", "stop"]


def test_call_works_in_handle_init_and_running_comes_after(runner: Runner, daemon: StandInDaemon) -> None:
    daemon.replies["list"] = {"watchers": ["a", "b"]}
    runner.start("talkers:Init")
    daemon.wait_for_subscriber()
    runner.wait_for_words("list ['a', 'b']", "running False")
    daemon.publish("w", "start")
    runner.wait_for_words("list ['a', 'b']", "running False", "running True")


def test_a_periodic_callback_of_handle_init_may_call(runner: Runner, daemon: StandInDaemon) -> None:
    daemon.replies["status"] = {"statuses": {"web one": "active"}}
    runner.start("talkers.Periodic")
    runner.wait_for_words("loop True", "status {'web one': 'active'}")


def test_the_next_event_comes_after_one_that_failed(runner: Runner, daemon: StandInDaemon) -> None:
    runner.start("talkers.Fussy")
    daemon.wait_for_subscriber()
    daemon.publish("w", "spawn", process_pid=1)
    daemon.publish("w", "start")
    runner.wait_for_words("w start")
    assert "RuntimeError: no spawns please" in runner.log.read_text()


def test_many_events_at_once_all_arrive_in_order(runner: Runner, daemon: StandInDaemon) -> None:
    runner.start("talkers.Fussy")
    daemon.wait_for_subscriber()
    for number in range(900):
        daemon.publish(f"w{number}", "start")
    runner.wait_for_words(*(f"w{number} start" for number in range(900)))


def test_call_gives_up_in_time_and_skips_the_late_reply(runner: Runner, daemon: StandInDaemon) -> None:
    late: list[dict[str, Any]] = []

    def slow(_props: object) -> None:
        late.append(daemon.requests[-1])

    def stale_then_right(props: Any) -> dict[str, Any]:
        daemon.reply_to(late[0], {"answer": "stale"})
        return {"answer": f"right for {props['name']}"}

    daemon.replies["first"] = {"answer": "connected"}
    daemon.replies["slow"] = slow
    daemon.replies["quick"] = stale_then_right
    runner.start("talkers.Caller")
    daemon.wait_for_subscriber()
    daemon.publish("w", "first")
    runner.wait_for_words("connected")
    daemon.publish("unanswered", "slow")
    runner.wait_for_words("connected", "CallTimeoutError")
    daemon.publish("dot.ted", "quick")
    runner.wait_for_words("connected", "CallTimeoutError", "right for dot.ted")


def test_call_without_a_daemon_gives_up_and_is_not_carried_out_later(tmp_path: Path) -> None:
    with ExitStack() as stack:
        with StandInDaemon(tmp_path) as daemon:
            runner = Runner(tmp_path, daemon, stack)
            daemon.replies["slow"] = lambda _props: None
            runner.start("talkers.Caller")
            daemon.wait_for_subscriber()
            daemon.publish("w", "slow")
            daemon.wait_for("slow")
            daemon.leave_control()
            runner.wait_for_words("ConnectionLostError")
            daemon.publish("unanswered", "stop")
            runner.wait_for_words("ConnectionLostError", "UnreachableError")
        with StandInDaemon(tmp_path) as daemon:
            daemon.replies["quick"] = {"answer": "back"}
            daemon.wait_for_subscriber()
            daemon.publish("w", "quick")
            runner.wait_for_words("ConnectionLostError", "UnreachableError", "back")
            assert daemon.asked("stop") == []


def test_cast_from_many_threads_sends_each_request_whole(runner: Runner, daemon: StandInDaemon) -> None:
    runner.start("talkers.Caster")
    daemon.wait_for_subscriber()
    daemon.publish("w", "incr")
    requests = daemon.wait_for("incr", 20)
    assert all(request["msg_type"] == "cast" for request in requests)
    assert sorted(request["properties"]["n"] for request in requests) == list(range(20))


def test_what_handle_stop_casts_gets_away(runner: Runner, daemon: StandInDaemon) -> None:
    process = runner.start_and_hear("talkers.LastWords")
    process.terminate()
    daemon.wait_for("farewell")
    assert process.wait(20) == 0


def test_stop_from_another_thread_ends_the_plugin_in_its_own(runner: Runner, daemon: StandInDaemon) -> None:
    process = runner.start("talkers.StopsItself")
    daemon.wait_for_subscriber()
    daemon.publish("w", "start")
    assert process.wait(20) == 0
    assert runner.said() == ["stop"]


def test_stop_in_handle_init_ends_the_plugin(runner: Runner) -> None:
    process = runner.start("talkers.StopsInInit")
    assert process.wait(20) == 0
    assert runner.said()[0] == "stop"
    assert "Traceback" not in runner.log.read_text()


def test_a_failing_handle_stop_is_logged_and_the_plugin_ends(runner: Runner) -> None:
    process = runner.start_and_hear("talkers.BadStop")
    process.terminate()
    assert process.wait(20) == 0
    assert "bad stop" in runner.log.read_text()
    assert runner.said() == ["hears", "stop"]


def test_a_handle_stop_that_never_returns_is_not_waited_for(runner: Runner) -> None:
    process = runner.start_and_hear("talkers.NeverStops")
    process.terminate()
    assert process.wait(20) == 1
    assert runner.said() == ["hears", "stop"]
    assert "the plugin was stopped 3 s ago and has not ended" in runner.log.read_text()


def test_a_thread_of_the_plugin_is_not_waited_for_either(runner: Runner) -> None:
    process = runner.start_and_hear("talkers.LeavesAThread")
    process.terminate()
    assert process.wait(20) == 1


def test_a_plugin_that_hangs_in_handle_init_can_be_ended(runner: Runner) -> None:
    process = runner.start("talkers.NeverReady")
    runner.wait_for_words("init")
    process.terminate()
    assert process.wait(20) == 0
    assert runner.said() == ["init"]


def test_the_plugin_ends_with_the_daemon_that_started_it(runner: Runner, daemon: StandInDaemon) -> None:
    with subprocess.Popen(["sleep", "60"]) as parent:
        try:
            process = runner.start("talkers.LastWords", env={DAEMON_VARIABLE: str(parent.pid)})
            daemon.wait_for_subscriber()
            assert process.poll() is None
        finally:
            parent.kill()
    daemon.wait_for("farewell")
    assert process.wait(20) == 0
    assert f"circusd (pid {parent.pid}) has gone" in runner.log.read_text()


def test_the_plugin_ends_if_the_daemon_has_gone_before(runner: Runner) -> None:
    with subprocess.Popen(["true"]) as parent:
        parent.wait()
    process = runner.start("talkers.BadStop", env={DAEMON_VARIABLE: str(parent.pid)})
    assert process.wait(20) == 0
    assert runner.said() == ["stop"]


def test_the_configuration_of_the_daemon_arrives_intact_and_is_not_inherited(runner: Runner) -> None:
    config = {"says": str(runner.says), "name": "plugin:my own", "regex": '^a:::b "c"\n$(circus.wid)'}
    env = {CONFIG_VARIABLE: json.dumps(config), DAEMON_VARIABLE: str(os.getpid())}
    runner.start("talkers.Environment", "--config", "more:x:y::: z : 1 :::nothing", env=env)
    expected = sorted({**config, "more": "x:y", "z": "1"}.items())
    runner.wait_for_words(str(expected), "[]")


def _fails(runner: Runner, process: subprocess.Popen[bytes], status: int) -> str:
    assert process.wait(20) == status
    log = runner.log.read_text()
    assert "Traceback" not in log
    return log


def test_no_plugin_is_a_usage_error(runner: Runner) -> None:
    assert "usage: circus-plugin" in _fails(runner, runner.popen(), 2)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("no_such_plugin", "no plugin class 'no_such_plugin' is installed"),
        ("talkers.Nobody", "has no 'Nobody'"),
        ("no_such_module.Plugin", "no module 'no_such_module'"),
        ("talkers.NoPlugin", "'talkers.NoPlugin' is not a plugin"),
        ("talkers.Unready", "filename must be given"),
        ("talkers.Broken", "AttributeError: 'Broken' object has no attribute 'no_such_thing'"),
    ],
)
def test_a_plugin_that_cannot_run_is_a_message(runner: Runner, name: str, text: str) -> None:
    assert text in _fails(runner, runner.start(name), 1)


def test_debug_shows_where_a_plugin_failed(runner: Runner) -> None:
    process = runner.start("talkers.Broken", "--log-level", "debug")
    assert process.wait(20) == 1
    assert "Traceback" in runner.log.read_text()


def test_an_inactive_plugin_does_not_start(runner: Runner) -> None:
    process = runner.start("talkers.Fussy", "--config", "active:no")
    assert "Will not start an inactive plugin" in _fails(runner, process, 1)


def test_active_must_be_a_boolean(runner: Runner) -> None:
    process = runner.start("talkers.Fussy", "--config", "active:perhaps")
    assert "active must be" in _fails(runner, process, 1)


def test_a_plugin_without_handle_recv_says_so_at_each_event(runner: Runner, daemon: StandInDaemon) -> None:
    runner.start("talkers.Deaf")
    daemon.wait_for_subscriber()
    daemon.publish("w", "start")
    runner.wait_for_log("Deaf must have a method handle_recv")


def test_a_configuration_that_is_not_json_is_a_message(runner: Runner) -> None:
    process = runner.start("talkers.Fussy", env={CONFIG_VARIABLE: "{"})
    assert f"{CONFIG_VARIABLE} is not JSON" in _fails(runner, process, 1)


def test_tcp_endpoints_work_too(tmp_path: Path) -> None:
    with ExitStack() as stack, StandInDaemon(tmp_path, tcp=True) as daemon:
        daemon.replies["quick"] = {"answer": "over tcp"}
        runner = Runner(tmp_path, daemon, stack)
        runner.start("talkers.Caller")
        daemon.wait_for_subscriber()
        daemon.publish("w", "quick")
        runner.wait_for_words("over tcp")


def test_an_endpoint_that_is_none_is_a_message(runner: Runner) -> None:
    process = runner.popen("--endpoint", "localhost", "--config", f"says:{runner.says}", "talkers.Fussy")
    assert "endpoint must be tcp://HOST:PORT or ipc://PATH, got 'localhost'" in _fails(runner, process, 1)


def test_version_is_that_of_the_distribution(runner: Runner) -> None:
    assert runner.popen("--version").wait(20) == 0
    assert runner.log.read_text().startswith("0.")
