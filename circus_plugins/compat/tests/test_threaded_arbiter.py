"""Arbiters in threads: ThreadedArbiter, and the classes that programs wrote because it did not work."""

from __future__ import annotations

import socket
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tornado.ioloop import IOLoop

import circus
from circus.arbiter import Arbiter, ThreadedArbiter
from circus.watcher import Watcher
from circus_core import EndpointError
from circus_core.testing.circusd import is_alive, until


def made(folder: Path, name: str) -> Arbiter:
    return circus.get_arbiter(
        [{"cmd": "sleep 1000", "name": name, "numprocesses": 2}],
        controller=f"ipc://{folder}/{name}-control",
        pubsub_endpoint=f"ipc://{folder}/{name}-events",
        background=True,
    )


def test_two_arbiters_run_in_the_background_at_once(tmp_path: Path) -> None:
    arbiters = [made(tmp_path, name) for name in ("one", "two")]
    for arbiter in arbiters:
        arbiter.start()
    try:
        until(lambda: all(arbiter.numprocesses() == 2 for arbiter in arbiters))
        one = arbiters[0].get_watcher("one")
        assert one.incr().result(20) == 3
        more = arbiters[0].add_watcher("more", "sleep 1000")
        assert more.start().result(20) == {"started": more.pids, "kept": []}
        pids = [pid for arbiter in arbiters for watcher in arbiter.watchers for pid in watcher.pids]
        assert len(pids) == 6
        arbiters[0].rm_watcher("more").result(20)
    finally:
        for arbiter in arbiters:
            arbiter.stop()
    assert not any(map(is_alive, pids))
    assert not any(thread.name == "circus arbiter" for thread in threading.enumerate())
    assert arbiters[0].stop() is None  # once more does no harm


def test_an_error_is_raised_where_it_was_started(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        endpoint = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        arbiter = ThreadedArbiter([Watcher("web", "sleep 1")], endpoint, f"ipc://{tmp_path}/events")
        with pytest.raises(EndpointError, match="in use"):
            arbiter.start()
    assert not arbiter.is_alive()


class OwnThread(threading.Thread, Arbiter):
    """What programs wrote for Circus 0.19."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        threading.Thread.__init__(self, daemon=True)
        Arbiter.__init__(self, *args, **kwargs)
        self.is_up = threading.Event()

    def start(self, cb: Any = None) -> Any:
        return threading.Thread.start(self)

    def run(self) -> None:
        loop = IOLoop()
        self.loop = loop
        self.ctrl.loop = loop
        Arbiter.start(self, lambda _: self.is_up.set())
        loop.close()

    def stop(self) -> Any:
        self.loop.add_callback(partial(Arbiter.stop, self))
        self.join(20)


def test_a_thread_that_a_program_wrote_itself_works_too(tmp_path: Path) -> None:
    watcher = Watcher("web", "sleep 1000")
    arbiter = OwnThread([watcher], f"ipc://{tmp_path}/control", f"ipc://{tmp_path}/events")
    arbiter.start()
    assert arbiter.is_up.wait(20)
    pids = watcher.pids
    assert (arbiter.running, len(pids)) == (True, 1)
    arbiter.stop()
    assert not arbiter.is_alive()
    assert not is_alive(pids[0])
