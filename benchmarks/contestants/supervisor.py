"""Supervisor: supervisord in the foreground, with a socket file for supervisorctl and its XML-RPC."""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contestants import Running, started
from benchmarks.work import Work

__all__ = ["SUPERVISOR"]

_PROGRAMS = Path(".venv-peers/supervisor/bin").absolute()


@dataclass(frozen=True, slots=True)
class _Supervisor:
    name: str = "Supervisor"

    def missing(self) -> str | None:
        return None if (_PROGRAMS / "supervisord").exists() else "make peers"

    def version(self) -> str:
        asked = subprocess.run(
            [_PROGRAMS / "supervisord", "--version"], capture_output=True, text=True, check=True
        )
        return asked.stdout.strip()

    @contextmanager
    def running(self, work: Work) -> Iterator[Running]:
        if work.has_time_stamps:
            raise ValueError("supervisord puts no time before lines")
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            configuration = folder / "supervisord.conf"
            configuration.write_text(_configuration(work, folder))
            with started(
                [str(_PROGRAMS / "supervisord"), "--nodaemon", "--configuration", str(configuration)],
                work,
                endpoint=str(folder / "socket"),
                status_command=(str(_PROGRAMS / "supervisorctl"), "-c", str(configuration), "status"),
            ) as running:
                yield running


SUPERVISOR = _Supervisor()


def _configuration(work: Work, folder: Path) -> str:
    """Return what it reads: a program runs as soon as it is started, and is replaced at once when it ends."""
    return f"""\
[supervisord]
logfile = /dev/null
logfile_maxbytes = 0
pidfile = {folder}/pid
childlogdir = {folder}
minfds = {4 * work.count + 1024}

[unix_http_server]
file = {folder}/socket

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl = unix://{folder}/socket

[program:worker]
command = {shlex.join(work.command).replace("%", "%%")}
process_name = worker-%(process_num)d
numprocs = {work.count}
startsecs = 0
autorestart = {str(work.is_kept_alive).lower()}
stderr_logfile = NONE
stdout_logfile = {f"{work.output}/worker-%(process_num)d.log" if work.output is not None else "NONE"}
stdout_logfile_maxbytes = {work.rotate_at or 0}
stdout_logfile_backups = 99
"""
