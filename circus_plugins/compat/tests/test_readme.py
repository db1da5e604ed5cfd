"""The README: its programs run, and its tables say of every old path what becomes of it."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
PRINTED = {
    "all_started": "{'worker': 'active'} 3\n",
    "before_spawn": "active [1, 2]\n3 True\n",
    "background=True": "2\n",
}
ROWS = re.findall(
    r"^\| (`circus[^|]*) \| (works|works, and warns|says what takes its place) \|", README, re.M
)
PATHS = [(path, status) for paths, status in ROWS for path in re.findall(r"`([\w.]+)`", paths)]


def resolve(path: str) -> Any:
    """Import the longest part of a path that is a module, and what is behind it."""
    parts = path.split(".")
    found = importlib.import_module(parts[0])
    for number, name in enumerate(parts[1:], 2):
        try:
            found = getattr(found, name)
        except AttributeError:
            found = importlib.import_module(".".join(parts[:number]))
    return found


@pytest.mark.parametrize(("path", "status"), PATHS)
def test_a_path_is_what_the_tables_say(path: str, status: str) -> None:
    if status == "says what takes its place":
        with pytest.raises(ImportError, match=r"use |there is no .* any more; "):
            resolve(path)
    else:
        assert resolve(path) is not None


@pytest.mark.parametrize("marker", PRINTED)
def test_a_program_does_what_it_says(marker: str, tmp_path: Path) -> None:
    (code,) = (each for each in PROGRAMS if marker in each)
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.stdout, ended.stderr, ended.returncode) == (PRINTED[marker], "", 0)


def test_all_paths_that_have_a_home_of_their_own_are_in_the_tables() -> None:
    mine = {"circus.arbiter", "circus.watcher", "circus.process", "circus.sockets", "circus.controller"}
    mine |= {"circus.sighandler", "circus.fixed_threading", "circus.green"}
    told = {path.rpartition(".")[0] for path, _ in PATHS}
    assert mine <= told


def test_the_green_flavour_warns_and_refuses_what_it_always_refused() -> None:
    green = importlib.import_module("circus.green")
    with pytest.warns(DeprecationWarning, match=r"circus\.green means nothing any more"):
        assert green.get_arbiter([{"cmd": "sleep 1"}]).numwatchers() == 1
    with pytest.raises(NotImplementedError, match="background"):
        green.get_arbiter([{"cmd": "sleep 1"}], background=True)
