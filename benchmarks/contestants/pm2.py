"""pm2: pm2-runtime, which is pm2 in the foreground."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contestants import Running, started
from benchmarks.work import Work

__all__ = ["PM2"]

_PACKAGE = Path(".venv-peers/pm2/node_modules/pm2").absolute()


@dataclass(frozen=True, slots=True)
class _Pm2:
    name: str = "pm2"

    def missing(self) -> str | None:
        return None if _PACKAGE.exists() else "make bench-peers, with npm"

    def version(self) -> str:
        return str(json.loads((_PACKAGE / "package.json").read_text())["version"])

    @contextmanager
    def running(self, work: Work) -> Iterator[Running]:
        if work.rotate_at is not None:
            raise ValueError("pm2 rotates no files")
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            apps = folder / "worker.config.json"
            apps.write_text(json.dumps({"apps": [_app(work)]}))
            environment = {**os.environ, "PM2_HOME": f"{folder}/home", "PM2_DISABLE_VERSION_CHECK": "true"}
            with started(
                [str(_PACKAGE / "bin/pm2-runtime"), "start", str(apps)],
                work,
                environment=environment,
                status_command=(str(_PACKAGE / "bin/pm2"), "list"),
            ) as running:
                yield running


PM2 = _Pm2()


def _app(work: Work) -> dict[str, object]:
    app: dict[str, object] = {
        "name": "worker",
        "script": work.command[0],
        "args": list(work.command[1:]),
        "interpreter": "none",
        "exec_mode": "fork",
        "instances": work.count,
        "autorestart": work.is_kept_alive,
        "merge_logs": True,
        "vizion": False,  # it would look for a git repository of each process
        "error_file": "/dev/null",
        "out_file": f"{work.output}/worker.log" if work.output is not None else "/dev/null",
    }
    if work.has_time_stamps:
        app["log_date_format"] = "YYYY-MM-DD HH:mm:ss"
    return app
