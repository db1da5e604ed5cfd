"""Many slow writers do not wake the daemon for each of their lines."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from circus_core.testing import Daemon
from tests.stack import wait_until
from tests.writer import LINE, writer

_WRITERS = 20
_LINES = 2000  # of each, a thousand per second


def test_a_line_of_many_writers_costs_a_small_part_of_a_wake_up(
    circusd: Callable[..., Daemon], tmp_path: Path
) -> None:
    daemon = circusd(
        f"[watcher:w]\ncmd = {writer(tmp_path)} {_LINES} {LINE} 1000\nnumprocesses = {_WRITERS}\n"
        f"autostart = False\nrespawn = False\nstdout_stream.filename = {tmp_path}/log\n"
    )
    daemon.watcher("w").do("start")
    log = tmp_path / "log"
    begun = _wake_ups(daemon.pid)
    wait_until(
        lambda: log.exists() and log.stat().st_size >= _WRITERS * _LINES * LINE, "all lines are written"
    )
    assert _wake_ups(daemon.pid) - begun < _WRITERS * _LINES / 5


def _wake_ups(pid: int) -> int:
    """Return how often its threads went to sleep so far: proc_pid_status(5)."""
    count = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has just ended
            (found,) = re.findall(r"\nvoluntary_ctxt_switches:\s(\d+)", (task / "status").read_text())
            count += int(found)
    return count
