"""What processes cost: read from this machine, put in the words of `stats`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from circus_core import process_table
from circus_core.amounts import size_text
from circus_core.process_info import NO_READINGS, Reading, _measured, _reading, measure
from circus_core.process_table import ProcessTable, Sample, read_processes

BUSY = "import sys; print('up', flush=True)\nwhile True: pass"
PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "print('up', flush=True)\\nwhile True: pass"])
child.wait()
"""
LEAVES_ZOMBIE = """
import os, sys, time
if os.fork() == 0:
    os._exit(0)
os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
print('up', flush=True)
time.sleep(100)
"""


@contextmanager
def running(*words: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program that says a line when it is ready."""
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, start_new_session=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"up\n"
            yield process
        finally:
            os.killpg(process.pid, 9)


def test_a_process_is_described_as_psutil_does() -> None:
    with running(sys.executable, "-c", BUSY) as process:
        info = measure({process.pid: NO_READINGS})[process.pid].info
        assert info is not None
        other = psutil.Process(process.pid)
        assert (info["pid"], info["username"], info["nice"]) == (process.pid, other.username(), other.nice())
        assert info["cmdline"] == Path(sys.executable).name
        assert info["create_time"] == pytest.approx(other.create_time(), abs=1.5)
        assert info["mem_info2"] == size_text(other.memory_info().vms)
        assert info["mem"] == pytest.approx(other.memory_percent(), abs=0.2)
        assert info["children"] == []


def test_both_ways_to_read_tell_the_same() -> None:
    with running(sys.executable, "-c", PARENT) as process:
        pids = [process.pid, os.getpid()]
        ours, theirs = process_table._read_proc(pids), process_table._read_psutil(pids)
        (child,) = ours.children[process.pid]
        assert list(theirs.children[process.pid]) == [child]
        for pid in (process.pid, child):
            mine, other = ours.samples[pid], theirs.samples[pid]
            assert (mine.command, mine.user, mine.nice) == (other.command, other.user, other.nice)
            assert other.age == pytest.approx(mine.age, abs=5)


def test_the_cpu_of_children_is_counted() -> None:
    with running(sys.executable, "-c", PARENT) as process:
        first = measure({process.pid: NO_READINGS})[process.pid]
        deadline = time.monotonic() + 20
        while True:
            second = measure({process.pid: first.readings})[process.pid]
            assert second.info is not None
            (child,) = second.info["children"]
            if child["cpu"] > 5:  # a core may be shared with many
                break
            assert time.monotonic() < deadline, second.info
            time.sleep(0.01)
        assert second.info["cpu"] < child["cpu"]
        assert child["cmdline"] == Path(sys.executable).name


def test_a_dead_child_is_a_zombie_and_a_dead_process_is_gone() -> None:
    with running(sys.executable, "-c", LEAVES_ZOMBIE) as process:
        measured = measure({process.pid: NO_READINGS})[process.pid]
        assert measured.info is not None
        assert [child["nice"] for child in measured.info["children"]] == ["Zombie"]
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # ended, its status not collected
        assert measure({process.pid: measured.readings})[process.pid].info is None
    assert measure({process.pid: measured.readings})[process.pid].info is None


def test_a_name_with_blanks_and_parentheses_is_no_trouble(tmp_path: Path) -> None:
    program = tmp_path / "a) R 1 (b"
    shutil.copy("/bin/sh", program)
    with running(str(program), "-c", "echo up; read line") as process:
        info = measure({process.pid: NO_READINGS})[process.pid].info
        assert info is not None
        assert info["nice"] == os.nice(0)
        assert " " not in info["cmdline"]


def test_what_may_not_be_read_is_not_available() -> None:
    assert read_processes([os.getpid()]).hidden == []
    table = ProcessTable(samples={}, children={7: []}, hidden=[7], taken_at=1.0)
    info = _measured(7, table, NO_READINGS).info
    assert info is not None
    assert (info["pid"], info["cpu"], info["cmdline"], info["children"]) == (7, "N/A", "N/A", [])


def sample(cpu: float, birth: float = 5.0, age: float = 10.0) -> Sample:
    return Sample(
        pid=1, command="x", user="u", nice=0, rss=1, vms=1, cpu=cpu, age=age, birth=birth, is_zombie=False
    )


def test_the_first_reading_goes_back_to_the_start_of_the_process() -> None:
    assert _reading(sample(cpu=5.0), None, now=100.0).percent == 50.0


def test_later_readings_go_back_to_the_one_before() -> None:
    before = Reading(birth=5.0, cpu=5.0, at=98.0, percent=50.0)
    assert _reading(sample(cpu=7.0), before, now=100.0).percent == 100.0


def test_a_reading_right_after_another_repeats_it() -> None:
    before = Reading(birth=5.0, cpu=5.0, at=99.95, percent=50.0)
    assert _reading(sample(cpu=5.01), before, now=100.0) == before


def test_another_process_with_the_same_pid_starts_anew() -> None:
    before = Reading(birth=1.0, cpu=500.0, at=98.0, percent=50.0)
    assert _reading(sample(cpu=1.0), before, now=100.0).percent == 10.0
