"""The examples of docs/plugins.md run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from circus_core.plugin.base import CircusPlugin
from circus_core.testing import Daemon
from circus_core.testing.daemon import StandInDaemon, wait_until

PAGE = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text()


def _examples(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


LOGGER, MOURNER, SPARE, KINDS, TEST = _examples("python")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package that the page speaks of."""
    package = tmp_path / "myproject"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "plugins.py").write_text(LOGGER)
    (package / "mourner.py").write_text(MOURNER)
    (package / "spare.py").write_text(SPARE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    return tmp_path


def _start(stack: ExitStack, words: list[str], folder: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-m", *words], cwd=folder, env=dict(os.environ))
    stack.callback(process.wait)
    stack.callback(process.kill)
    return process


def test_the_logger_runs_by_hand(project: Path) -> None:
    (line,) = _examples("sh")
    program, *words = shlex.split(line)
    assert program == "circus-plugin"
    events = project / "circus-events.log"
    with StandInDaemon(project) as daemon, ExitStack() as stack:
        endpoints = ["--endpoint", daemon.endpoint, "--pubsub", daemon.pubsub_endpoint]
        plugin = _start(stack, ["circus_core.cli.circus_plugin", *endpoints, *words], project)
        daemon.wait_for_subscriber()
        daemon.publish("web", "start", time=1.5)
        wait_until(lambda: events.exists() and events.read_text() == "start web {'time': 1.5}\n", "the event")
        plugin.terminate()
        assert plugin.wait(20) == 0


def test_the_logger_runs_under_circusd(project: Path) -> None:
    section = _examples("ini")[0]
    circus = f"[circus]\nendpoint = ipc://{project}/control\npubsub_endpoint = ipc://{project}/events\n"
    web = "[watcher:web]\ncmd = sleep 0.2\n"
    (project / "circus.ini").write_text(circus + web + section.replace("/var/myproject", str(project)))
    events = project / "circus.log"
    with ExitStack() as stack:
        daemon = _start(stack, ["circus_core.cli.circusd", "circus.ini"], project)
        wait_until(lambda: events.exists() and "spawn web" in events.read_text(), "a spawn")
        daemon.terminate()
        assert daemon.wait(20) == 0


def test_the_mourner_runs_inside_circusd(project: Path, circusd: Callable[..., Daemon]) -> None:
    section = _examples("ini")[1]
    daemon = circusd(f"[watcher:web]\ncmd = sleep 1000\nautostart = False\n{section}autostart = False\n")
    daemon.call("start", name="plugin:mourner")
    daemon.events.wait("plugin:mourner", "ready")
    daemon.watcher("web").do("start")
    pid = daemon.watcher("web").pid()
    daemon.call("signal", name="web", signum=9)
    wait_until(lambda: f"web: {pid} was killed, it is active" in daemon.log(), daemon.log)


def test_the_example_of_a_test_passes(project: Path) -> None:
    (project / "test_spare.py").write_text(TEST)
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_spare.py"]
    result = subprocess.run(words, cwd=project, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_the_entry_point_is_in_the_namespace_of_plugins() -> None:
    (text,) = _examples("toml")
    groups = tomllib.loads(text)["project"]["entry-points"]
    assert groups.keys() == {"circus.plugins", "circus.plugin_options"}
    assert all(names.keys() == {"spare"} for names in groups.values())


def test_the_class_with_the_declared_options_is_checked(project: Path) -> None:
    indented = KINDS.partition("KINDS = ")[2].strip()
    (project / "myproject" / "spare.py").write_text(
        f"{KINDS}\n{SPARE}".replace('name = "spare"', f'name = "spare"\n    option_kinds = {indented}')
    )
    used = set(re.findall(r'config(?:\[|\.get\()"(\w+)"', SPARE))
    written = "".join(f"{name} = 1\n" for name in sorted(used))
    path = project / "circus.ini"
    path.write_text(f"[plugin:spare]\nuse = myproject.spare.Spare\n{written}foldre = 1\nevrey = 1\n")
    checked = subprocess.run(
        [sys.executable, "-m", "circus_core.cli.circusd", "--check", path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert re.findall(r"plugin 'spare': (.*)", checked.stdout) == [
        "foldre is ignored: myproject.spare.Spare has no such option; write folder (doubt)",
        "evrey is ignored: myproject.spare.Spare has no such option; write every (doubt)",
    ]


def test_every_public_name_of_the_class_is_on_the_page() -> None:
    plugin = CircusPlugin("tcp://127.0.0.1:1", "tcp://127.0.0.1:2", 5.0)
    names = {name for name in {*dir(CircusPlugin), *vars(plugin)} if not name.startswith("_")}
    known = {
        "name",
        "daemon",
        "initialize",
        "start",
        "attach",
    }  # shown in the example; for the host, not for authors
    assert {name for name in names - known if f"`{name}" not in PAGE} == set()
