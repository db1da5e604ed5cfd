"""docs/circusctl.md says what `circusctl --help` says, and its examples print what it shows."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from circus_core.cli.command_line import program_help
from circus_core.cli.installed import InstalledCommands
from tests.controlled import Served
from tests.integration.ctl import ctl_environment

PAGE = (Path(__file__).parents[2] / "docs" / "circusctl.md").read_text()
EXAMPLES = re.findall(r"^```console\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def row_heads(title: str) -> list[str]:
    """Return the first cells of the table whose head begins like this."""
    table = PAGE.split(f"\n| {title} |", 1)[1].split("\n\n", 1)[0]
    return [line.split("|")[1].strip() for line in table.splitlines()[2:]]


def test_every_option_has_its_row() -> None:
    text = program_help(InstalledCommands([]))
    options = re.findall(r"^  (?:-e, )?(--[a-z-]+)", text, re.MULTILINE)
    assert options == [re.findall(r"--[a-z-]+", head)[0] for head in row_heads("option")]


def test_every_exit_status_has_its_row() -> None:
    text = program_help(InstalledCommands([]))
    told = text.split("Exit status: ")[1]
    assert row_heads("status") == re.findall(r"\b([0-9]) ", told)


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    with Served(f"ipc://{tmp_path}/control", f"ipc://{tmp_path}/events") as served:
        yield ctl_environment(tmp_path, served.controller.endpoint)


@pytest.mark.skipif(shutil.which("bash") is None, reason="the examples are for bash")
@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_print_what_is_shown(example: str, environment: dict[str, str]) -> None:
    commands = [line[2:] for line in example.splitlines() if line.startswith("$ ")]
    script = "".join(
        f"echo '$ '{quoted(line)} >&2; [ $status = 0 ] || (exit $status)\n{line}\nstatus=$?\n"
        for line in commands
    )
    done = subprocess.run(
        ["bash", "-c", f"exec 2>&1; status=0\n{script}"],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == example


def quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
