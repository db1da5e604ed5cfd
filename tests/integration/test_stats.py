"""`stats` and `dstats` of a real daemon: what is measured, and what can't spoil it."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import zmq

from circus_core.errors import RefusedError
from tests.integration.daemon import Daemon, until

Start = Callable[..., Daemon]

BUSY_CHILD = "import os\nos.fork()\nwhile True: pass\n"
BIG = "import time\nheld = bytearray(64 << 20)\nprint('up', flush=True)\ntime.sleep(1000)\n"
ZOMBIE = "import os, time\nif os.fork() == 0: os._exit(0)\ntime.sleep(1000)\n"
HOOKS = """
import time

def adds(watcher, arbiter, hook, pid, stats):
    stats["hits"] = stats["wid"] * 10

def explodes(watcher, arbiter, hook, pid, stats):
    stats["cpu"] = None
    if stats["wid"] == 1:
        raise RuntimeError("hook exploded")
    stats["hits"] = 1

def says_nonsense(watcher, arbiter, hook, pid, stats):
    stats["hits"] = {1, 2}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the daemon's programs and hooks are; its first one has this folder."""
    made = tmp_path / "d0"
    made.mkdir()
    (made / "stat_hooks.py").write_text(HOOKS)
    for name, text in (("busy", BUSY_CHILD), ("big", BIG), ("zombie", ZOMBIE)):
        (made / f"{name}.py").write_text(text)
    return made


def section(name: str, cmd: str, *options: str) -> str:
    return "\n".join((f"[watcher:{name}]", f"cmd = {cmd}", "graceful_timeout = 1", *options, ""))


def entry(daemon: Daemon, name: str) -> dict[str, Any]:
    """Return the entry of a watcher's only process."""
    (found,) = daemon.call("stats", name=name)["info"].values()
    assert isinstance(found, dict)
    return found


def test_memory_and_cpu_are_those_of_the_program(circusd: Start, folder: Path) -> None:
    daemon = circusd(
        section("busy", f"{sys.executable} {folder}/busy.py", "stop_children = True")
        + section("big", f"{sys.executable} {folder}/big.py")
    )
    daemon.watcher("busy").until_pids(1)

    def busy() -> bool:
        found = entry(daemon, "busy")
        children = found["children"]
        return found["cpu"] > 1 and len(children) == 1 and children[0]["cpu"] > 1  # of a machine that is busy

    until(busy, lambda: str(entry(daemon, "busy")))
    until(lambda: float(entry(daemon, "big")["mem_info1"].rstrip("KM")) >= 64)
    big = entry(daemon, "big")
    assert (big["mem_info1"][-1], big["cmdline"], big["children"]) == ("M", Path(sys.executable).name, [])
    assert big["started"] == pytest.approx(time.time() - big["age"], abs=5)
    assert big["wid"] == 1


def test_the_text_has_the_columns_of_0_19(circusd: Start) -> None:
    daemon = circusd(section("tree", "sh -c 'sleep 1000 & wait'", "numprocesses = 2", "stop_children = True"))
    w = daemon.watcher("tree")
    w.until_pids(2)

    def has_sleeper(info: dict[str, Any]) -> bool:
        """It was forked, and has executed its program."""
        return [child["cmdline"] for child in info["children"]] == ["sleep"]

    until(lambda: all(map(has_sleeper, daemon.call("stats")["infos"]["tree"].values())))
    first, second = w.pids()
    head, *lines = daemon.ctl("stats", "tree").stdout.splitlines()
    assert head == "tree:"
    assert [line.split()[:2] for line in lines[::2]] == [[f"{pid}:", str(pid)] for pid in (first, second)]
    assert all(line.split()[2] == "sh" and len(line.split()) == 10 for line in lines[::2])
    assert all(line.startswith("   ") and line.split()[1] == "sleep" for line in lines[1::2])
    one = daemon.ctl("stats", "tree", str(second)).stdout.splitlines()
    assert one[0].startswith(f"{second}: {second}  sh ")
    everything = daemon.ctl("stats").stdout.splitlines()
    assert {"tree:", "zz-beacon:"} <= set(everything)
    main, own = daemon.ctl("dstats").stdout.splitlines()
    assert (main, own.split()[0], own[:4]) == ("Main Process:", str(daemon.pid), "    ")


def test_a_dead_child_is_told_of_as_a_zombie(circusd: Start, folder: Path) -> None:
    daemon = circusd(section("z", f"{sys.executable} {folder}/zombie.py"))
    daemon.watcher("z").until_pids(1)
    until(lambda: [child["nice"] for child in entry(daemon, "z")["children"]] == ["Zombie"])


