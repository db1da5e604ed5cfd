"""What is measured; each function returns one figure of one contestant."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from pathlib import Path

from benchmarks.contestants import Contestant
from benchmarks.roll_call import RollCall

__all__ = ["idle_cpu", "memory", "respawn", "start"]


def start(contestant: Contestant, count: int) -> float:
    """Seconds from exec of the program until `count` processes have run their first instruction."""
    with tempfile.TemporaryDirectory() as folder, RollCall(Path(folder)) as roll_call:
        begun = time.perf_counter()
        with contestant.running(roll_call.command, count):
            roll_call.wait_for(count)
            return time.perf_counter() - begun


def respawn(contestant: Contestant, count: int) -> float:
    """Seconds from kill -9 of one of `count` processes until its replacement runs its first instruction."""
    with (
        tempfile.TemporaryDirectory() as folder,
        RollCall(Path(folder)) as roll_call,
        contestant.running(roll_call.command, count),
    ):
        victim = roll_call.wait_for(count)[count // 2]
        time.sleep(2.0)  # a process that dies within a second waits longer for its replacement
        begun = time.perf_counter()
        os.kill(victim, signal.SIGKILL)
        roll_call.wait_for(1)
        return time.perf_counter() - begun


def idle_cpu(contestant: Contestant, count: int, seconds: float) -> float:
    """CPU seconds that the program uses in `seconds` of doing nothing for `count` processes."""
    with (
        tempfile.TemporaryDirectory() as folder,
        RollCall(Path(folder)) as roll_call,
        contestant.running(roll_call.command, count) as process,
    ):
        roll_call.wait_for(count)
        time.sleep(1.0)
        before = _cpu_seconds(process.pid)
        time.sleep(seconds)
        return _cpu_seconds(process.pid) - before


def memory(contestant: Contestant, count: int) -> float:
    """MiB of the program alone, shared pages divided among their users (PSS, proc(5))."""
    with (
        tempfile.TemporaryDirectory() as folder,
        RollCall(Path(folder)) as roll_call,
        contestant.running(roll_call.command, count) as process,
    ):
        roll_call.wait_for(count)
        lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
        (pss,) = [line for line in lines if line.startswith("Pss:")]
        return int(pss.split()[1]) / 1024


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
