"""`signal` and `kill` of a real daemon: whom a signal reaches."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from circus_core.errors import RefusedError
from tests.integration.daemon import Daemon, until

Start = Callable[..., Daemon]

TREE = """
import os, pathlib, signal, sys, time
here = pathlib.Path(sys.argv[1])

def told(signum, frame):
    (here / f"{os.getpid()}.told").touch()

signal.signal(signal.SIGUSR1, told)
depth = int(sys.argv[2])
if depth and os.fork() == 0:
    os.execv(sys.executable, [sys.executable, __file__, sys.argv[1], str(depth - 1)])
(here / f"{os.getpid()}.up").touch()
while True:
    time.sleep(1000)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "d0"
    made.mkdir()
    (made / "tree.py").write_text(TREE)
    return made


def families(daemon: Daemon, folder: Path, number: int) -> list[list[int]]:
    """Return the pids of each worker of `w`, its child and its grandchild, when all are ready."""
    workers = daemon.watcher("w").until_pids(number)
    until(lambda: len(list(folder.glob("*.up"))) == 3 * number)
    return [[pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))] for pid in workers]


def killed(daemon: Daemon) -> list[str]:
    """Kill what the daemon started, and return what there was; one that was just forked is not seen yet."""
    found = daemon.descendants()
    for line in found:
        with suppress(ProcessLookupError):
            os.kill(int(line.split()[0]), signal.SIGKILL)
    return found


def told(folder: Path) -> set[int]:
    return {int(path.stem) for path in folder.glob("*.told")}


@pytest.mark.parametrize(
    ("properties", "reached"),
    [({}, [0]), ({"children": True}, [1]), ({"recursive": True}, [0, 1, 2])],
)
def test_a_signal_reaches_whom_it_is_meant_for(
    circusd: Start, folder: Path, properties: dict[str, bool], reached: list[int]
) -> None:
    daemon = circusd(
        f"[watcher:w]\ncmd = {sys.executable} {folder}/tree.py {folder} 2\nnumprocesses = 3\n"
        f"[watcher:other]\ncmd = {sys.executable} {folder}/tree.py {folder} 0\nautostart = False\n"
    )
    trees = families(daemon, folder, 3)
    daemon.call("signal", name="w", signum="USR1", **properties)
    wanted = {tree[place] for tree in trees for place in reached}
    until(lambda: told(folder) >= wanted)
    daemon.call("signal", name="*", match="glob", signum=0)
    assert told(folder) == wanted


def test_a_signal_that_kills_reaches_grandchildren_too(circusd: Start, folder: Path) -> None:
    daemon = circusd(
        f"[watcher:w]\ncmd = {sys.executable} {folder}/tree.py {folder} 2\n"
        "numprocesses = 2\nkill_descendants = False\n"
    )
    trees = families(daemon, folder, 2)
    daemon.call("signal", name="w", signum="KILL", recursive=True)
    until(lambda: not any(psutil.pid_exists(pid) for tree in trees for pid in tree))
    daemon.call("stop", name="w", waiting=True)
    until(lambda: len(daemon.descendants()) <= 4, lambda: str(daemon.descendants()))
    until(lambda: not killed(daemon))  # what the replacements left, as they were told to


def test_the_daemon_answers_others_while_it_looks_for_descendants(circusd: Start) -> None:
    daemon = circusd("[watcher:w]\ncmd = sleep 1000\nnumprocesses = 200\ngraceful_timeout = 2\n")
    daemon.watcher("w").until_pids(200)
    daemon.call("signal", name="w", signum="CONT", recursive=True)
    assert len(daemon.watcher("w").pids()) == 200


def test_kill_by_pattern_replaces_the_processes_of_all_that_match(circusd: Start) -> None:
    daemon = circusd("".join(f"[watcher:{name}]\ncmd = sleep 1000\n" for name in ("w1", "w2", "x")))
    before = {name: daemon.watcher(name).until_pids(1)[0] for name in ("w1", "w2", "x")}
    daemon.call("kill", name="w*", match="glob", waiting=True)
    assert {name for name, pid in before.items() if daemon.watcher(name).until_pids(1)[0] == pid} == {"x"}
    with pytest.raises(RefusedError, match=r"program w\* not found"):
        daemon.call("kill", name="w*")


def test_reload_by_pattern_leaves_stopped_ones_alone(circusd: Start) -> None:
    daemon = circusd(
        "[watcher:w1]\ncmd = sleep 1000\n[watcher:w2]\ncmd = sleep 1000\n"
        "[watcher:w3]\ncmd = sleep 1000\nautostart = False\n[watcher:x]\ncmd = sleep 1000\n"
    )
    before = {name: daemon.watcher(name).until_pids(1)[0] for name in ("w1", "w2", "x")}
    reply = daemon.call("reload", name="w?", match="glob", waiting=True)
    assert set(reply) == {"status", "time", "id"}
    after = {name: daemon.watcher(name).until_pids(1)[0] for name in ("w1", "w2", "x")}
    assert {name for name in before if before[name] == after[name]} == {"x"}
    assert daemon.watcher("w3").status() == "stopped"
