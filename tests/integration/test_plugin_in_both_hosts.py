"""Plugins under a real circusd, in a process of their own and inside it: the same class, the same life."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from circus_core.testing import Daemon, Watch, until
from tests.integration.daemon import is_alive

PLUGINS = '''
import asyncio
import os
import threading
import time

from tornado.ioloop import IOLoop, PeriodicCallback

from circus_core import CallError, CircusPlugin


class Talker(CircusPlugin):
    """Says what happens to it."""

    name = "talker"
    call_timeout = 20

    def say(self, *words):
        with open(self.config["says"], "a") as file:
            print(*words, file=file)

    def handle_init(self):
        self.say("init", self.running, IOLoop.current() is self.loop, self.name, self.config["colour"])

    def handle_recv(self, data):
        watcher, action, message = self.split_data(data)
        if watcher == "two_words" and action in ("start", "spawn", "reap", "stop"):
            self.say(watcher, action, sorted(self.load_message(message)))

    def handle_stop(self):
        self.say("stop", self.running)


class Caller(Talker):
    def handle_init(self):
        self.say(self.call("list")["watchers"])
        self.say(self.call("status", name="nobody")["reason"], self.call("nonsense")["errno"])
        try:
            self.call("set", name="web", options={1, 2})
        except CallError as error:
            self.say("CallError")
        self.say(self.watcher_names()["two_words"])
        PeriodicCallback(self.tick, 10).start()

    def tick(self):
        if not self.config.get("told"):
            self.config["told"] = "yes"
            self.cast("start", name="Two Words")

    def handle_recv(self, data):
        if self.split_data(data)[:2] == ("two_words", "start"):
            self.say("started")

    def handle_stop(self):
        self.cast("set", name="Two Words", options={"max_retry": 7})


class Coroutines(Talker):
    async def handle_init(self):
        await asyncio.sleep(0)
        self.say((await self.ask("status", name="Two Words"))["status"])
        self.turns = 0
        PeriodicCallback(self.turn, 5).start()

    def turn(self):
        self.turns += 1

    async def handle_event(self, event):
        if event.watcher == "two_words" and event.action in ("spawn", "start"):
            before = self.turns
            self.say("begin", event.action, event.pid is not None, event.time > 1e9)
            while self.turns < before + 3:
                await asyncio.sleep(0.001)
            self.say("end", event.action)

    async def handle_stop(self):
        await asyncio.sleep(0.01)
        self.say("stop")


class Fussy(Talker):
    def handle_init(self):
        pass

    def handle_recv(self, data):
        watcher, action, _ = self.split_data(data)
        if watcher == "two_words" and action == "updated":
            raise RuntimeError("no updates please")
        if watcher == "two_words" and action == "start":
            self.say("failures", self.failures)

    def handle_stop(self):
        raise RuntimeError("nor a stop")


class Unready(Talker):
    def handle_init(self):
        raise ValueError("colour must be red")


class SlowlyUnready(Talker):
    def handle_init(self):
        time.sleep(1.1)
        raise ValueError("colour must be red")


class Spinner(Talker):
    def handle_init(self):
        self.loop.call_later(0.1, self.spin)

    def spin(self):
        self.say("spins")
        while True:
            pass


class Sleeper(Spinner):
    def spin(self):
        self.say("sleeps")
        time.sleep(1000)


class Slow(Talker):
    def handle_init(self):
        self.seen = 0

    def handle_recv(self, data):
        watcher, action, _ = self.split_data(data)
        if watcher != "two_words":
            return
        if action == "start":
            self.say("busy")
            time.sleep(float(self.config["busy"]))
        self.seen += action == "updated"
        if action == "stop":
            self.say("seen", self.seen)


class Stuck(Talker):
    """Takes its first event when a file is there."""

    def handle_init(self):
        self.seen = 0

    def handle_recv(self, data):
        if self.split_data(data)[0] != "two_words":
            return
        if not self.seen:
            self.say("stuck")
            while not os.path.exists(self.config["go"]):
                time.sleep(0.01)
        self.seen += 1

    def handle_gap(self, count):
        self.say("all told", self.seen + count >= int(self.config["events"]), self.seen <= 10_001)


class Flood(Talker):
    def handle_init(self):
        threading.Thread(target=self.flood, daemon=True).start()

    def flood(self):
        for _ in range(int(self.config["times"])):
            self.cast("numwatchers")
        self.say("sent")

    def handle_recv(self, data):
        pass


class Ender(Talker):
    def handle_recv(self, data):
        if self.split_data(data)[:2] == ("two_words", "start"):
            threading.Thread(target=self.stop).start()
'''

TWO_WORDS = """
[watcher:Two Words]
cmd = sleep 1000
autostart = False
"""

TEN_OPTIONS = {
    "graceful_timeout": 30,
    "hook_timeout": 10,
    "max_retry": 5,
    "max_age_variance": 30,
    "warmup_delay": 0,
    "autostart": False,
    "send_hup": False,
    "stop_children": False,
    "kill_descendants": True,
    "priority": 0,
}
"""They change nothing, and each is an event."""

Run = Callable[..., Watch]


@pytest.fixture
def says(tmp_path: Path) -> Path:
    """The file in which plugins say what happens to them."""
    return tmp_path / "says"


@pytest.fixture
def run(run_plugin: Run, says: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Give a function that runs one of the classes above."""
    (tmp_path / "talkers.py").write_text(PLUGINS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)

    def start(name: str, sections: str = TWO_WORDS, **options: object) -> Watch:
        given = {"says": says, "colour": "red", "graceful_timeout": 10, **options}
        return run_plugin(f"talkers.{name}", sections, **given)

    return start


