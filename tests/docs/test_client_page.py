"""Every program on the page about clients runs as it stands but for the endpoint, and prints what is said."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.daemon import Daemon, until

PAGE = Path(__file__).parents[2] / "docs" / "client.md"
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
STATES = {"lazy": "active", "stubborn": "active", "web": "active", "zz-beacon": "stopped"}
PRINTS = [
    f"active\n3\n3\n1 {STATES}\n",
    "4\nerror program nobody not found\n",
    "3 program nobody not found\nit is still about to stop\n",
    "",
    "ended with -15\nended with -15\nweb runs again\n",
    "2 stopped\nweb\n",
]
SECTIONS = """\
[watcher:web]
cmd = sleep 1000
numprocesses = 2

[watcher:lazy]
cmd = sleep 1000
autostart = False

[watcher:stubborn]
cmd = sh -c 'trap "" TERM; : > ready; exec sleep 1000'
working_dir = .
"""


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    sections = SECTIONS.replace("working_dir = .", f"working_dir = {tmp_path}")
    with Daemon(tmp_path / "daemon", sections) as running:
        running.watcher("web").until_pids(2)
        until((tmp_path / "ready").exists)
        stubborn = running.watcher("stubborn").pid()
        yield running
        running.call("stop", name="stubborn")
        os.kill(stubborn, signal.SIGKILL)


@pytest.mark.parametrize(("program", "prints"), list(zip(PROGRAMS, PRINTS, strict=True)))
def test_a_program_of_the_page_does_what_it_says(daemon: Daemon, program: str, prints: str) -> None:
    moved = re.sub(r"(CircusClient)\((?=[a-z)])", rf'\1("{daemon.endpoint}", ', program)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", moved], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == (prints, "", 0)
