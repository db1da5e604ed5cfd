"""The API under schemathesis: what its description allows or forbids is sent, and answers are held to it."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from .conftest import start
from .dashboards import tokens_in

pytest.importorskip("schemathesis")

# A singleton: processes are asked for by the thousand.
SECTIONS = """
[watcher:web]
cmd = sleep 1000
singleton = True
graceful_timeout = 1
"""


@pytest.mark.slow
@pytest.mark.timeout(280)
def test_every_answer_is_one_that_was_described(tmp_path: Path) -> None:
    with ExitStack() as stack:
        dashboard = start(tmp_path / "d", stack, SECTIONS)
        token = tokens_in(dashboard.state)["full"]
        (tmp_path / "schemathesis.toml").write_text('[parameters]\ndaemon = "main"\nwatcher = "web"\n')
        command = [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{dashboard.url}api/openapi.json"),
            *("--url", dashboard.url, "-H", f"Authorization: Bearer {token}"),
            *("--max-examples", "2", "--seed", "8", "--phases", "examples,coverage,fuzzing"),
            *("--exclude-checks", "positive_data_acceptance,ignored_auth"),
            *("--exclude-operation-id", "connect", "--exclude-operation-id", "discover"),
            *("--exclude-operation-id", "forget", "--exclude-operation-id", "removeWatcher"),
            *("--no-color", "--suppress-health-check", "all"),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=240, cwd=tmp_path)
        print(done.stdout[-16000:])
        assert done.returncode == 0, done.stderr[-2000:]
        assert dashboard.full.get("/api/daemons/main").json["state"] == "up"
        assert "Traceback" not in dashboard.daemon.log()