def _lines(says: Path) -> list[str]:
    return says.read_text().splitlines() if says.exists() else []


def _said(says: Path, *lines: str) -> None:
    until(lambda: _lines(says) == list(lines), lambda: f"{lines}, but {_lines(says)}")


def test_its_life_is_the_same_in_both(run: Run, says: Path) -> None:
    plugin = run("Talker")
    _said(says, "init False True talker red")
    plugin.daemon.watcher("Two Words").do("start")
    plugin.daemon.watcher("Two Words").do("stop")
    told = (
        "init False True talker red",
        "two_words spawn ['process_pid', 'time']",
        "two_words start ['time']",
        "two_words reap ['exit_code', 'process_pid', 'time']",
        "two_words stop ['time']",
    )
    _said(says, *told)
    plugin.do("stop")
    _said(says, *told, "stop False")
    assert plugin.status() == "stopped"
    plugin.do("start")
    _said(says, *told, "stop False", "init False True talker red")


def test_requests_are_checked_and_answered_as_those_of_any_client(run: Run, says: Path) -> None:
    plugin = run("Caller")
    _said(
        says,
        "['plugin:tested', 'two words', 'zz-beacon']",
        "program nobody not found 2",
        "CallError",
        "['Two Words']",
        "started",
    )
    plugin.do("stop")
    until(
        lambda: plugin.daemon.call("get", name="Two Words", keys=["max_retry"])["options"]["max_retry"] == 7
    )


def test_handlers_may_be_coroutines_and_take_typed_events_one_at_a_time(run: Run, says: Path) -> None:
    plugin = run("Coroutines")
    plugin.daemon.watcher("Two Words").do("start")
    told = (
        "stopped",
        *("begin spawn True True", "end spawn", "begin start False True", "end start"),
    )
    _said(says, *told)
    plugin.do("stop")
    _said(says, *told, "stop")


def test_a_handler_that_raises_each_time_is_logged_once_and_counted(run: Run, says: Path) -> None:
    plugin = run("Fussy")
    plugin.daemon.may_fail = True
    for _ in range(12):
        plugin.daemon.call("set", name="Two Words", options={"max_retry": 7})
    plugin.daemon.watcher("Two Words").do("start")
    _said(says, "failures 12")
    plugin.do("stop")
    log = plugin.daemon.log()
    assert log.count("Traceback") == 2  # one for the handler of events, one for handle_stop
    assert log.count("failed 10 times like this: RuntimeError: no updates please") == 1
    assert plugin.daemon.events.wait(plugin.name, "reap")[0].payload["exit_code"] == 0


