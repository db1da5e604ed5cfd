"""The examples of docs/testing.md pass, in a folder where there is nothing but them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from circus_core import testing

PAGE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text()
EXAMPLES = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_passes(number: int, tmp_path: Path) -> None:
    (tmp_path / "test_example.py").write_text(EXAMPLES[number])
    words = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "test_example.py"]
    result = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
    assert "passed" in result.stdout


@pytest.mark.parametrize("name", testing.__all__)
def test_a_promised_name_exists_and_is_on_the_page(name: str) -> None:
    assert getattr(testing, name) is not None
    assert name in PAGE or name in {"Daemon", "Event", "Recorder", "StandInDaemon", "Watch"}


def test_importing_the_kit_needs_neither_pytest_nor_the_kernel() -> None:
    code = (
        "import sys, circus_core.testing; "
        "print([m for m in sys.modules if m == 'pytest' or m.startswith('circus_core.testing.')])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_the_fixtures_import_nothing_of_the_kernel_before_they_are_used() -> None:
    code = (
        "import sys, circus_core.testing.pytest_plugin; "
        "print([m for m in sys.modules if m.startswith('circus_core.') and '.testing' not in m])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
