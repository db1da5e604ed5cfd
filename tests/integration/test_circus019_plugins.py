"""The plugins of Circus 0.19, run by its circus-plugin, do their work on our daemon.

All of them at the same time, each on a watcher of its own. HttpObserver and RedisObserver are not here: with
current libraries they do not start, with no daemon.
"""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.integration.daemon import Daemon, free_port, until
from tests.peers.circus019 import HOME, needs_peer

pytestmark = [needs_peer, pytest.mark.slow]

SECTIONS = """
[watcher:a-script]
cmd = {script}

[watcher:crash]
cmd = sh -c "exit 3"

[watcher:fat]
cmd = sleep 1000

[watcher:silent]
cmd = sleep 1000

[watcher:web]
cmd = sleep 1000
numprocesses = 2
"""

PLUGINS = {
    "command_reloader.CommandReloader": "loop_rate:1",
    "flapping.Flapping": "attempts:2:::window:30:::retry_in:1:::max_retry:1",
    "resource_watcher.ResourceWatcher": "watcher:fat:::max_mem:1K:::max_count:1:::loop_rate:1",
    "statsd.FullStats": "application_name:full:::loop_rate:1",
    "statsd.StatsdEmitter": "application_name:events",
    "watchdog.WatchDog": "watchers_regex:^silent$:::loop_rate:1:::max_count:1:::port:{port}",
}


class Bench:
    """Our daemon, the plugins of 0.19, and where they send what they count."""

    def __init__(self, daemon: Daemon, statsd: socket.socket, log: Path) -> None:
        self.daemon = daemon
        self.script = daemon.folder / "script"
        self.log = log
        self._statsd = statsd
        self._datagrams: list[str] = []

    def heard(self, start: str) -> str | None:
        """Return the first datagram that begins so, if there was one."""
        while True:
            try:
                self._datagrams.append(self._statsd.recv(2048).decode())
            except BlockingIOError:
                return next((each for each in self._datagrams if each.startswith(start)), None)

    def wait_for(self, start: str) -> str:
        until(lambda: self.heard(start), lambda: f"{start} in {self._datagrams}, {self.log.read_text()}")
        return self.heard(start) or ""

    def wait_for_log(self, text: str) -> None:
        until(lambda: text in self.log.read_text(), self.log.read_text)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("bench")
    (folder / "script").write_text("#!/bin/sh\nexec sleep 1000\n")
    (folder / "script").chmod(0o755)
    log = folder / "plugins.log"
    with ExitStack() as stack:
        statsd = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        statsd.bind(("127.0.0.1", 0))
        statsd.setblocking(False)
        daemon = stack.enter_context(Daemon(folder, SECTIONS.format(script=folder / "script")))
        for name, config in PLUGINS.items():
            target = f"host:127.0.0.1:::port:{statsd.getsockname()[1]}:::"
            given = config.format(port=free_port()) if "{port}" in config else target + config
            stack.enter_context(running(daemon, f"circus.plugins.{name}", given, log))
        yield Bench(daemon, statsd, log)


@contextmanager
def running(daemon: Daemon, name: str, config: str, log: Path) -> Iterator[None]:
    """Run a plugin by the circus-plugin of 0.19."""
    words = ["--endpoint", daemon.endpoint, "--pubsub", daemon.pubsub_endpoint, "--log-level", "debug"]
    environment = {**os.environ, "PYTHONWARNINGS": "ignore", "PYTHONUNBUFFERED": "1"}
    with log.open("ab") as output:
        process = subprocess.Popen(
            [str(HOME / "circus-plugin"), *words, "--config", config, name],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield
    finally:
        process.terminate()  # ends it at once: it has no handler
        process.wait()


def test_statsd_emitter_counts_events(bench: Bench) -> None:
    until(lambda: restarted_and_heard(bench), bench.log.read_text)


def restarted_and_heard(bench: Bench) -> bool:
    bench.daemon.watcher("web").do("restart")
    return bench.heard("circus.events.watcher.web.spawn:1|c") is not None


def test_full_stats_measures_processes(bench: Bench) -> None:
    bench.wait_for("circus.full.watcher._stats.web.watchers_num:2|g")
    assert float(bench.wait_for("circus.full.watcher._stats.web.mem_max:").split(":")[1].split("|")[0]) > 0


def test_resource_watcher_restarts_what_is_too_big(bench: Bench) -> None:
    (first,) = bench.daemon.watcher("fat").until_pids(1)  # it may be restarting already
    bench.wait_for("circus.app.watcher._resource_watcher.fat.over_memory:1|c")
    bench.wait_for("circus.app.watcher._resource_watcher.fat.restarting:1|c")
    until(lambda: bench.daemon.watcher("fat").pids() not in ([], [first]), bench.log.read_text)


def test_watchdog_kills_what_is_silent(bench: Bench) -> None:
    killed = bench.daemon.events.wait("silent", "kill")[0]
    bench.daemon.events.wait_for(
        lambda event: (event.watcher, event.action) == ("silent", "spawn") and event.pid != killed.pid
    )
    bench.wait_for_log(f"watcher:silent, pid:{killed.pid} is not responding. Kill it !")


def test_command_reloader_restarts_a_changed_program(bench: Bench) -> None:
    script = bench.script.read_text()

    def is_restarted() -> bool:
        # It compares with the time that it has found first, whenever that was.
        bench.script.write_text(script)
        return f"{bench.script} modified. Restarting." in bench.log.read_text()

    first = bench.daemon.watcher("a-script").pid()
    until(is_restarted, bench.log.read_text)
    until(lambda: bench.daemon.watcher("a-script").pids() not in ([], [first]), bench.log.read_text)


def test_flapping_stops_and_in_the_end_gives_up_what_dies_at_once(bench: Bench) -> None:
    bench.wait_for_log("crash: flapping detected: retry in")
    bench.daemon.events.wait("crash", "stop")
    bench.daemon.events.wait("crash", "start")
    bench.wait_for_log("crash: flapping detected: reached max retry limit")
    bench.daemon.watcher("crash").until("stopped")
