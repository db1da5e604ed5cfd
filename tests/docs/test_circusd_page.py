"""docs/circusd.md says what `circusd --help` says, and its examples can be used."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "circusd.md").read_text()
CIRCUSD = (sys.executable, "-m", "circus_core.cli.circusd")


def example(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


def row_heads(title: str) -> list[str]:
    """Return the first cells of the table whose head begins like this."""
    table = PAGE.split(f"\n| {title} |", 1)[1].split("\n\n", 1)[0]
    return [line.split("|")[1].strip() for line in table.splitlines()[2:]]


def run(*args: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CIRCUSD, *args], capture_output=True, text=True, cwd=folder, check=False, timeout=60
    )


@pytest.fixture(scope="module")
def help_text() -> str:
    return run("--help").stdout


def test_every_option_has_its_row(help_text: str) -> None:
    options = set(re.findall(r"^  (?:-h, )?(--[a-z-]+)", help_text, re.MULTILINE))
    assert options == {word for head in row_heads("option") for word in re.findall(r"--[a-z-]+", head)}


def test_every_exit_status_has_its_row(help_text: str) -> None:
    assert row_heads("status") == re.findall(r"^  (\d)  ", help_text, re.MULTILINE)


def test_every_signal_of_the_page_exists() -> None:
    names = [name for head in row_heads("signal") for name in head.split(", ")]
    assert names == ["TERM", "INT", "QUIT", "HUP", "USR1", "USR2", "ALRM", "WINCH"]
    assert all(hasattr(signal, f"SIG{name}") for name in names)


def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # the documented way to keep case
    parser.read_string(example("ini"))
    return parser


def test_the_command_of_the_unit_is_understood(tmp_path: Path) -> None:
    program, *words = shlex.split(unit()["Service"]["ExecStart"])
    assert Path(program).name == "circusd"
    config = tmp_path / "circus.ini"
    config.write_text("[watcher:web]\ncmd = sleep 60\n")
    words = [str(config) if word.endswith(".ini") else word for word in words]
    ended = run("--check", *words)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_the_unit_is_not_started_again_where_that_is_no_use() -> None:
    assert unit()["Service"]["RestartPreventExitStatus"].split() == ["1", "2"]
    assert unit()["Service"]["KillMode"] == "mixed"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_finds_no_fault_with_the_unit(tmp_path: Path) -> None:
    text = example("ini").replace("/usr/bin/circusd", sys.executable)
    (tmp_path / "circus.service").write_text(text)
    subprocess.run(["systemd-analyze", "verify", str(tmp_path / "circus.service")], check=True)


def test_the_container_starts_a_file_as_circusd_takes_it(tmp_path: Path) -> None:
    lines = dict(line.split(" ", 1) for line in example("dockerfile").splitlines())
    assert lines["STOPSIGNAL"] == "SIGTERM"
    assert json.loads(lines["ENTRYPOINT"]) == ["circusd"]
    words: list[str] = json.loads(lines["CMD"])
    (tmp_path / "circus.ini").write_text("[watcher:web]\ncmd = sleep 60\n")
    assert run("--check", *(Path(word).name for word in words), folder=tmp_path).returncode == 0