def test_processes_that_vanish_meanwhile_do_no_harm(circusd: Start) -> None:
    daemon = circusd(section("w", "sleep 1000", "numprocesses = 8", "max_retry = -1"))
    w = daemon.watcher("w")
    w.until_pids(8)
    for _ in range(20):
        for pid in w.pids()[:4]:
            with suppress(ProcessLookupError):  # the list may still have one that is being buried
                os.kill(pid, signal.SIGKILL)
        infos = daemon.call("stats", name="w")["info"]
        for pid, info in infos.items():
            assert info == "No such process (stopped?)" or info["pid"] == int(pid)
    daemon.call("stop", name="w", waiting=True)
    assert daemon.call("stats", name="w")["info"] == {}
    gone = 4_000_000
    with pytest.raises(RefusedError, match=f"process {gone} not found in 'w'"):
        daemon.call("stats", name="w", process=gone)


def test_an_extended_stats_hook_adds_its_figures(circusd: Start, folder: Path) -> None:
    daemon = circusd(section("w", "sleep 1000", "numprocesses = 3", "hooks.extended_stats = stat_hooks.adds"))
    pids = daemon.watcher("w").until_pids(3)
    infos = daemon.call("stats", name="w", extended=True)["info"]
    assert [infos[str(pid)]["hits"] for pid in pids] == [10, 20, 30]
    assert "hits" not in daemon.call("stats", name="w")["info"][str(pids[0])]
    one = daemon.call("stats", name="w", process=str(pids[2]), extended=True)
    assert (one["process"], one["info"]["hits"]) == (pids[2], 30)


@pytest.mark.parametrize("hook", ["explodes", "says_nonsense"])
def test_an_extended_stats_hook_fails_alone(circusd: Start, folder: Path, hook: str) -> None:
    daemon = circusd(
        section("w", "sleep 1000", "numprocesses = 2", f"hooks.extended_stats = stat_hooks.{hook}")
    )
    first, second = daemon.watcher("w").until_pids(2)
    infos = daemon.call("stats", name="w", extended=True)["info"]
    assert infos[str(first)]["cpu"] >= 0
    assert "hits" not in infos[str(first)]
    assert infos[str(second)].get("hits") == (1 if hook == "explodes" else None)
    daemon.events.wait("w", "hook_failure")
    failed = daemon.call("describe", name="w")["descriptions"]["w"]["hooks"]["extended_stats"]
    assert failed["error"]
    daemon.stop()
    daemon.log_path.write_text(daemon.log().replace("Traceback", "[traceback]"))


def test_dstats_count_what_was_refused(circusd: Start) -> None:
    daemon = circusd("")
    reply = daemon.call("dstats")
    assert {key: reply[key] for key in reply if key.endswith(("dropped", "refused"))} == {
        "events_dropped": 0,
        "output_bytes_dropped": 0,
        "replies_dropped": 0,
        "requests_refused": 0,
    }
    assert reply["info"]["pid"] == daemon.pid
    assert reply["info"]["children"] == []
    own = len(os.listdir(f"/proc/{daemon.pid}/fd"))
    assert own - 1 <= reply["info"]["open_files"] <= own + 1
    assert reply["info"]["threads"] >= 1


def test_many_clients_may_ask_at_the_same_time(circusd: Start) -> None:
    daemon = circusd(section("w", "sleep 1000", "numprocesses = 20"))
    daemon.watcher("w").until_pids(20)

    def ask(_: int) -> dict[str, Any]:
        with daemon.client() as client:
            return client.send("stats")

    with ThreadPoolExecutor(20) as threads:
        replies = list(threads.map(ask, range(40)))
    assert all(len(reply["infos"]["w"]) == 20 for reply in replies)


def test_replies_to_a_client_that_never_reads_are_counted(circusd: Start) -> None:
    daemon = circusd(section("w", "sleep 1000"))
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        deaf = context.socket(zmq.DEALER)
        deaf.setsockopt(zmq.RCVHWM, 1)
        deaf.setsockopt(zmq.SNDHWM, 0)
        deaf.connect(daemon.endpoint)
        request = json.dumps({"command": "options", "properties": {"name": "w"}}).encode()
        for _ in range(20_000):
            deaf.send(request)
        until(lambda: daemon.call("dstats")["replies_dropped"], lambda: str(daemon.call("dstats")))
        assert "replies_dropped: " in daemon.ctl("dstats").stdout
    finally:
        context.destroy(linger=0)
