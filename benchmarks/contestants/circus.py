"""This circusd, and the one of Circus 0.19: both read the same file."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contestants import Running, started
from benchmarks.work import Work
from circus_core.testing import free_port

__all__ = ["OLD", "OURS", "OURS_ON_IPC", "OURS_WITH_KEYS", "Circus"]

_OLD_FOLDER = Path(".venv-peers/circus-0.19/bin").absolute()
_OUR_FOLDER = Path(".venv-peers/circus-core/bin").absolute()


@dataclass(frozen=True, slots=True)
class Circus:
    """A circusd with an ini file.

    Attributes:
        programs: command lines of its circusd and its circusctl.
        options: further lines of its [circus] section.
        sections: further sections.
        is_on_ipc: it listens on a socket file, not on a port of loopback.
        has_keys: it asks its clients for keys.
    """

    name: str
    circusd: tuple[str, ...]
    circusctl: tuple[str, ...]
    options: str = ""
    sections: str = ""
    is_on_ipc: bool = False
    has_keys: bool = False

    def missing(self) -> str | None:
        return None if Path(self.circusd[0]).exists() else "make peers"

    def version(self) -> str:
        lines = subprocess.run([*self.circusd, "--version"], capture_output=True, text=True, check=True)
        return (lines.stdout or lines.stderr).split()[-1]

    @contextmanager
    def running(self, work: Work) -> Iterator[Running]:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            endpoint = f"ipc://{folder}/control" if self.is_on_ipc else f"tcp://127.0.0.1:{free_port()}"
            environment = {**os.environ, "CIRCUS_KEYS": str(folder / "keys")}
            if self.has_keys:
                subprocess.run(
                    [*self.circusctl, "keys", "make"], env=environment, stdout=subprocess.DEVNULL, check=True
                )
            (folder / "circus.ini").write_text(self._ini(work, folder, endpoint))
            with started(
                [*self.circusd, str(folder / "circus.ini")],
                work,
                endpoint=endpoint,
                environment=environment,
                status_command=(*self.circusctl, "--endpoint", endpoint, "status"),
            ) as running:
                yield running

    def _ini(self, work: Work, folder: Path, endpoint: str) -> str:
        head = f"[circus]\nendpoint = {endpoint}\npubsub_endpoint = ipc://{folder}/events\n{self.options}\n"
        if not work.are_apart:
            return head + _watcher("worker", work, work.count) + self.sections
        watchers = (_watcher(f"worker-{number}", work, 1) for number in range(work.count))
        return head + "".join(watchers) + self.sections


def _ours(program: str) -> tuple[str, ...]:
    """Return a program of this checkout, of an environment with just what it needs if there is one.

    That of `make dev` has all plugins and tools, and circusd looks through everything that is installed.
    """
    installed = _OUR_FOLDER / program
    return (str(installed),) if installed.exists() else (sys.executable, "-m", f"circus_core.cli.{program}")


OURS = Circus("circus-core", _ours("circusd"), _ours("circusctl"))
OURS_ON_IPC = Circus("circus-core, ipc", OURS.circusd, OURS.circusctl, is_on_ipc=True)
OURS_WITH_KEYS = Circus(
    "circus-core, keys", OURS.circusd, OURS.circusctl, options="auth = curve", has_keys=True
)
OLD = Circus(
    "Circus 0.19",
    (str(_OLD_FOLDER / "circusd"),),
    (str(_OLD_FOLDER / "circusctl"),),
    options="multicast_endpoint =",
)


def _watcher(name: str, work: Work, count: int) -> str:
    lines = [
        f"[watcher:{name}]",
        f"cmd = {' '.join(work.command)}",
        f"numprocesses = {count}",
        "copy_env = True",
        f"respawn = {work.is_kept_alive}",
    ]
    if work.output is not None:
        lines += ["stdout_stream.class = FileStream", f"stdout_stream.filename = {work.output / name}.log"]
        if work.rotate_at is not None:
            lines += [f"stdout_stream.max_bytes = {work.rotate_at}", "stdout_stream.backup_count = 99"]
        if work.has_time_stamps:
            lines.append("stdout_stream.time_format = %Y-%m-%d %H:%M:%S")
    return "\n".join((*lines, "", ""))