@pytest.mark.parametrize("name", ["Unready", "SlowlyUnready"])
def test_one_that_never_gets_ready_is_tried_again_with_growing_pauses(run: Run, name: str) -> None:
    plugin = run(name, is_waited_for=False)
    pauses = [event.payload["delay"] for event in plugin.daemon.events.wait(plugin.name, "backoff", count=3)]
    assert pauses == sorted(pauses)
    until(lambda: "exit 1, next try in" in plugin.reason(), plugin.reason)  # it may be trying just now
    assert "colour must be red" in plugin.daemon.log()


@pytest.mark.parametrize("name", ["Spinner", "Sleeper"])
def test_one_that_hangs_is_killed_with_a_reason(run: Run, says: Path, name: str) -> None:
    plugin = run(name, hang_timeout=4)
    plugin.daemon.may_fail = True
    (hung,) = plugin.daemon.events.wait(plugin.name, "hung")
    assert hung.payload["reason"].startswith("no sign of life for")
    (end,) = plugin.daemon.events.wait(plugin.name, "reap", after=hung.at)
    assert (end.pid, end.payload["exit_code"]) == (hung.pid, -signal.SIGKILL)
    plugin.daemon.events.wait_for(
        lambda event: event.watcher == plugin.name and event.action in ("ready", "backoff"), after=end.at
    )


def test_a_thread_that_can_not_be_ended_keeps_the_plugin_from_being_started(
    run: Run, says: Path, plugin_host: str
) -> None:
    if plugin_host == "process":
        pytest.skip("a process can always be ended")
    plugin = run("Sleeper", graceful_timeout=0.1)
    _said(says, "sleeps")
    plugin.do("restart")
    until(lambda: "the thread of its last life does not end" in plugin.reason(), plugin.reason)


def test_one_that_hangs_does_not_hold_up_a_stop(run: Run, says: Path) -> None:
    plugin = run("Spinner", graceful_timeout=0.5)
    _said(says, "spins")
    plugin.do("stop")
    assert plugin.status() == "stopped"


def test_a_daemon_that_stood_still_kills_no_plugin(run: Run, says: Path) -> None:
    plugin = run("Talker", hang_timeout=4)
    pid = plugin.pid()
    plugin.daemon.kill(signal.SIGSTOP)
    time.sleep(5)  # it is the time that passes which is tested
    plugin.daemon.kill(signal.SIGCONT)
    for _ in range(3):
        plugin.daemon.watcher("Two Words").do("restart")
    assert plugin.pid() == pid
    assert plugin.daemon.events.all(plugin.name, "hung") == []


def test_a_busy_plugin_that_is_within_its_time_is_left_alone(run: Run, says: Path) -> None:
    plugin = run("Slow", hang_timeout=5, busy=1.5)
    plugin.daemon.watcher("Two Words").do("start")
    plugin.daemon.watcher("Two Words").do("stop")
    _said(says, "busy", "seen 0")
    assert plugin.daemon.events.all(plugin.name, "hung") == []


def test_one_that_does_not_keep_up_loses_events_and_is_told(
    run: Run, says: Path, tmp_path: Path, plugin_host: str
) -> None:
    if plugin_host == "process":
        pytest.skip("libzmq keeps another 10 000 events at each end, and tens of thousands in the socket")
    go = tmp_path / "go"
    plugin = run("Stuck", go=go, hang_timeout=0, events=11_000)
    plugin.daemon.watcher("Two Words").do("start")
    _said(says, "stuck")
    for _ in range(1100):
        plugin.daemon.call("set", name="Two Words", options=TEN_OPTIONS)
    go.touch()
    _said(says, "stuck", "all told True True")


