"""The demo of the README under load: what its users must not notice."""

from __future__ import annotations

import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.load import Load, ask
from tests.stack import PROGRAMS, Stack, alive, copy_example, wait_until

PORTS = (8000, 8001, 8080, 5555, 5556, 5557)


class Demo(Stack):
    """The stack of examples/webapp on free ports."""

    def __init__(self, folder: Path) -> None:
        new = copy_example("webapp", folder, PORTS)
        self.ports = tuple(new.values())
        self.web = new[8000]
        self.dashboard = new[8080]
        state = {"XDG_STATE_HOME": str(folder / "state")}
        super().__init__(folder, endpoint=f"tcp://127.0.0.1:{new[5555]}", environment=state)

    def wait_until_served(self) -> None:
        self.wait_until_up()
        self.wait_for_status("webapp", "active")
        with Load(self.web, clients=3) as load:
            wait_until(lambda: len(load.pids) == 3, lambda: f"three workers: {load} {self.log()}")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with Demo(tmp_path_factory.mktemp("webapp")) as running:
        running.wait_until_served()
        yield running


@pytest.fixture(params=["a connection per request", "kept alive", "slow to ask"])
def load(request: pytest.FixtureRequest, demo: Demo) -> Load:
    if request.param == "slow to ask":
        return Load(demo.web, delay=0.02)
    return Load(demo.web, keep_alive=request.param == "kept alive")


def test_three_workers_share_the_socket_and_the_counter(demo: Demo) -> None:
    first = ask(demo.web).body.decode()
    with Load(demo.web) as load:
        wait_until(lambda: load.pids == set(demo.pids("webapp")), lambda: f"all workers: {load}")
    assert len(load.pids) == 3
    assert not load.failures
    assert f"was seen {_views(first) + len(load.answers) + 1} times" in ask(demo.web).body.decode()


def test_the_output_is_in_the_logs_with_its_time(demo: Demo) -> None:
    log = demo.folder / "logs" / "webapp.log"
    wait_until(log.exists, "the log")
    pid = demo.pids("webapp")[0]
    wait_until(lambda: f"Started server process [{pid}]" in log.read_text(), log.read_text)
    assert log.read_text().startswith("20")


@pytest.mark.parametrize(
    "commands",
    [["incr", "incr", "decr", "decr"], ["reload", "reload"], ["reload --sequential"]],
    ids="; ".join,
)
def test_no_request_fails_while_workers_come_and_go(demo: Demo, load: Load, commands: list[str]) -> None:
    before = set(demo.pids("webapp"))
    with load:
        load.wait_for_more(50)
        for command in commands:
            name, *switches = command.split()
            demo.ctl(name, "webapp", "--waiting", *switches)
            load.wait_for_more(50)
    print(f"{'; '.join(commands)}: {load}")
    assert not load.failures
    assert len(demo.pids("webapp")) == 3
    if commands[0].startswith("reload"):
        assert before.isdisjoint(demo.pids("webapp"))


def test_no_request_fails_while_the_counter_is_replaced(demo: Demo) -> None:
    with Load(demo.web, path="/health") as load:
        for _ in range(3):
            demo.ctl("restart", "counter", "--waiting")
            load.wait_for_more(50)
    print(f"restart counter: {load}")
    assert not load.failures


def test_a_killed_worker_is_replaced_at_once_and_no_connection_refused(demo: Demo) -> None:
    """The figures compare a replacement with a worker that the test starts itself, under the same load."""
    alone, replaced = [], []
    with Load(demo.web, clients=3, delay=0.005) as load:
        for _ in range(3):
            alone.append(_startup_time(demo))
            replaced.append(_replacement_time(demo, load))
    late = statistics.median(replaced) - statistics.median(alone)
    print(
        f"kill -9: {load}; start-up alone {_milliseconds(alone)}, "
        f"replacement {_milliseconds(replaced)}, median later by {late * 1000:.0f} ms"
    )
    assert not [failure for failure in load.failures if failure.startswith("connect")]
    assert sum(load.failures.values()) <= 3 * 3  # what each client had asked the killed worker
    assert late < 5


def test_the_dashboard_shows_the_demo_to_who_has_the_token(demo: Demo) -> None:
    def shown() -> str:
        words = [str(PROGRAMS / "circushttpd"), "token"]
        run = subprocess.run(words, env=demo.environment, capture_output=True, text=True, check=True)
        return run.stdout.strip()

    wait_until(lambda: shown().startswith(f"http://localhost:{demo.dashboard}/#token="), shown)
    address, _, token = shown().partition("#token=")
    url = f"{address}api/daemons/main/watchers"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})

    def webapp() -> dict[str, Any]:
        with urllib.request.urlopen(request, timeout=30) as response:
            found: dict[str, Any] = json.load(response)["watchers"]["webapp"]
        return found

    wait_until(
        lambda: webapp()["running"] == 3 and (webapp()["memory"] or 0) > 1_000_000, lambda: str(webapp())
    )


def test_ctrl_c_ends_everything(tmp_path: Path) -> None:
    with Demo(tmp_path / "webapp") as demo:
        demo.wait_until_served()
        family: list[psutil.Process] = []

        def is_complete() -> bool:
            family[:] = demo.family()
            return len(family) == 8

        wait_until(is_complete, lambda: str(family))
        workers = [process for process in family if process.pid != demo.process.pid]
        assert all(os.getsid(worker.pid) != demo.process.pid for worker in workers)
        begin = time.monotonic()
        assert demo.interrupt() == 0, demo.log()
        print(f"Ctrl-C: all gone after {time.monotonic() - begin:.2f} s")
        assert not alive(family)
        for port in demo.ports:
            with socket.socket() as free:
                free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                free.bind(("127.0.0.1", port))


def _views(page: str) -> int:
    return int(page.partition("was seen ")[2].split()[0])


def _startup_time(demo: Demo) -> float:
    """Start a worker that circusd knows nothing of; seconds until it has answered its first request."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [sys.executable, "serve.py", "--fd", str(listener.fileno()), "--wid", "0"]
        begin = time.monotonic()
        worker = subprocess.Popen(
            command,
            cwd=demo.folder,
            env=demo.environment,
            pass_fds=[listener.fileno()],
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # as circusd does: sessions share the processors
        )
        try:
            ask(listener.getsockname()[1], "/slow?seconds=0")
            return time.monotonic() - begin
        finally:
            worker.kill()
            worker.wait()


def _replacement_time(demo: Demo, load: Load) -> float:
    """Kill a worker; seconds until its replacement has answered its first request."""
    before = set(demo.pids("webapp"))

    def first() -> float | None:
        """When the first one of those that were not there before was done."""
        answers = list(load.answers)
        return next((a.done for a in answers if a.done > begin and a.pid and a.pid not in before), None)

    begin = time.monotonic()
    os.kill(min(before), signal.SIGKILL)
    wait_until(lambda: first() is not None, lambda: f"a replacement: {load} {demo.log()}")
    return (first() or begin) - begin


def _milliseconds(times: list[float]) -> str:
    return ", ".join(f"{seconds * 1000:.0f}" for seconds in times) + " ms"
