"""circusd, the watchdog plugin and programs that send heartbeats or don't, in both hosts of the plugin."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from circus_core.testing import PluginContract, Watch, free_port, until

Run = Callable[..., Watch]

BEATING = f"{sys.executable} -I -S {Path(__file__).with_name('beating.py')}"


# For who is meant to live: on a busy machine it may stand still for seconds.
PATIENT = "watchdog.max_count = 40"


def free_udp_port() -> int:
    return free_port(socket.SOCK_DGRAM)


class TestWatchDog(PluginContract):
    use = "watchdog"

    @pytest.fixture
    def plugin_options(self) -> dict[str, object]:
        return {"port": free_udp_port(), "loop_rate": 0.05, "max_count": 1}


class Pack:
    """The plugin, and watchers of programs that beat in their ways."""

    def __init__(self, run: Run, *sections: str, **options: object) -> None:
        self.port = free_udp_port()
        text = "\n".join(section.format(beating=BEATING, port=self.port) for section in sections)
        self.plugin = run(
            "watchdog", text, **{"port": self.port, "loop_rate": 0.1, "max_count": 12, **options}
        )
        self.daemon = self.plugin.daemon

    def start(self, *names: str) -> None:
        for name in names:
            self.daemon.call("start", name=name, waiting=True)

    def wait_for_reap(self, in_event: str, pid: int) -> int:
        reap = self.daemon.events.wait_for(
            lambda e: (e.watcher, e.action) == (in_event, "reap") and e.pid == pid, deadline=40
        )
        return int(reap.payload["exit_code"])

    def wait_for_log(self, text: str) -> None:
        until(lambda: text in self.daemon.log(), lambda: f"{text!r} in\n{self.daemon.log()}", 40)

    def was_killed(self, name: str) -> bool:
        return f"watcher:{name}," in self.daemon.log()


def watcher(name: str, how: str, *lines: str) -> str:
    text = f"[watcher:{name}]\ncmd = {{beating}} {how} {{port}}\nautostart = False\ngraceful_timeout = 0.5\n"
    return text + "\n".join(lines) + "\n"


def test_who_is_silent_is_killed_and_who_beats_is_not(run_plugin: Run) -> None:
    pack = Pack(
        run_plugin,
        watcher("Two Words", "udp", PATIENT),
        watcher("silent", "silent", "watchdog.stop_signal = KILL"),
        watcher("nonsense", "nonsense"),
        watcher("spared", "silent", "watchdog.active = False"),
    )
    names = ("Two Words", "silent", "nonsense", "spared")
    pack.start(*names)
    pids = {name: pack.daemon.watcher(name).pid() for name in names}
    assert pack.wait_for_reap("silent", pids["silent"]) == -signal.SIGKILL
    assert pack.wait_for_reap("nonsense", pids["nonsense"]) == -signal.SIGTERM
    pack.daemon.events.wait("silent", "spawn", count=2)  # another one comes in its place
    assert not pack.was_killed("Two Words")
    assert not pack.was_killed("spared")
    assert pack.daemon.watcher("Two Words").pid() == pids["Two Words"]
    pack.wait_for_log("b'hello there' is no heartbeat: does not match msg_regex")

    os.kill(pids["Two Words"], signal.SIGUSR1)  # it beats no more
    assert pack.wait_for_reap("two_words", pids["Two Words"]) == -signal.SIGTERM
    pack.wait_for_log("watcher:Two Words,")


def test_a_process_that_hangs_is_killed(run_plugin: Run) -> None:
    pack = Pack(run_plugin, watcher("web", "udp"), watchers_stop_signal="HUP", watchers_graceful_timeout=0.2)
    pack.start("web")
    pid = pack.daemon.watcher("web").pid()
    pack.daemon.call("signal", name="web", signum=int(signal.SIGSTOP))
    assert pack.wait_for_reap("web", pid) < 0
    pack.wait_for_log("watcher:web,")
    pack.daemon.watcher("web").until("active")


def test_only_watchers_that_are_meant_are_watched(run_plugin: Run) -> None:
    pack = Pack(
        run_plugin,
        watcher("web", "silent"),
        watcher("Web Two", "silent"),
        watcher("other", "silent"),
        watcher("wished for", "silent", "watchdog.active = True"),
        watchers_regex="^web",
        max_count=2,
    )
    pack.start("other", "web", "Web Two", "wished for")
    for in_event in ("web", "web_two", "wished_for"):
        pack.daemon.events.wait(in_event, "reap")
    assert not pack.daemon.events.all("other", "reap")
    assert not pack.daemon.events.all(pack.plugin.name, "reap")


def test_processes_that_came_before_the_plugin_are_found_and_new_options_count_at_once(
    run_plugin: Run,
) -> None:
    pack = Pack(run_plugin, watcher("silent", "silent", "watchdog.max_count = 10000"))
    pack.start("silent")
    pid = pack.daemon.watcher("silent").pid()
    last = pack.daemon.events.last
    pack.plugin.do("restart")
    pack.daemon.events.wait(pack.plugin.name, "ready", after=last)
    text = pack.daemon.ini.read_text()
    pack.daemon.ini.write_text(text.replace("watchdog.max_count = 10000", "watchdog.max_count = 1"))
    pack.daemon.call("reloadconfig", waiting=True)
    assert pack.wait_for_reap("silent", pid) == -signal.SIGTERM


def test_heartbeats_come_through_notify_socket(run_plugin: Run) -> None:
    pack = Pack(
        run_plugin,
        watcher("modern", "notify", PATIENT),
        watcher("old", "udp", "watchdog.notify = False", PATIENT),
        watcher("silent", "silent"),
        notify=True,
    )
    pack.start("modern", "old", "silent")
    pids = {name: pack.daemon.watcher(name).pid() for name in ("modern", "old", "silent")}
    assert pack.wait_for_reap("silent", pids["silent"]) == -signal.SIGTERM
    assert not pack.was_killed("modern")
    assert not pack.was_killed("old")
    (variable,) = (entry for entry in environment(pids["modern"]) if entry.startswith("NOTIFY_SOCKET="))
    assert not [entry for entry in environment(pids["old"]) if entry.startswith("NOTIFY_SOCKET=")]
    os.kill(pids["modern"], signal.SIGUSR1)
    assert pack.wait_for_reap("modern", pids["modern"]) == -signal.SIGTERM
    pack.plugin.do("stop")
    assert not Path(variable.partition("=")[2]).exists()


def test_a_shell_beats_with_systemd_notify(run_plugin: Run, tmp_path: Path) -> None:
    if shutil.which("systemd-notify") is None:
        pytest.skip("there is no systemd-notify")
    program = tmp_path / "program.sh"
    program.write_text(
        "trap 'beats=' USR1; beats=yes\n"
        'while :; do [ -z "$beats" ] || systemd-notify WATCHDOG=1 || echo failed >&2; sleep 0.05; done\n'
    )
    shell = f"[watcher:shell]\ncmd = sh {program}\nautostart = False\nwatchdog.notify = True\n{PATIENT}\n"
    pack = Pack(run_plugin, shell, watcher("silent", "silent"))
    pack.start("shell", "silent")
    pid = pack.daemon.watcher("shell").pid()
    pack.daemon.events.wait("silent", "reap")
    assert not pack.was_killed("shell")
    os.kill(pid, signal.SIGUSR1)
    pack.wait_for_reap("shell", pid)
    pack.wait_for_log("watcher:shell,")


def test_nobody_is_killed_because_the_plugin_stood_still(run_plugin: Run) -> None:
    pack = Pack(run_plugin, watcher("web", "udp"), max_count=25)
    pack.start("web")
    pid = pack.daemon.watcher("web").pid()
    ours = [pack.daemon.pid, *([pack.plugin.pid()] if pack.plugin.pid() < 10**9 else [])]
    # as in a frozen machine nobody runs for longer than anybody may be silent, and not all wake up together
    for each in (*ours, pid):
        os.kill(each, signal.SIGSTOP)
    try:
        wait_for_clock(3.2)
    finally:
        for each in ours:
            os.kill(each, signal.SIGCONT)
        wait_for_clock(0.5)
        os.kill(pid, signal.SIGCONT)
    pack.start("web")  # it answers again
    wait_for_clock(0.5)
    assert not pack.was_killed("web")
    assert pack.daemon.watcher("web").pid() == pid


def test_nobody_is_judged_while_the_address_is_in_use(run_plugin: Run) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        port = free_udp_port()  # one that nobody else gets when it is given back
        other.bind(("127.0.0.1", port))
        pack = Pack(run_plugin, watcher("silent", "silent"), port=port, loop_rate=0.05, max_count=2)
        pack.wait_for_log("Problem while binding watchdog socket")
        pack.start("silent")
        wait_for_clock(0.5)
        assert not pack.was_killed("silent")
    pack.daemon.events.wait("silent", "reap")


def environment(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")


def wait_for_clock(seconds: float) -> None:
    """Let time pass in which something must not happen."""
    threading.Event().wait(seconds)
