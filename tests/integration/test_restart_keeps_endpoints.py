"""A restart in place, as those see it who talk to circusd all the time."""

from __future__ import annotations

import json
import signal
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zmq

from tests.controlled import Peers
from tests.integration.daemon import Daemon, until

Start = Callable[..., Daemon]

RESTARTS = 5
PATIENCE = 90_000  # milliseconds
SLEEPER = """
[watcher:a]
cmd = sleep 1000
graceful_timeout = 2
"""


def ask(socket: zmq.Socket[bytes]) -> dict[str, Any]:
    socket.send(b'{"command": "numwatchers"}')
    assert socket.poll(PATIENCE), "a request was not answered"
    reply: dict[str, Any] = json.loads(socket.recv())
    return reply


@pytest.mark.parametrize("tcp", [False, True])
def test_no_request_is_lost_or_refused_over_restarts(circusd: Start, *, tcp: bool) -> None:
    daemon = circusd(SLEEPER, tcp=tcp)
    is_over = threading.Event()
    answers: Counter[str] = Counter()

    def hammer() -> None:
        with Peers() as peers:
            socket = peers.dealer(daemon.endpoint)
            while not is_over.is_set():
                reply = ask(socket)
                answers[reply.get("reason") or reply["status"]] += 1

    threads = [threading.Thread(target=hammer) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(RESTARTS):
            daemon.call("restart", waiting=True)
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    assert set(answers) == {"ok"}, answers
    until(lambda: daemon.log().count("Arbiter now waiting for commands") == 1 + RESTARTS)


def test_a_subscriber_hears_the_first_events_of_the_next_arbiter(circusd: Start) -> None:
    daemon = circusd(SLEEPER)
    pid = daemon.watcher("a").until_pids(1)[0]
    for _ in range(RESTARTS):
        after = daemon.events.last
        daemon.call("restart", waiting=True)
        spawn = daemon.events.wait_for(
            lambda event: (event.watcher, event.action) == ("a", "spawn") and event.pid != pid, after=after
        )
        daemon.events.wait("a", "start", after=spawn.at)


def test_endpoints_that_are_to_differ_are_opened_anew(circusd: Start) -> None:
    daemon = circusd(SLEEPER)
    file = Path(daemon.endpoint.removeprefix("ipc://"))
    assert file.stat().st_mode & 0o777 == 0o600
    daemon.ini.write_text(daemon.ini.read_text().replace("[circus]", "[circus]\nallow_read = daemon", 1))
    daemon.call("restart", waiting=True)
    until(lambda: daemon.log().count("Arbiter now waiting for commands") == 2)
    assert file.stat().st_mode & 0o777 == 0o666
    assert daemon.call("numwatchers")["status"] == "ok"


def test_circusd_told_to_end_while_it_restarts_closes_what_it_kept(circusd: Start) -> None:
    daemon = circusd(SLEEPER)
    daemon.call("restart")
    daemon.kill(signal.SIGTERM)
    assert daemon.wait() == 0
    assert not Path(daemon.endpoint.removeprefix("ipc://")).exists()