def test_a_flood_of_requests_leaves_others_their_turn(run: Run, says: Path) -> None:
    plugin = run("Flood", times=3000)
    while not _lines(says):
        plugin.daemon.call("status", name="Two Words")
    _said(says, "sent")


def test_it_may_end_itself_and_is_started_again(run: Run, says: Path) -> None:
    plugin = run("Ender")
    last = plugin.daemon.events.last
    plugin.daemon.watcher("Two Words").do("start")
    (end,) = plugin.daemon.events.wait(plugin.name, "reap", after=last)
    assert end.payload["exit_code"] == 0
    plugin.daemon.events.wait(plugin.name, "ready", after=end.at)


def test_a_changed_option_restarts_it_and_a_changed_host_moves_it(run: Run, says: Path) -> None:
    plugin = run("Talker")
    daemon, text = plugin.daemon, plugin.daemon.ini.read_text()
    daemon.ini.write_text(text.replace("colour = red", "colour = blue"))
    daemon.call("reloadconfig", waiting=True)
    until(lambda: "init False True talker blue" in _lines(says), lambda: str(_lines(says)))
    daemon.events.wait(plugin.name, "ready", count=2)
    before = plugin.pid()
    hosts = {"run_in = process": "run_in = daemon", "run_in = daemon": "run_in = process"}
    old = next(host for host in hosts if host in text)
    last = daemon.events.last
    daemon.ini.write_text(text.replace(old, hosts[old]))
    daemon.call("reloadconfig", waiting=True)
    daemon.events.wait(plugin.name, "ready", after=last)
    assert (plugin.pid() > 2**22) is (hosts[old] == "run_in = daemon")
    assert plugin.pid() != before


def test_stats_and_describe_show_it(run: Run) -> None:
    plugin = run("Talker")
    pid = str(plugin.pid())
    info = plugin.daemon.call("stats", name=plugin.name)["info"][pid]
    assert info["pid"] == int(pid)
    assert plugin.daemon.call("describe", name=plugin.name)["descriptions"][plugin.name]["processes"][0][
        "pid"
    ] == int(pid)


def test_signals_to_its_children_reach_none_of_the_daemon(run: Run) -> None:
    plugin = run("Talker", stop_children=True)
    two_words = plugin.daemon.watcher("Two Words")
    two_words.do("start")
    pid = two_words.pid()
    plugin.daemon.call("signal", name=plugin.name, pid=plugin.pid(), signum=9, children=True)
    plugin.do("restart")
    plugin.do("stop")
    assert two_words.pid() == pid


def test_the_daemon_ends_while_a_plugin_hangs(run: Run, says: Path) -> None:
    plugin = run("Spinner", graceful_timeout=0.3)
    _said(says, "spins")
    assert plugin.daemon.stop() == 0


@pytest.mark.parametrize("option", ["uid = nobody", "rlimit_nofile = 10", "stdout_stream.class = FileStream"])
def test_what_only_a_process_has_is_refused_for_a_plugin_in_the_daemon(
    tmp_path: Path, option: str, runs_check: Callable[[Path], str]
) -> None:
    file = tmp_path / "circus.ini"
    file.write_text(f"[plugin:x]\nuse = flapping\nrun_in = daemon\n{option}\n")
    key = option.split(" ")[0]
    assert f"{key} needs a process, and run_in = daemon gives none" in runs_check(file)


@pytest.fixture
def runs_check() -> Callable[[Path], str]:
    """Give a function that returns what is wrong with a file."""
    from circus_core.config.load import load

    return lambda path: "\n".join(str(problem) for problem in load(str(path)).problems)


def test_a_killed_daemon_takes_its_plugin_along(run: Run) -> None:
    plugin = run("Talker")
    pid = plugin.pid()
    plugin.daemon.kill(signal.SIGKILL)
    plugin.daemon.wait()
    until(lambda: not is_alive(pid))


def test_the_kit_takes_a_daemon(circusd: Callable[..., Daemon]) -> None:
    assert circusd("").call("numwatchers")["numwatchers"] == 1
