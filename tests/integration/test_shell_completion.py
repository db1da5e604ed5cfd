"""The Tab key in bash, zsh and fish, typed on a terminal."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.controlled import Served
from tests.integration.ctl import PROGRAM, ctl_environment
from tests.integration.terminal import TMUX, Terminal

PROMPT = "go:"
SHELLS = {
    "bash": ["bash", "--norc", "--noprofile"],
    "zsh": ["zsh", "-f"],
    "fish": ["fish", "--no-config"],
}
BEGIN = {
    "bash": ["PS1='go: '", 'eval "$(circusctl completion bash)"'],
    "zsh": ["PS1='go: '", "autoload -U compinit; compinit -D", 'eval "$(circusctl completion zsh)"'],
    "fish": ["function fish_prompt; echo 'go: '; end", "circusctl completion fish | source"],
}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with Served(f"ipc://{tmp_path}/control", f"ipc://{tmp_path}/events") as running:
        yield running


@pytest.fixture
def environment(tmp_path: Path, served: Served) -> dict[str, str]:
    folders = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
    return {**ctl_environment(tmp_path, served.controller.endpoint), **folders}


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest, tmp_path: Path, environment: dict[str, str]) -> Iterator[Terminal]:
    name = request.param
    if TMUX is None or shutil.which(name) is None:
        pytest.skip(f"needs tmux and {name}")
    with Terminal(tmp_path, SHELLS[name], environment) as terminal:
        for line in BEGIN[name]:
            terminal.type(line, "Enter")
        terminal.type("clear", "Enter")
        terminal.wait_for_line(PROMPT)
        yield terminal


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("circusctl numw", "circusctl numwatchers"),
        ("circusctl incr Sl", "circusctl incr Sleeper"),
        ("circusctl incr laz", "circusctl incr lazy"),
        ("circusctl --json stop lazy --wai", "circusctl --json stop lazy --waiting"),
        ("circusctl stop lazy --match gl", "circusctl stop lazy --match glob"),
        ("circusctl set Sleeper respawn f", "circusctl set Sleeper respawn false"),
        ("circusctl rm web", "circusctl rm web\\ one"),
        ("circusctl kill Sleeper 102 --signum HU", "circusctl kill Sleeper 102 --signum HUP"),
    ],
)
def test_tab_completes(shell: Terminal, typed: str, completed: str) -> None:
    shell.complete(typed, f"{PROMPT} {completed}")


def test_tab_lists_what_there_is(shell: Terminal) -> None:
    shell.type("circusctl list", "Tab", "Tab")
    shell.wait_for("listsockets")
    shell.wait_for("listen")


def test_what_bash_breaks_apart_is_completed_from_the_last_break(environment: dict[str, str]) -> None:
    asked = {**environment, "CIRCUSCTL_COMPLETE": "bash", "COMP_WORDBREAKS": " \t\n\"'><=;|&(:"}

    def candidates(line: str) -> list[str]:
        done = subprocess.run(
            PROGRAM, env={**asked, "COMP_LINE": line}, capture_output=True, text=True, timeout=60, check=True
        )
        assert done.stderr == ""
        return done.stdout.split("\n")[:-1]

    assert candidates("circusctl start lazy --match=gl") == ["glob"]
    assert candidates("circusctl stop w") == ["web\\ one"]
    assert candidates("circusctl stop 'we") == ["web one"]
    assert candidates("circusctl stop web\\ o") == ["web\\ one"]
    assert candidates("circusctl stop lazy ") == [""]


def test_nobody_is_bothered_without_a_daemon(environment: dict[str, str], tmp_path: Path) -> None:
    asked = {**environment, "CIRCUSCTL_COMPLETE": "fish"}
    words = ["--endpoint", f"ipc://{tmp_path}/nobody", "stop", ""]
    done = subprocess.run(
        [*PROGRAM, *words], env=asked, capture_output=True, text=True, timeout=60, check=True
    )
    assert (done.stdout, done.stderr) == ("\n", "")


def test_a_shell_that_there_is_no_script_for_is_refused(environment: dict[str, str]) -> None:
    done = subprocess.run(
        [*PROGRAM, "completion", "tcsh"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "error: SHELL must be bash, fish or zsh, got 'tcsh'\n")


@pytest.mark.parametrize("name", SHELLS)
def test_the_scripts_are_well_formed(environment: dict[str, str], name: str) -> None:
    if shutil.which(name) is None:
        pytest.skip(f"needs {name}")
    script = subprocess.run(
        [*PROGRAM, "completion", name],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    subprocess.run(
        [name, "-n", "/dev/stdin"],
        input=script.stdout,
        env=dict(os.environ),
        text=True,
        timeout=60,
        check=True,
    )
