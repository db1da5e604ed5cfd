"""The plugin that the documentation of Circus shows, in every place where a plugin can run."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from circus_core.testing import Daemon, Watch, until
from tests.documented_logger import LOGGER

WEB = """
[watcher:web]
cmd = sleep 1000
autostart = False
"""
NAME = "myproject.plugins.Logger"
BY_HAND = (sys.executable, "-m", "circus_core.cli.circus_plugin")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package that the page speaks of."""
    package = tmp_path / "myproject"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "plugins.py").write_text(LOGGER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)


def check_life_of_web(daemon: Daemon, written: Path) -> None:
    """Let a process live and end, and see that the file tells it as the page says."""
    web = daemon.watcher("web")
    web.do("start")
    pid = web.pid()
    web.do("stop")
    until(lambda: "stop web::" in text(written), lambda: text(written))
    lines = [line.partition(" web::") for line in text(written).splitlines() if " web::" in line]
    actions = [action for action, _, _ in lines]
    assert [action for action in actions if action != "state"] == ["spawn", "start", "kill", "reap", "stop"]
    spawn = next(ast.literal_eval(message) for action, _, message in lines if action == "spawn")
    assert spawn["process_pid"] == pid


def text(file: Path) -> str:
    return file.read_text() if file.exists() else ""


def test_it_runs_under_circusd_in_both_hosts(run_plugin: Callable[..., Watch], tmp_path: Path) -> None:
    written = tmp_path / "circus.log"
    plugin = run_plugin(NAME, WEB, filename=written)
    check_life_of_web(plugin.daemon, written)
    plugin.do("stop")
    assert "Traceback" not in plugin.daemon.log()


@contextmanager
def by_hand(daemon: Daemon, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the line of the page, in a folder."""
    endpoints = ("--endpoint", daemon.endpoint, "--pubsub", daemon.pubsub_endpoint)
    words = [*BY_HAND, *endpoints, "--config", "filename:circus-events.log", NAME]
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(words, cwd=folder, stdout=said, stderr=said)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_it_runs_by_hand(circusd: Callable[..., Daemon], tmp_path: Path) -> None:
    daemon = circusd(f"{WEB}\n[watcher:bell]\ncmd = true\nautostart = False\n")
    written = tmp_path / "circus-events.log"
    with by_hand(daemon, tmp_path) as plugin:

        def hears() -> bool:
            daemon.call("set", name="bell", options={"max_retry": 5})
            return "updated bell::" in text(written)

        until(hears, lambda: text(tmp_path / "said"))
        check_life_of_web(daemon, written)
        plugin.terminate()
        assert plugin.wait(20) == 0
    said = text(tmp_path / "said")
    assert "Loading the plugin..." in said
    assert "Traceback" not in said
