"""A thousand processes: how long they take, and that an idle daemon does nothing.

CIRCUS_IDLE_SECONDS says how long the daemon is watched, 5 if it is not set. `pytest -rP` shows the figures.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.stack import Stack, alive

COUNT = 1000
IDLE = float(os.environ.get("CIRCUS_IDLE_SECONDS", "5"))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks into /proc"),
]


@dataclass(frozen=True, slots=True)
class Work:
    """What a process has done so far.

    Attributes:
        ticks: of processor time, see sysconf(3) _SC_CLK_TCK.
        sleeps: how often each thread went to sleep of its own will, so each wake-up is one more.
    """

    ticks: int
    sleeps: Mapping[str, int]

    @classmethod
    def of(cls, pid: int) -> Work:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        tasks = Path(f"/proc/{pid}/task").iterdir()
        return cls(int(fields[11]) + int(fields[12]), {task.name: _sleeps(task) for task in tasks})

    def ticks_since(self, before: Work) -> int:
        return self.ticks - before.ticks

    def wake_ups_since(self, before: Work) -> int:
        """A thread that has ended woke up once to do so, at least."""
        ended = len(before.sleeps.keys() - self.sleeps.keys())
        return ended + sum(count - before.sleeps.get(task, 0) for task, count in self.sleeps.items())


@pytest.mark.parametrize(("watchers", "processes"), [(COUNT, 1), (1, COUNT)], ids=["watchers", "processes"])
def test_a_thousand_start_rest_and_stop(tmp_path: Path, watchers: int, processes: int) -> None:
    (tmp_path / "circus.ini").write_text(_config(tmp_path, watchers, processes))
    begin = time.monotonic()
    with Stack(tmp_path, endpoint=f"ipc://{tmp_path}/control") as stack:
        stack.wait_until_up()
        _wait_for_children(stack.process.pid, begin + 120)
        started = time.monotonic() - begin
        ticks, wake_ups = _wait_until_idle(stack.process.pid)
        memory = psutil.Process(stack.process.pid).memory_full_info()
        begin = time.monotonic()
        stack.ask("status")
        answered = time.monotonic() - begin
        family = stack.family()

        begin = time.monotonic()
        assert stack.interrupt() == 0, stack.log()[-2000:]
        stopped = time.monotonic() - begin
        assert not alive(family)
    print(
        f"{watchers} x {processes}: started after {started:.2f} s, stopped after {stopped:.2f} s; idle for "
        f"{IDLE:g} s: {ticks} ticks of processor time, {wake_ups} wake-ups; status in "
        f"{answered * 1000:.0f} ms; RSS {memory.rss / 2**20:.1f} MiB, PSS {memory.pss / 2**20:.1f} MiB"
    )


def _config(folder: Path, watchers: int, processes: int) -> str:
    sections = "".join(
        f"[watcher:sleeper{number}]\ncmd = sleep 100000\nnumprocesses = {processes}\n\n"
        for number in range(watchers)
    )
    return (
        f"[circus]\nendpoint = ipc://{folder}/control\npubsub_endpoint = ipc://{folder}/events\n\n{sections}"
    )


def _wait_for_children(pid: int, deadline: float) -> None:
    """Wait until all have executed their program; looks seldom, not to be what takes the time."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    while len(children.read_text().split()) < COUNT:
        assert time.monotonic() < deadline, children.read_text()
        time.sleep(0.02)


def _wait_until_idle(pid: int) -> tuple[int, int]:
    """Wait until the daemon, which has done all that follows the last start, does nothing for IDLE seconds.

    Returns:
        ticks and wake-ups in that time: one or two, of a thread that had work and ends.
    """
    deadline = time.monotonic() + 60
    while True:
        before = Work.of(pid)
        time.sleep(IDLE)
        now = Work.of(pid)
        ticks, wake_ups = now.ticks_since(before), now.wake_ups_since(before)
        if ticks <= 1 and wake_ups <= 2:
            return ticks, wake_ups
        assert time.monotonic() < deadline, f"the daemon never rests: {ticks} ticks, {wake_ups} wake-ups"


def _sleeps(task: Path) -> int:
    """Return how often a thread went to sleep; 0 if it has ended just now."""
    try:
        lines = (task / "status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))
