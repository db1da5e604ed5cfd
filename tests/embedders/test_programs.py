"""Programs and plugins that others have written for Circus 0.19, run with circus-compat in its place."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.embedders import programs
from tests.embedders.environments import ROOT, Environment
from tests.embedders.namespaces import can_isolate, isolated

pytestmark = pytest.mark.slow

HELD = Environment("programs")
SCRIPTS = sorted(path.stem for path in Path(programs.__path__[0]).glob("*_*.py") if path.stem != "__init__")
PATIENCE = 240.0  # seconds


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_program_written_for_circus_does_its_work(script: str, tmp_path: Path) -> None:
    HELD.require()
    if not can_isolate():
        pytest.skip("this system lets us make no namespaces")
    words = isolated(str(HELD.programs / "python"), "-m", f"{programs.__name__}.{script}")
    log = tmp_path / "log"
    # A short name: programs put socket files below it, whose paths may have 107 bytes.
    with log.open("wb") as output, tempfile.TemporaryDirectory(prefix="circus-") as folder:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "TMPDIR": folder}
        done = subprocess.run(
            words,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            timeout=PATIENCE,
            check=False,
        )
    assert done.returncode == 0, log.read_text(errors="replace")
