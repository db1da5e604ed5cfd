"""docs/circus-top.md tells all options, keys and exit statuses, and its picture is what circus-top draws.

CIRCUS_WRITE_SCREENS=1 draws the picture anew.
"""

from __future__ import annotations

import asyncio
import math
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from circus_core.testing import Daemon
from circus_stats.top.actions import ACTIONS
from circus_stats.top.app import TopApp
from circus_stats.top.settings import Settings
from circus_stats.top.status import Feed, State, Status

PATH = Path(__file__).parents[2] / "docs" / "circus-top.md"
PAGE = PATH.read_text()
PICTURE = re.compile(r"(?<=begin -->\n```text\n).*?(?=```\n<!-- made by)", re.DOTALL)
EXAMPLES = re.findall(r"^\$ (.*)$", PAGE, re.MULTILINE)
PROGRAM = [sys.executable, "-m", "circus_stats.top.main"]

Worker = tuple[int, float, int, float, str]
"""Pid, percent of cpu, MiB, seconds, command."""

SHOP: dict[str, list[Worker]] = {
    "web": [
        (4411, 71.0, 412, 93784, "gunicorn"),
        (4412, 38.0, 396, 93784, "gunicorn"),
        (4599, 2.0, 259, 611, "gunicorn"),
    ],
    "worker": [(4420, 24.0, 97, 1509913, "python"), (4421, 31.0, 89, 1509913, "python")],
    "cache": [(4430, 3.0, 1500, 8640000, "redis-server")],
    "plugin:flapping": [(4440, 0.2, 33, 8640000, "circus-plugin")],
}


def told(worker: Worker, at: int) -> dict[str, Any]:
    """A message of the stream: cpu goes up and down around a mean."""
    pid, cpu, rss, age, command = worker
    now = cpu * (1 + 0.6 * math.sin(pid + at / 1.7) * math.cos(at / 3.1))
    family = {"cpu": now, "mem": rss / 160, "rss": rss << 20, "fds": 12, "threads": 3}
    return {"pid": pid, "age": age, "cmdline": command, "name": None, "family": family, "interval": 1.0}


def fill(app: TopApp) -> None:
    """Let the program know a shop, as if it had been told for a while."""
    model, now = app.session.model, time.monotonic()
    for at in range(60):
        for name, processes in SHOP.items():
            for worker in processes:
                model.apply_stat(name, worker[0], told(worker, at), now)
            model.apply_stat(name, None, {"pid": [each[0] for each in processes], "kind": "watcher"}, now)
        model.apply_stat("circus", 4400, {**told((4400, 0.6, 39, 8640000, ""), at), "name": "circusd"}, now)
        model.apply_stat(
            "circus", 4401, {**told((4401, 1.9, 38, 8640000, ""), at), "name": "circusd-stats"}, now
        )
        model.apply_stat("circus", None, {"pid": [4400, 4401], "kind": "watcher"}, now)
        socket = {"fd": 8, "address": "127.0.0.1:8000", "name": "http", "connections": 31, "waiting": 0}
        model.apply_stat("sockets", 8, {**socket, "reads": 120 + at % 7 * 9, "interval": 1.0}, now)
    for name, processes in SHOP.items():
        restarts, exits = (2, [{"exit_code": -9, "time": None}]) if name == "web" else (0, [])
        wids = [{"pid": each[0], "wid": wid, "state": "running"} for wid, each in enumerate(processes, 1)]
        state = {"name": name, "state": "active", "numprocesses": len(wids), "cmd": f"./{name}"}
        model.apply_description({**state, "restarts": restarts, "exits": exits, "processes": wids}, now)
    model.apply_description({"name": "mail", "state": "stopped", "numprocesses": 1, "restarts": 0}, now)
    backoff = {"exit_code": 3, "time": None}
    model.apply_description(
        {"name": "jobs.nightly", "state": "starting", "numprocesses": 1, "restarts": 14, "exits": [backoff]},
        now,
    )


async def picture(folder: Path) -> str:
    app = TopApp(Settings(control=f"ipc://{folder}/nobody"))
    async with app.run_test(size=(100, 24)) as pilot:
        app.workers.cancel_all()  # nobody is there to be followed
        fill(app)
        app.session.status = Status(state=State.UP, feed=Feed.STREAM)
        app._settings = Settings()
        app._table.select(0)
        await pilot.pause()
        app._draw()
        await pilot.press("down", "down", "down", "down")
        strips = app.screen._compositor.render_strips()
        return "\n".join(strip.text.rstrip() for strip in strips) + "\n"


def test_the_picture_is_what_is_drawn(tmp_path: Path) -> None:
    drawn = asyncio.run(picture(tmp_path))
    if "CIRCUS_WRITE_SCREENS" in os.environ:
        PATH.write_text(PICTURE.sub(lambda _: drawn, PATH.read_text()))
    found = PICTURE.search(PATH.read_text())
    assert found
    assert found[0] == drawn


def row_heads(title: str) -> list[str]:
    """Return the first cells of the table whose head begins like this."""
    table = PAGE.split(f"\n| {title} |", 1)[1].split("\n\n", 1)[0]
    return [line.split("|")[1].strip() for line in table.splitlines()[2:]]


def test_every_option_has_its_row() -> None:
    done = subprocess.run([*PROGRAM, "--help"], capture_output=True, text=True, timeout=60, check=True)
    options = set(re.findall(r"^  (--[a-z-]+)", done.stdout, re.MULTILINE))
    assert options == {re.findall(r"--[a-z-]+", head)[0] for head in row_heads("option")}


def test_every_key_that_does_something_has_its_row() -> None:
    keys = {key for head in row_heads("key") for key in re.split(r",? ", head)}
    assert {action.key for action in ACTIONS} <= keys


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with Daemon(tmp_path_factory.mktemp("daemon"), "[watcher:web]\ncmd = sleep 1000") as running:
        yield running


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_print_something(example: str, daemon: Daemon) -> None:
    name, *words = example.split()
    assert name == "circus-top"
    env = {**os.environ, "CIRCUSCTL_ENDPOINT": daemon.endpoint}
    patient = [*PROGRAM, *words, "--timeout", "60"]  # a daemon that answers slowly is asked seldom
    done = subprocess.run(patient, capture_output=True, text=True, timeout=80, check=True, env=env)
    assert "web" in done.stdout
