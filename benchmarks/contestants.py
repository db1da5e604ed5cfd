"""What is compared: this circusd, Circus 0.19 where it is there, and a bare loop over subprocess.Popen."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Contestant", "contestants"]

_INI = """\
[circus]
check_delay = 1
endpoint = ipc://{folder}/control
pubsub_endpoint = ipc://{folder}/events
{more}

[watcher:sleeper]
cmd = /bin/sh -c "{command}"
copy_env = True
numprocesses = {count}
graceful_timeout = 2
"""
_LOOP = """\
import signal, subprocess, sys
for _ in range(int(sys.argv[2])):
    subprocess.Popen(["/bin/sh", "-c", sys.argv[1]], stdin=subprocess.DEVNULL, start_new_session=True)
signal.pause()
"""


@dataclass(frozen=True, slots=True)
class Contestant:
    """Something that starts processes.

    Attributes:
        is_supervisor: it replaces processes that die.
        program: command line; a daemon gets its configuration file as last word.
    """

    name: str
    program: tuple[str, ...]
    is_supervisor: bool = True
    options: str = ""

    @contextmanager
    def running(self, command: str, count: int) -> Iterator[subprocess.Popen[bytes]]:
        """Start it with `count` processes of a shell line; at the end all of them are gone."""
        with tempfile.TemporaryDirectory() as folder:
            process = subprocess.Popen(
                [*self.program, *self._arguments(Path(folder), command, count)],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            try:
                yield process
            finally:
                self._end(process)

    def _arguments(self, folder: Path, command: str, count: int) -> list[str]:
        if not self.is_supervisor:
            return [command, str(count)]
        ini = folder / "circus.ini"
        ini.write_text(_INI.format(folder=folder, more=self.options, command=command, count=count))
        return [str(ini)]

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
        for pid in children:
            subprocess.run(["kill", "-9", pid], stderr=subprocess.DEVNULL, check=False)


def contestants(old_circus: Path | None) -> list[Contestant]:
    """Return what can be compared here; `old_circus` is the circusd of Circus 0.19, if there is one."""
    found = [
        Contestant("Popen loop", (sys.executable, "-c", _LOOP), is_supervisor=False),
        Contestant("circus-core", (sys.executable, "-m", "circus_core.cli.circusd")),
    ]
    if old_circus is not None:
        found.append(Contestant("Circus 0.19", (str(old_circus),), options="multicast_endpoint ="))
    return found
