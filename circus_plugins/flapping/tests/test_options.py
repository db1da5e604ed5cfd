"""Mistakes in `flapping.*` of a watcher's section are found when the file is read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


def check(folder: Path, *lines: str, json_wanted: bool = False) -> str:
    """What `circusd --check` prints for a watcher with these lines."""
    path = folder / "circus.ini"
    path.write_text("\n".join(["[watcher:web]", "cmd = sleep 1", *lines]))
    words = [sys.executable, "-m", "circus_core.cli.circusd", "--check", str(path)]
    return subprocess.run(
        [*words, *(["--json"] if json_wanted else [])], capture_output=True, text=True, check=False
    ).stdout


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("flapping.max_retry = -2", "flapping.max_retry must be a whole number >= -1, got '-2'"),
        ("flapping.attempts = 0", "flapping.attempts must be a whole number >= 1, got '0'"),
        ("flapping.window = soon", "flapping.window must be seconds >= 0, got 'soon'"),
        ("flapping.active = maybe", "flapping.active must be"),
        ("flapping.atempts = 3", "did you mean flapping.attempts?"),
        ("check_flapping = True", "check_flapping is ignored: write a section [plugin:flapping]"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, line: str, complaint: str) -> None:
    assert f"circus.ini:3: watcher 'web': {complaint}" in check(tmp_path, line).replace(
        "flapping.atempts is not an option of the kernel; it is kept for plugins; ", ""
    )


def test_values_reach_the_plugin_converted_and_absent_ones_not_at_all(tmp_path: Path) -> None:
    document = json.loads(check(tmp_path, "flapping.retry_in = 1m", json_wanted=True))
    (watcher,) = document["config"]["watchers"]
    assert watcher["options"] == {"flapping.retry_in": 60.0}
