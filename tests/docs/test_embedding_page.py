"""Every program on the page about embedding runs as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "embedding.md"
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
PRINTS = [
    "active 2\n3\nstopped 0\n",
    "3\n",
    "",
    "True None\n-15\n",
    "('echo', 'worker', '2')\nworker 2\n0\n",
    "open: worker\n",
]


@pytest.mark.parametrize(("program", "prints"), list(zip(PROGRAMS, PRINTS, strict=True)))
def test_a_program_of_the_page_does_what_it_says(program: str, prints: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == (prints, "", 0)
