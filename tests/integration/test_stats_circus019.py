"""Statistics across versions: programs of Circus 0.19 read our stream, and our client reads theirs."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from circus_core.testing import Daemon
from circus_stats import Message, StatsClient
from tests.integration.daemon import until
from tests.integration.terminal import TMUX, Terminal
from tests.peers.circus019 import HOME, needs_peer
from tests.stack import free_ports

pytestmark = needs_peer

WATCHERS = """
[watcher:Web One]
cmd = sleep 1000
numprocesses = 2
[watcher:solo]
cmd = sleep 1000
use_sockets = True
[socket:ux]
host = 127.0.0.1
port = {port}
"""

LISTENER = """
import json, sys
from circus.stats.client import StatsClient
wanted, found = int(sys.argv[2]), []
for watcher, subtopic, stat in StatsClient(endpoint=sys.argv[1]):
    found.append([watcher, subtopic, stat])
    if len(found) == wanted:
        break
print(json.dumps(found), flush=True)
import os; os._exit(0)
"""


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Daemon, str]]:
    stats, port = free_ports(2)
    endpoint = f"tcp://127.0.0.1:{stats}"
    options = {"statsd": True, "stats_endpoint": endpoint, "stats_interval": 0.2}
    folder = tmp_path_factory.mktemp("ours")
    with Daemon(folder, WATCHERS.format(port=port), circus=options, tcp=True) as daemon:
        yield daemon, endpoint


def test_an_old_client_reads_our_stream(ours: tuple[Daemon, str]) -> None:
    daemon, endpoint = ours
    words = [str(HOME / "python"), "-W", "ignore", "-c", LISTENER, endpoint, "40"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=40, check=True)
    found: list[tuple[str, str | None, dict[str, Any]]] = json.loads(done.stdout)
    assert {"circus", "sockets", "web one", "solo"} <= {watcher for watcher, _, _ in found}
    pids = {str(pid) for pid in daemon.watcher("Web One").pids()}
    assert {subtopic for watcher, subtopic, _ in found if watcher == "web one"} == {None, *pids}
    names = {stat["name"] for watcher, subtopic, stat in found if watcher == "circus" and subtopic}
    assert names == {"circusd", "circusd-stats"}


@pytest.mark.skipif(TMUX is None, reason="there is no tmux to run it in")
def test_the_old_circus_top_shows_our_stream(ours: tuple[Daemon, str], tmp_path: Path) -> None:
    daemon, endpoint = ours
    words = [str(HOME / "circus-top"), "--endpoint", endpoint]
    with Terminal(tmp_path, words, os.environ) as terminal:
        for expected in ("Circus Top", "(circusd-stats)", "(avg)", "ADDRESS", "solo"):
            terminal.wait_for(expected)
        for pid in daemon.watcher("Web One").pids():
            terminal.wait_for(str(pid))
        assert "Traceback" not in terminal.screen()


def messages_of_both(daemon: subprocess.Popen[bytes], endpoint: str) -> list[Message]:
    found: list[Message] = []
    with StatsClient(endpoint) as client:

        def is_enough() -> bool:
            assert daemon.poll() is None
            found.append(client.next(60))
            return {"circus", "web", "sockets", "solo.x"} <= {message.watcher for message in found}

        until(is_enough, deadline=60)
    return found


def test_our_client_reads_the_old_stream(tmp_path: Path) -> None:
    ports = free_ports(4)
    control, events, stats = (f"tcp://127.0.0.1:{port}" for port in ports[:3])
    (tmp_path / "circus.ini").write_text(
        f"[circus]\nendpoint = {control}\npubsub_endpoint = {events}\nstats_endpoint = {stats}\n"
        "statsd = True\nmulticast_endpoint =\n"
        "[watcher:web]\ncmd = sleep 1000\nnumprocesses = 2\n[watcher:solo.x]\ncmd = sleep 1000\n"
        f"use_sockets = True\n[socket:s]\nhost = 127.0.0.1\nport = {ports[3]}\n"
    )
    mark = secrets.token_hex(8)
    words = [str(HOME / "circusd"), str(tmp_path / "circus.ini")]
    with (tmp_path / "log").open("wb") as log:
        daemon = subprocess.Popen(
            words, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env={**os.environ, "MARK_OF_TEST": mark}
        )
    try:
        found = messages_of_both(daemon, stats)
    finally:
        daemon.send_signal(signal.SIGTERM)
        try:
            daemon.wait(10)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()
        _kill_all(mark)
    subtopics = {message.subtopic for message in found if message.watcher == "solo.x"}
    assert subtopics
    assert all(subtopic is None or subtopic.isdecimal() for subtopic in subtopics)
    web = [message.stat for message in found if message.watcher == "web" and message.subtopic is not None]
    assert {"cpu", "mem", "age"} <= web[0].keys()


def _kill_all(mark: str) -> None:
    """End what the old daemon left."""
    for process in psutil.process_iter():
        try:
            if process.environ().get("MARK_OF_TEST") == mark:
                process.kill()
        except psutil.Error:
            continue
