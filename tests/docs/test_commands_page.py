"""docs/commands.md says what the command classes say; docs/wire.md knows every limit and error."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from circus_core import wire
from circus_core.errors import WireCode
from tests.controlled import Served, kernel_commands
from tests.integration.ctl import PROGRAM, ctl_environment
from tests.packages import Installer, installer

__all__ = ["installer"]

DOCS = Path(__file__).parents[2] / "docs"


def _load_generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_commands", DOCS / "generate_commands.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_current() -> None:
    text = (DOCS / "commands.md").read_text(encoding="utf-8")
    assert text == _load_generator().page(), "run `python docs/generate_commands.py`"


@pytest.mark.parametrize("name", sorted(kernel_commands()))
def test_each_command_has_its_section(name: str) -> None:
    assert f"\n### {name}\n" in (DOCS / "commands.md").read_text(encoding="utf-8")


def test_the_limits_on_the_wire_are_those_of_the_code() -> None:
    text = (DOCS / "wire.md").read_text(encoding="utf-8")
    assert f"{wire.MAX_DEPTH} levels of nesting" in text
    assert f"{wire.MAX_MESSAGE >> 20} MiB" in text


def test_the_numbers_of_errors_are_told() -> None:
    told = re.findall(r"^\| (\d) \|", (DOCS / "wire.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert told == [
        str(code.value) for code in WireCode if code.name not in ("NOT_SPECIFIED", "BAD_MSG_DATA_ERROR")
    ]


def test_the_command_of_one_s_own_is_one_of_circusctl(tmp_path: Path, installer: Installer) -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```", (DOCS / "commands.md").read_text(), re.M | re.S)
    installer.module("greeting", example)
    installer.package("circus-greet", "[circus.commands]\ngreet = greeting:Greet\n")
    with Served(f"ipc://{tmp_path}/control", f"ipc://{tmp_path}/events") as served:
        environment = ctl_environment(tmp_path, served.controller.endpoint)
        environment["PYTHONPATH"] += f"{os.pathsep}{installer.folder}"
        done = subprocess.run(
            [*PROGRAM, "greet", "Ann"], env=environment, capture_output=True, text=True, timeout=60
        )
    assert (done.stdout, done.stderr) == ("hello Ann, it has 3 watchers\n", "")
