"""Whole programs that embed Circus as the pages and the field have it: run, asked, and ended by signals."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from circus.client import CallError, CircusClient
from circus_core.testing.circusd import until

pytestmark = pytest.mark.slow

MAIN_LOOP = """
import json, os, sys
from circus import get_arbiter, logger
from circus.arbiter import Arbiter
from circus.pidfile import Pidfile
from circus.util import check_future_exception_and_log, configure_logger

def main(make):
    arbiter = make()
    pidfile = Pidfile(arbiter.pidfile)
    pidfile.create(os.getpid())
    configure_logger(logger, arbiter.loglevel, arbiter.logoutput, arbiter.loggerconfig)
    should_restart = True
    while should_restart:
        try:
            arbiter = arbiter or make()
            future = arbiter.start()
            should_restart = False
            if check_future_exception_and_log(future) is None:
                should_restart = arbiter._restarting
        except Exception:
            arbiter.loop.run_sync(arbiter._emergency_stop)
            raise
        except KeyboardInterrupt:
            pass
        finally:
            print("ended", should_restart, flush=True)
            arbiter = None
    pidfile.unlink()
"""

FROM_MAPPINGS = """
here = os.getcwd()
main(lambda: get_arbiter(
    controller=f"ipc://{here}/control",
    pubsub_endpoint=f"ipc://{here}/events",
    logoutput=f"{here}/log",
    loglevel="INFO",
    debug=False,
    statsd=False,
    pidfile=f"{here}/pid",
    watchers=[{
        "name": "worker",
        "cmd": "sh -c 'echo hello; exec sleep 1000'",
        "numprocesses": 2,
        "copy_env": True,
        "env": {"PYTHONUNBUFFERED": "1"},
        "stdout_stream": {"class": "FileStream", "filename": f"{here}/out"},
        "stderr_stream": {"class": "FileStream", "filename": f"{here}/out"},
    }],
))
"""

FROM_A_FILE = """
main(lambda: Arbiter.load_from_config("circus.ini"))
"""

INI = """
[circus]
endpoint = ipc://{folder}/control
pubsub_endpoint = ipc://{folder}/events
pidfile = {folder}/pid
logoutput = {folder}/log
[watcher:worker]
cmd = sleep 1000
numprocesses = {number}
"""


class Host:
    """A program that embeds an arbiter, in a folder of its own."""

    def __init__(self, folder: Path, code: str) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", MAIN_LOOP + code],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.client = CircusClient(endpoint=f"ipc://{folder}/control", timeout=10)

    def workers(self) -> list[int]:
        """Ask for them; who asks in the last instant of an arbiter is not answered: there are none then."""
        with contextlib.suppress(CallError):
            return list(self.client.send_message("list", name="worker").get("pids", ()))
        return []

    def until_workers(self, number: int) -> list[int]:
        until(lambda: (self.folder / "control").exists(), deadline=60)
        until(lambda: len(self.workers()) == number, deadline=60)
        return self.workers()

    def end(self) -> tuple[str, str, int]:
        out, err = self.process.communicate(timeout=60)
        return out, err, self.process.returncode

    def close(self) -> None:
        self.client.stop()
        if self.process.poll() is None:  # workers of a killed arbiter would keep its output open
            for child in psutil.Process(self.process.pid).children(recursive=True):
                child.kill()
        self.process.kill()
        self.process.communicate(timeout=30)


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[list[Host]]:
    made: list[Host] = []
    yield made
    for host in made:
        host.close()


def test_the_main_loop_of_embedders_runs_until_a_signal_ends_it(tmp_path: Path, hosts: list[Host]) -> None:
    host = Host(tmp_path, FROM_MAPPINGS)
    hosts.append(host)
    pids = host.until_workers(2)
    assert int((tmp_path / "pid").read_text()) == host.process.pid
    out = tmp_path / "out"
    until(lambda: out.exists() and out.read_text() == "hello\nhello\n")
    assert host.client.send_message("incr", name="worker", waiting=True)["numprocesses"] == 3
    assert host.client.send_message("restart", waiting=True)["status"] == "ok"  # without a file: in place
    assert set(pids).isdisjoint(host.until_workers(3))
    pids = host.workers()
    host.process.send_signal(signal.SIGTERM)
    assert host.end() == ("ended False\n", "", 0)
    assert not any(map(psutil.pid_exists, pids))
    assert not (tmp_path / "pid").exists()


def test_an_arbiter_from_a_file_is_made_anew_after_a_restart(tmp_path: Path, hosts: list[Host]) -> None:
    ini = tmp_path / "circus.ini"
    ini.write_text(INI.format(folder=tmp_path, number=1))
    host = Host(tmp_path, FROM_A_FILE)
    hosts.append(host)
    host.until_workers(1)
    ini.write_text(INI.format(folder=tmp_path, number=2))
    assert host.client.send_message("reloadconfig", waiting=True)["status"] == "ok"
    assert len(host.workers()) == 2
    ini.write_text(INI.format(folder=tmp_path, number=3))
    assert host.client.send_message("restart")["status"] == "ok"
    host.until_workers(3)
    assert host.client.send_message("quit")["status"] == "ok"
    assert host.end() == ("ended True\nended False\n", "", 0)
