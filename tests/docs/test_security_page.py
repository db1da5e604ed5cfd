"""docs/security.md says what the code does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from circus_core.commands import ownership
from circus_core.commands.watcher_options import _CHECKS

PAGE = Path(__file__).parents[2] / "docs" / "security.md"


def test_the_example_runs(tmp_path: Path) -> None:
    block = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert block is not None
    done = subprocess.run(
        [sys.executable, "-c", block[1]],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_every_option_of_a_watcher_is_in_the_table_with_what_becomes_of_it() -> None:
    rows = [line.split("|")[1:4] for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    said = {
        name: (own.strip(), other.strip())
        for names, own, other in rows
        for name in re.findall("`(.+?)`", names)
    }
    for name in _CHECKS:
        own, other = said[name]
        assert (other == "yes") == (name in ownership.HARMLESS), name
        assert (own == "yes") == (name in ownership.HARMLESS | ownership.OWN), name
        is_refused = name not in {
            *ownership.HARMLESS,
            *ownership.OWN,
            *ownership.OWN_IF,
            *ownership._CHECKS,
            "uid",
        }
        assert own.startswith("no:") == is_refused, name
