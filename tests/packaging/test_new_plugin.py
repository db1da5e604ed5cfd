"""`circusctl plugin new` in an environment of its own, and docs/first-plugin.md, followed to the letter."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from circus_core.testing import until
from tests.packaging.environments import Environment
from tests.packaging.projects import ROOT

pytestmark = [pytest.mark.packaging, pytest.mark.slow]

PAGE = (ROOT / "docs" / "first-plugin.md").read_text()
BLOCKS = re.findall(r"^```(console|python|ini)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


class Desk:
    """A folder to work in, with a virtual environment that is in use as after `. bin/activate`."""

    def __init__(self, folder: Path, made: Environment, wheels: Path) -> None:
        self.folder = folder
        self.made = made
        self.environ = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "PIP_"))},
            "PATH": f"{made.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "CIRCUSCTL_ENDPOINT": f"ipc://{folder}/control",
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(wheels),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }
        pip = made.folder / "bin" / "pip"  # the environment has none of its own
        pip.write_text(f'#!/bin/sh\nexec {sys.executable} -m pip --python {made.python} "$@"\n')
        pip.chmod(0o755)

    def run(self, line: str) -> str:
        """Type a line; a failure shows all of its output."""
        done = subprocess.run(
            ["sh", "-c", line],
            cwd=self.folder,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, f"$ {line}\n{done.stdout}{done.stderr}"
        return done.stdout

    def at_own_endpoints(self, ini: str) -> str:
        """Give a configuration endpoints where nobody else is."""
        control, events = (f"ipc://{self.folder}/{name}" for name in ("control", "events"))
        return f"[circus]\nendpoint = {control}\npubsub_endpoint = {events}\n\n{ini}"

    def quit(self) -> None:
        if not (self.folder / "control").exists():
            return  # circusctl would wait for somebody to come
        subprocess.run(
            [self.made.folder / "bin" / "circusctl", "quit", "--waiting"],
            env=self.environ,
            capture_output=True,
            timeout=60,
            check=False,
        )


@pytest.fixture
def desk(wheels: Path, tmp_path: Path) -> Iterator[Callable[[str], Desk]]:
    """Give a function that makes a desk where one requirement is installed."""
    desks: list[Desk] = []

    def make(requirement: str) -> Desk:
        made = Environment(tmp_path / "environment")
        venv.create(made.folder, symlinks=True)
        made.pip("install", "--quiet", "--no-index", "--no-compile", "--find-links", wheels, requirement)
        folder = tmp_path / "w"
        folder.mkdir()
        desks.append(Desk(folder, made, wheels))
        return desks[-1]

    yield make
    for each in desks:
        each.quit()


def test_a_new_plugin_is_built_installed_tested_and_used(desk: Callable[[str], Desk]) -> None:
    here = desk("circus-core[testing]")
    here.run("circusctl plugin new demo && pip install ./demo && pytest demo")
    listed = json.loads(here.run("circusctl --json plugin list"))["provided"]
    (demo,) = (each for each in listed if each["name"] == "demo")
    assert (demo["distribution"], demo["version"], demo["error"]) == ("circus-demo", "0.1.0", "")
    example = here.folder / "demo" / "example.ini"
    example.write_text(here.at_own_endpoints(example.read_text().replace("sleep 5", "sleep 0.1")))
    here.run(f"circusd --daemon --log-output {here.folder}/log demo/example.ini")
    log = here.folder / "log"
    until(lambda: "is gone, exit code 0" in log.read_text(), log.read_text)
    assert "plugin:demo: active" in here.run("circusctl status")
    here.run("circusctl quit --waiting")


def test_a_plugin_in_ten_minutes(desk: Callable[[str], Desk]) -> None:
    here = desk("circus-core")
    for kind, text in BLOCKS:
        if kind == "console":
            _type(here, text)
        else:
            path, _, content = text.removeprefix("# ").partition("\n")
            (here.folder / path).write_text(here.at_own_endpoints(text) if kind == "ini" else content)


def _type(here: Desk, console: str) -> None:
    """Type what follows each `$`; what the page shows below it, if anything, is what it prints."""
    for part in console.removeprefix("$ ").split("\n$ "):
        line, _, shown = part.partition("\n")
        if line == "circusctl status":
            until(partial(_prints, here, line, shown), shown)
        else:
            assert _prints(here, line, shown) or not shown.strip(), f"$ {line} does not print\n{shown}"


def _prints(here: Desk, line: str, shown: str) -> bool:
    return here.run(line).strip() == shown.strip()
