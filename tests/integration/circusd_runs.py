"""circusd as a program: started by hand, told by signals, judged by its exit status and what it says."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from circus_core.clients.client import CircusClient
from tests.integration.daemon import DEADLINE, is_alive, until

__all__ = ["CIRCUSD", "Runs"]

CIRCUSD = (sys.executable, "-m", "circus_core.cli.circusd")
_MARK = "CIRCUS_MARK"  # inherited by all that a daemon starts


class Runs:
    """A folder with a configuration, and everything that circusd was started for in it.

    Attributes:
        env: what is added to the environment.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ini = folder / "circus.ini"
        self.errors = folder / "stderr"
        self.endpoint = f"ipc://{folder}/ctl"
        self.env: dict[str, str] = {}
        self._token = secrets.token_hex(8)
        self._started: list[subprocess.Popen[bytes]] = []

    def write(self, sections: str = "", **circus: object) -> Path:
        """Write circus.ini; `circus` are further options of [circus]."""
        options = {"endpoint": self.endpoint, "pubsub_endpoint": f"ipc://{self.folder}/pub", **circus}
        lines = "\n".join(f"{name} = {value}" for name, value in options.items())
        self.ini.write_text(f"[circus]\n{lines}\n\n{sections}\n")
        return self.ini

    def run(self, *args: object, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run circusd until it ends by itself."""
        return subprocess.run(
            [*CIRCUSD, *map(str, args)],
            **{"cwd": self.folder, "env": self.environ(), **options},
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )

    def start(self, *args: object, before: Sequence[str] = (), **options: Any) -> subprocess.Popen[bytes]:
        """Start it and go on; its standard error goes to the file `errors`. `before` are words in front."""
        with self.errors.open("wb") as errors:
            process = subprocess.Popen(
                [*before, *CIRCUSD, *map(str, args)],
                **{"cwd": self.folder, "env": self.environ(), **options},
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
            )
        self._started.append(process)
        return process

    @property
    def started(self) -> subprocess.Popen[bytes]:
        """The last one that was started."""
        return self._started[-1]

    def wait_for(self, text: str, path: Path | None = None) -> None:
        """Wait until it has said this, on standard error or in a file."""
        place = path or self.errors
        until(lambda: place.exists() and text in place.read_text(), lambda: f"{text!r} in {self.said()}")

    def said(self) -> str:
        return self.errors.read_text() if self.errors.exists() else ""

    def client(self) -> CircusClient:
        return CircusClient(self.endpoint, timeout=DEADLINE)

    def alive(self) -> list[int]:
        """Return the pids of all that runs because of this, circusd too."""
        pids = [int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit()]
        return sorted(pid for pid in pids if self._is_ours(pid) and is_alive(pid))

    def close(self) -> None:
        """Make sure that nothing is left."""
        left = self.alive()
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for process in self._started:
            process.wait(DEADLINE)
        until(lambda: not self.alive(), "all that was killed to be gone")
        assert not left, f"left behind: {left}\n{self.said()}"

    def environ(self) -> Mapping[str, str]:
        return {**os.environ, **self.env, _MARK: self._token}

    def _is_ours(self, pid: int) -> bool:
        try:
            return self._token in psutil.Process(pid).environ().get(_MARK, "")
        except (psutil.Error, OSError):
            return False
