"""The library page of Circus, as it is written, run through `circus` and through `circus_core`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from circus.process import RUNNING, UNEXISTING, Process
from circus_core import start_process
from circus_core.testing.circusd import until

PAGE = """
from {package} import get_arbiter

arbiter = get_arbiter("myprogram", numprocesses=3)
try:
    arbiter.start()
finally:
    arbiter.stop()
"""

# Endpoints of this test instead of those of every daemon, its PATH, and somebody who stops it.
AROUND = """
import functools, sys, threading
import {package} as package
from circus_core.testing.circusd import until

def stop_when_told(arbiter):
    sys.stdin.readline()
    until(lambda: arbiter.statuses() == {{"myprogram": "active"}})
    print(arbiter.numprocesses(), arbiter.statuses(), flush=True)
    arbiter.stop()

@functools.wraps(package.get_arbiter)
def elsewhere(*args, _make=package.get_arbiter, **options):
    endpoints = {{"controller": "ipc://control", "pubsub_endpoint": "ipc://events"}}
    arbiter = _make(*args, **options, **endpoints, copy_env=True)
    threading.Thread(target=stop_when_told, args=[arbiter], daemon=True).start()
    return arbiter

package.get_arbiter = elsewhere
"""


@pytest.mark.parametrize("package", ["circus", "circus_core"])
def test_the_example_of_get_arbiter_runs_three_processes(package: str, tmp_path: Path) -> None:
    program = tmp_path / "myprogram"
    program.write_text("#!/bin/sh\necho $$ >> started\nexec sleep 1000\n")
    program.chmod(0o755)
    started = tmp_path / "started"
    host = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", (AROUND + PAGE).format(package=package)],
        cwd=tmp_path,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until(lambda: host.poll() is not None or (started.exists() and len(started.read_text().split()) == 3))
    out, err = host.communicate("stop\n", timeout=30)
    assert (out, err, host.returncode) == ("3 {'myprogram': 'active'}\n", "", 0)
    assert not any(psutil.pid_exists(int(pid)) for pid in started.read_text().split())


def test_the_example_of_process_runs_as_it_is_written() -> None:
    process = Process("Top", "exec sleep 1000", shell=True)
    info = process.info()
    assert isinstance(info, dict)
    assert info["pid"] == process.pid
    assert process.age() > 0
    assert process.status == RUNNING
    process.stop()
    assert process.status == UNEXISTING
    assert process.info() == "No such process (stopped?)"


def test_the_example_of_process_has_its_likeness_in_the_kernel() -> None:
    process = start_process("exec sleep 1000", name="Top", shell=True)
    info = process.info()
    assert info is not None
    assert info["pid"] == process.pid
    assert process.age() > 0
    assert process.poll() is None
    process.stop()
    assert process.info() is None
