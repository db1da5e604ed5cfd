"""AiiDA's daemon, from `verdi daemon start` to `stop`, with circus-compat in place of circus.

The profile needs no server: SQLite keeps its data, and its broker is a program that the daemon starts.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil
import pytest

from tests.embedders.environments import Environment
from tests.stack import PATIENCE, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

AIIDA = Environment("aiida")
LEVEL_AND_PATIENCE = {"logging.aiida_loglevel": "INFO", "daemon.timeout": 40}
"""AiiDA waits for 2 seconds otherwise, which its workers and its broker need to end on a busy machine."""
SUBMIT = Path(__file__).with_name("submit_to_aiida.py")


class Verdi:
    """AiiDA's command line with a configuration of its own."""

    def __init__(self, home: Path) -> None:
        self.daemon_folder = home / ".aiida" / "daemon"
        self._home = home
        self._environment = {
            **os.environ,
            "AIIDA_PATH": str(home),
            "PATH": f"{AIIDA.programs}{os.pathsep}{os.environ['PATH']}",
            "TMPDIR": str(home),  # where it puts the sockets of the daemon
            "VIRTUAL_ENV": str(AIIDA.folder),
        }

    def __call__(self, *words: str, status: int = 0) -> str:
        """Run a command; returns all that it prints."""
        with self.start(*words) as running:
            try:
                said, _ = running.communicate(timeout=2 * PATIENCE)
            except subprocess.TimeoutExpired:
                running.kill()
                raise
        assert running.returncode == status, f"{words}: {running.returncode}\n{said}\n{self.log('circus')}"
        return said

    def configure(self, options: Mapping[str, object]) -> None:
        """Do what `verdi config set` does, which takes a second for each option."""
        file = self._home / ".aiida" / "config.json"
        config = json.loads(file.read_text())
        config["profiles"]["presto"]["options"] |= options
        file.write_text(json.dumps(config))

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [AIIDA.programs / "verdi", *words],
            env=self._environment,
            cwd=self._home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def log(self, name: str) -> str:
        file = self.daemon_folder / "log" / f"{name}-presto.log"
        return file.read_text() if file.exists() else ""

    def pid(self) -> int:
        """The daemon's, from its pid file."""
        return int((self.daemon_folder / "circus-presto.pid").read_text())

    def broker_is_up(self) -> bool:
        """Tell whether it has written what `verdi daemon status` looks for."""
        return any((self.daemon_folder.parent / "broker").glob("*/broker.status"))

    def family(self) -> list[psutil.Process]:
        """Whatever was started with this configuration and still runs."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return (
                process.environ().get("TMPDIR") == str(self._home)
                and process.status() != psutil.STATUS_ZOMBIE
            )
        except psutil.Error:
            return False


@pytest.fixture
def verdi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Verdi]:
    AIIDA.require()
    made = Verdi(tmp_path_factory.mktemp("aiida"))
    made("presto", "--use-zeromq", "--non-interactive")
    made.configure(LEVEL_AND_PATIENCE)
    try:
        yield made
    finally:
        for process in made.family():
            process.kill()


def children(pid: int, words: str) -> list[int]:
    """Return the children with `words` in their command line, oldest first."""
    found = []
    for child in psutil.Process(pid).children():
        with contextlib.suppress(psutil.Error):  # it has just ended
            if words in " ".join(child.cmdline()):
                found.append((child.create_time(), child.pid))
    return [pid for _, pid in sorted(found)]


def shown_workers(status: str) -> list[int]:
    """Return the pids in the table that `verdi daemon status` prints."""
    (number,) = re.findall(r"Active workers \[(\d+)\]", status)
    rows = re.findall(r"^ *(\d+) +[\d.]+ +[\d.]+ +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$", status, re.MULTILINE)
    assert len(rows) == int(number), status
    return [int(pid) for pid in rows]


def test_aiida_finds_the_distributions_that_it_requires() -> None:
    AIIDA.require()
    checking = [str(AIIDA.programs / "python"), "-m", "pip", "check"]
    done = subprocess.run(checking, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_verdi_starts_watches_resizes_restarts_and_stops_its_daemon(verdi: Verdi) -> None:
    assert "Starting the daemon with 2 workers... OK" in verdi("daemon", "start", "2")
    daemon = verdi.pid()
    assert "start-circus" in psutil.Process(daemon).cmdline()

    def workers() -> list[int]:
        return children(daemon, "daemon worker")

    def wait_for_workers(count: int) -> None:
        wait_until(lambda: len(workers()) == count, lambda: f"{count} workers: {verdi.log('circus')}")

    wait_for_workers(2)
    first = workers()
    (broker,) = children(daemon, "daemon broker")
    wait_until(verdi.broker_is_up, lambda: verdi.log("circus"))
    status = verdi("daemon", "status")
    assert f"Daemon is running as PID {daemon} since" in status
    assert f"Broker is running as PID {broker} " in status
    assert sorted(shown_workers(status)) == sorted(first)

    assert "Starting 2 daemon workers... OK" in verdi("daemon", "incr", "2")
    wait_for_workers(4)
    assert "Stopping 1 daemon workers... OK" in verdi("daemon", "decr")
    wait_for_workers(3)
    assert first[0] not in workers()  # the oldest
    assert sorted(shown_workers(verdi("daemon", "status"))) == sorted(workers())

    killed, *others = workers()
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: len(set(workers()) - {killed, *others}) == 1, "a worker in place of the killed one")
    assert "sum: 42" in verdi("run", str(SUBMIT))
    assert "Starting a daemon worker" in verdi.log("aiida")
    assert_log_is_shown(verdi, verdi.log("aiida").splitlines()[-1])

    assert "OK" in verdi("daemon", "restart")
    daemon, old = verdi.pid(), daemon
    assert daemon != old
    assert not psutil.pid_exists(old)
    wait_for_workers(1)
    assert shown_workers(verdi("daemon", "status")) == workers()

    (endpoints,) = [path.parent for path in Path(verdi.daemon_folder.parents[1]).glob("*/circus.c.sock")]
    assert "Stopping the daemon... OK" in verdi("daemon", "stop")
    wait_until(lambda: not verdi.family(), lambda: f"the end of {verdi.family()}")
    assert not endpoints.exists()
    assert not (verdi.daemon_folder / "circus-presto.pid").exists()
    assert "The daemon is not running." in verdi("daemon", "status", "--timeout", "1", status=3)
    assert "ERROR" not in verdi.log("circus")
    assert "Traceback" not in verdi.log("circus")


def assert_log_is_shown(verdi: Verdi, line: str) -> None:
    with verdi.start("daemon", "logshow") as showing:
        assert showing.stdout is not None
        try:
            assert any(line in shown for shown in showing.stdout), verdi.log("aiida")
        finally:
            for child in psutil.Process(showing.pid).children():
                child.terminate()  # tail -f; what started it ends with it
            showing.wait(PATIENCE)
