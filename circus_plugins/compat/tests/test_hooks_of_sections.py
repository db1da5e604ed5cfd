"""Functions named in a watcher's section see watchers and arbiters as 0.19 had them, wherever they run."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from circus.arbiter import Arbiter
from circus.process import RUNNING
from circus.watcher import Watcher
from circus_core.testing.circusd import Daemon, until

HOOKS = """
    import json, os, signal
    import circus

    def note(*what):
        with open(os.environ["NOTES"], "a") as file:
            print(json.dumps(what), file=file)

    def before_spawn(watcher, arbiter, hook_name, **kw):
        watcher.env["COLOUR"] = watcher._options.get("colour")
        note(hook_name, watcher.name, watcher.numprocesses, watcher.status(), arbiter.numwatchers())
        circus.logger.info("spawn")
        return True

    def after_spawn(watcher, arbiter, hook_name, pid, **kw):
        process = watcher.processes[pid]
        is_ours = arbiter.get_watcher("WEB") is watcher
        note(hook_name, process.wid, process.started > 0, process.status, is_ours)
        return True

    def after_start(watcher, arbiter, hook_name, **kw):
        pid = watcher.get_active_pids()[0]
        watcher.send_signal(pid, signal.SIGURG)
        note(hook_name, type(watcher).__module__, type(arbiter).__module__, dict(watcher.options())["colour"])
        return True

    def before_signal(watcher, arbiter, hook_name, pid, signum, **kw):
        note(hook_name, signum, pid in watcher.processes)
        return True

    def extended_stats(watcher, arbiter, hook_name, pid, stats, **kw):
        stats["colour"] = watcher._options["colour"]
"""

NAMES = ("before_spawn", "after_spawn", "after_start", "before_signal", "extended_stats")

EXPECTED: list[list[Any]] = [
    ["before_spawn", "web", 1, "starting", 1],
    ["after_spawn", 1, True, RUNNING, True],
    ["after_start", "circus.watcher", "circus.arbiter", "red"],
    ["before_signal", signal.SIGURG, True],
    ["before_signal", signal.SIGTERM, True],
]


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[Any]]:
    """Write the module of hooks; return what reads what they noted."""
    (tmp_path / "old_hooks.py").write_text(textwrap.dedent(HOOKS))
    monkeypatch.setenv("NOTES", str(tmp_path / "notes"))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "old_hooks", raising=False)
    return lambda: sorted(
        (json.loads(line) for line in (tmp_path / "notes").read_text().splitlines()), key=_in_order
    )


def _in_order(note: list[Any]) -> int:
    """Threads note what happens at the same time as they come."""
    return NAMES.index(note[0])


def colour_of(pid: int) -> str:
    """Return what the process got; within execve(2) it has no environment for a moment."""
    environ: dict[str, str] = {}
    until(lambda: environ.update(psutil.Process(pid).environ()) or environ)
    return environ["COLOUR"]


def test_in_an_arbiter_made_by_hand(tmp_path: Path, notes: Callable[[], list[Any]]) -> None:
    hooks = {name: (f"old_hooks.{name}", False) for name in NAMES}

    async def scenario() -> None:
        web = Watcher("web", "sleep 1000", hooks=hooks, colour="red")
        arbiter = Arbiter([web], f"ipc://{tmp_path}/control", f"ipc://{tmp_path}/events")
        await arbiter.start()
        assert colour_of(web.pids[0]) == web.processes[web.pids[0]].env["COLOUR"] == "red"
        assert web.process_info(web.pids[0], extended=True)["colour"] == "red"
        await arbiter.stop()

    asyncio.run(scenario())
    assert notes() == EXPECTED


def test_in_a_daemon(circusd: Callable[..., Daemon], tmp_path: Path, notes: Callable[[], list[Any]]) -> None:
    lines = [f"hooks.{name} = old_hooks.{name}" for name in NAMES]
    sections = "\n".join(["[watcher:web]", "cmd = sleep 1000", "colour = red", *lines])
    daemon = circusd(sections, env={"PYTHONPATH": str(tmp_path), "NOTES": f"{tmp_path}/notes"})
    daemon.watcher("web").until("active")
    pid = daemon.watcher("web").pid()
    assert colour_of(pid) == "red"
    info: Any = daemon.call("stats", name="web", extended=True)
    assert info["info"][str(pid)]["colour"] == "red"
    until(lambda: len(notes()) == len(EXPECTED) - 1)
    assert daemon.stop() == 0
    found = notes()
    assert found[1:] == EXPECTED[1:]
    assert found[0][:4] == EXPECTED[0][:4]  # the daemon has another watcher for the test's own use
