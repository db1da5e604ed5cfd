"""What README.md shows is what happens: its commands are run, its files are used as they stand.

In a ```console block `$ ` begins a command, and what follows is its output, in which numbers of more than one
digit may be others. A block whose first line is `# NAME` is a file.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from circus_core.clients.client import CircusClient
from circus_core.errors import CallError
from tests.stack import PROGRAMS, free_ports, replace_numbers, wait_until

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What the environment and the pages are made from: nothing has to be made.
OLDER_THAN_THE_ENVIRONMENT = (
    "requirements-dev.txt",
    "pyproject.toml",
    "circus_streams/pyproject.toml",
    "circus_plugins/httpd/hatch_build.py",
    "circus_plugins/httpd/frontend/package.json",
)
PORTS = (8000, 8001, 8080, 5555, 5556, 5557)

pytestmark = [
    pytest.mark.skipif(not shutil.which("curl"), reason="the README uses curl"),
    pytest.mark.skipif(not shutil.which("make"), reason="the README uses make"),
]


@dataclass(frozen=True, slots=True)
class Step:
    command: str
    output: str


@dataclass(frozen=True, slots=True)
class Place:
    """A folder, and the ports that its daemon has instead of those that people see."""

    folder: Path
    ports: Mapping[int, int] = field(
        default_factory=lambda: dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    )

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}",
            "CIRCUSCTL_ENDPOINT": self.endpoint,
            "XDG_STATE_HOME": str(self.folder / "state"),
        }

    @property
    def endpoint(self) -> str:
        return f"tcp://127.0.0.1:{self.ports[5555]}"

    def moved(self, text: str) -> str:
        """Return text with the ports that are used here."""
        return replace_numbers(text, self.ports)

    def start(self, command: str, log: Path) -> subprocess.Popen[bytes]:
        """Run a command in a session of its own, as a terminal does."""
        with log.open("wb") as output:
            return subprocess.Popen(
                command,
                shell=True,
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def run(self, command: str) -> str:
        """Run a command to its end and return what it prints."""
        done = subprocess.run(
            self.moved(command),
            shell=True,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if command.startswith("curl") else subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}"
        return done.stdout

    def follow(self, steps: list[Step]) -> None:
        """Run the commands and compare what they print."""
        for step in steps:
            assert _comparable(self.run(step.command)) == _comparable(step.output), step.command

    def statuses(self) -> set[str]:
        """The states of all watchers; empty as long as the daemon does not answer."""
        try:
            with CircusClient(self.endpoint, timeout=1) as client:
                return set(client.send("status")["statuses"].values())
        except CallError:
            return set()


def test_every_block_of_the_readme_is_one_that_is_run_here() -> None:
    assert [language for language, _ in BLOCK.findall(README)] == [
        "console",
        "console",
        "ini",
        "python",
        "console",
    ]


def test_the_demo_does_what_the_readme_shows(checkout: Place) -> None:
    first, talk = _consoles()[:2]
    assert [step.command for step in first] == ["make dev", "make demo"]
    log = checkout.folder / "log"
    demo = checkout.start("exec make demo", log)
    try:
        wait_until(lambda: checkout.statuses() == {"active"}, log.read_text)
        wait_until(
            lambda: '"counter": true' in checkout.run("curl http://127.0.0.1:8000/health"), log.read_text
        )
        checkout.follow(talk)
    finally:
        os.killpg(demo.pid, signal.SIGINT)  # Ctrl-C
        demo.wait(30)
    wait_until(lambda: not checkout.statuses(), log.read_text)
    assert f"http://127.0.0.1:{checkout.ports[8000]}/" in log.read_text()


def test_the_configuration_of_the_readme_runs(tmp_path: Path) -> None:
    place = Place(tmp_path)
    for name, text in _files().items():
        (tmp_path / name).write_text(place.moved(text))
    endpoints = (
        f"[circus]\nendpoint = {place.endpoint}\npubsub_endpoint = tcp://127.0.0.1:{place.ports[5556]}\n\n"
    )
    config = tmp_path / "circus.ini"
    config.write_text(endpoints + config.read_text())
    try:
        place.follow(_consoles()[2])
    finally:
        subprocess.run([PROGRAMS / "circusctl", "quit", "--timeout", "1"], env=place.environment)


@pytest.fixture
def checkout(tmp_path: Path) -> Place:
    """What `make demo` needs of this repository, on free ports."""
    place = Place(tmp_path)
    shutil.copytree(
        ROOT / "examples" / "webapp",
        tmp_path / "examples" / "webapp",
        ignore=shutil.ignore_patterns("*.log*"),
    )
    for file in (tmp_path / "examples" / "webapp").glob("*.*"):
        if file.is_file():
            file.write_text(place.moved(file.read_text()))
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    for source in OLDER_THAN_THE_ENVIRONMENT:
        (tmp_path / source).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / source).touch()
        os.utime(tmp_path / source, (0, 0))
    pages = tmp_path / "circus_plugins/httpd/circus_httpd/static/sources.sha256"
    pages.parent.mkdir(parents=True)
    pages.touch()
    return place


def _consoles() -> list[list[Step]]:
    return [_steps(text) for language, text in BLOCK.findall(README) if language == "console"]


def _steps(text: str) -> list[Step]:
    commands = [part.partition("\n") for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]]
    return [Step(command, output) for command, _, output in commands]


def _files() -> dict[str, str]:
    """Return the blocks that are files, by name."""
    named = [(re.match(r"# (\S+)\n", text), text) for _, text in BLOCK.findall(README)]
    return {match.group(1): text for match, text in named if match is not None}


def _comparable(output: str) -> str:
    return re.sub(r"\d\d+", "N", output)
