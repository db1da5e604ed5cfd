"""docs/migrating.md: its examples print what they show, its tables name what there is."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from circus_convert.supervisor_daemon import _CONVERTED, _WITHOUT
from circus_convert.supervisor_program import _KEYS
from circus_core.cli.command_line import parse
from circus_core.cli.installed import InstalledCommands
from circus_core.config.options import FAMILIES, Table
from circus_core.testing.circusd import DEADLINE
from tests.stack import PROGRAMS, free_ports

PAGE = (Path(__file__).parents[2] / "docs" / "migrating.md").read_text()
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECTIONS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))


def table(title: str) -> list[list[str]]:
    """Return the rows of the table below a heading."""
    rows = PAGE.split(f"\n### {title}\n", 1)[1].strip().split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows]


def names(cell: str) -> list[str]:
    return [name.split("=")[0].strip() for name in re.findall(r"`([^`]+)`", cell)]


def test_every_option_of_supervisor_that_is_converted_has_its_row() -> None:
    told = {name for row in table("Options") for name in names(row[0])}
    converted = {*_KEYS, *_CONVERTED, *_WITHOUT}
    assert converted <= told
    unknown = {name for name in told - converted if not name.startswith(("[", "%"))}
    assert unknown == set()


def test_every_option_of_ours_in_the_table_is_one() -> None:
    known = Table()
    for row in table("Options"):
        for name in names(row[1]):
            is_known = any(known.find(section, name) for section in ("circus", "watcher"))
            is_of_a_package = name.startswith(("flapping.", "httpd"))
            assert is_known or is_of_a_package or name.startswith((*FAMILIES, "[", "$(circus.")), name


def test_every_command_in_the_table_is_understood() -> None:
    commands = InstalledCommands()
    lines = [
        line for row in table("Commands") for line in re.findall("`([^`]+)`", row[1]) if "circusctl" in line
    ]
    assert len(lines) > 20
    for line in lines:
        parse(shlex.split(line)[1:], commands)


@pytest.mark.skipif(not shutil.which("python3"), reason="the examples run python3")
@pytest.mark.parametrize("title", ["From Circus 0.19", "From Supervisor", "From a Procfile"])
def test_examples_print_what_is_shown(title: str, tmp_path: Path) -> None:
    """Blocks that begin with `# NAME` are files; the daemon gets endpoints of its own."""
    consoles = []
    for language, text in BLOCK.findall(SECTIONS[title]):
        if name := re.match(r"# (\S+)\n", text):
            (tmp_path / name[1]).write_text(text if language == "ini" else text.partition("\n")[2])
        elif language == "console":
            consoles.append(text)
    environment = {
        **os.environ,
        "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}",
        "CIRCUSCTL_ENDPOINT": f"ipc://{tmp_path}/ctl",
        "WEB_PORT": str(free_ports(1)[0]),
    }
    try:
        for command, output in (step for text in consoles for step in steps(text)):
            if command.startswith("circusd --daemon"):
                move_endpoints(tmp_path)
            done = run(command, tmp_path, environment)
            end = time.monotonic() + DEADLINE
            while command == "circusctl status" and done.stdout != output and time.monotonic() < end:
                done = run(command, tmp_path, environment)  # a process may be starting still
            assert done.stdout == output, command
    finally:
        if (tmp_path / "ctl").exists():
            subprocess.run([PROGRAMS / "circusctl", "--timeout", "5", "quit"], env=environment, timeout=60)


def run(command: str, folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )


def steps(text: str) -> list[tuple[str, str]]:
    """Return each command with what it prints."""
    parts = [part.partition("\n") for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]]
    return [(command, output) for command, _, output in parts]


def move_endpoints(folder: Path) -> None:
    config = folder / "circus.ini"
    endpoints = f"[circus]\nendpoint = ipc://{folder}/ctl\npubsub_endpoint = ipc://{folder}/pub\n\n"
    config.write_text(endpoints + config.read_text())
