"""What is compared: this circusd, Circus 0.19 where it is there, and a bare loop over subprocess.Popen."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

__all__ = ["Contestant", "Running", "contestants", "listeners"]

_INI = """\
[circus]
check_delay = 1
endpoint = {endpoint}
pubsub_endpoint = ipc://{folder}/events
{more}

[watcher:sleeper]
cmd = /bin/sh -c "{command}"
copy_env = True
numprocesses = {count}
graceful_timeout = 2
"""
_CIRCUSD = (sys.executable, "-m", "circus_core.cli.circusd")
_CIRCUSCTL = (sys.executable, "-m", "circus_core.cli.circusctl")
_LOOP = """\
import signal, subprocess, sys
for _ in range(int(sys.argv[2])):
    subprocess.Popen(["/bin/sh", "-c", sys.argv[1]], stdin=subprocess.DEVNULL, start_new_session=True)
signal.pause()
"""


@dataclass(frozen=True, slots=True)
class Running:
    """A contestant at work: where it listens, and what its clients need in their environment."""

    process: subprocess.Popen[bytes]
    endpoint: str
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Contestant:
    """Something that starts processes.

    Attributes:
        program: command line; a daemon gets its configuration file as last word.
        is_supervisor: it replaces processes that die.
        options: further lines of its [circus] section.
        control: command line of its circusctl.
        is_on_tcp: it listens on a port of loopback, not on a socket file.
        has_keys: it asks its clients for keys.
    """

    name: str
    program: tuple[str, ...]
    is_supervisor: bool = True
    options: str = ""
    control: tuple[str, ...] = ()
    is_on_tcp: bool = False
    has_keys: bool = False

    @contextmanager
    def running(self, command: str, count: int) -> Iterator[Running]:
        """Start it with `count` processes of a shell line; at the end all of them are gone."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            endpoint = f"tcp://127.0.0.1:{_free_port()}" if self.is_on_tcp else f"ipc://{folder}/control"
            keys = folder / "keys"
            environment = {**os.environ, "CIRCUS_KEYS": str(keys)}
            if self.has_keys:
                subprocess.run(
                    [*self.control, "keys", "make"], env=environment, stdout=subprocess.DEVNULL, check=True
                )
            process = subprocess.Popen(
                [*self.program, *self._arguments(folder, endpoint, command, count)],
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            try:
                yield Running(process, endpoint, environment)
            finally:
                self._end(process)

    def _arguments(self, folder: Path, endpoint: str, command: str, count: int) -> list[str]:
        if not self.is_supervisor:
            return [command, str(count)]
        ini = folder / "circus.ini"
        ini.write_text(
            _INI.format(folder=folder, endpoint=endpoint, more=self.options, command=command, count=count)
        )
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
        Contestant("circus-core", _CIRCUSD, control=_CIRCUSCTL),
    ]
    if old_circus is not None:
        found.append(_old(old_circus))
    return found


def listeners(old_circus: Path | None) -> list[Contestant]:
    """Return daemons that can be asked over the network; the first is ours with what it does by default."""
    found = [
        Contestant("circus-core", _CIRCUSD, control=_CIRCUSCTL, is_on_tcp=True),
        Contestant("  on ipc", _CIRCUSD, control=_CIRCUSCTL),
        Contestant(
            "  with keys", _CIRCUSD, options="auth = curve", control=_CIRCUSCTL, is_on_tcp=True, has_keys=True
        ),
    ]
    if old_circus is not None:
        found.append(replace(_old(old_circus), is_on_tcp=True))
    return found


def _old(circusd: Path) -> Contestant:
    return Contestant(
        "Circus 0.19",
        (str(circusd),),
        options="multicast_endpoint =",
        control=(str(circusd.with_name("circusctl")),),
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
