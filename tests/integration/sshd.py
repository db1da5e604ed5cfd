"""A real sshd on loopback with keys of its own; nothing of this user's ssh is read or changed."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from tests.integration.daemon import DEADLINE, free_port, is_alive, until

__all__ = ["SSHD", "SshServer", "ssh_programs"]

SSHD = shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin")


class SshServer:
    """Attributes:
    address: for --ssh.
    key: a private key that it lets in.
    foreign_key: one that it does not.
    path: PATH with an `ssh` that reads only the configuration of this test.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.port = free_port()
        self.user = pwd.getpwuid(os.getuid()).pw_name
        self.address = f"{self.user}@127.0.0.1:{self.port}"
        self.log = folder / "sshd.log"
        for name in ("host", "key", "foreign"):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True
            )
        self.key, self.foreign_key = str(folder / "key"), str(folder / "foreign")
        (folder / "admitted").write_text((folder / "key.pub").read_text())
        self._write_server_config()
        self.path = f"{self._write_client()}:{os.environ['PATH']}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd insists
        assert SSHD is not None
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [SSHD, "-D", "-e", "-f", str(self.folder / "sshd_config")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        until(self._answers, lambda: self.log.read_text())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def kill(self) -> None:
        """End it and every connection that it serves."""
        if self._process is None:
            return
        sshd = psutil.Process(self._process.pid)
        everyone = [*sshd.children(recursive=True), sshd]
        for process in everyone:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        self._process.wait(DEADLINE)
        self._process = None
        until(lambda: not any(is_alive(process.pid) for process in everyone[:-1]), "sshd to be gone")

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 5) as probe:
            return probe.recv(4) == b"SSH-"
        return False

    def _write_server_config(self) -> None:
        lines = [
            f"Port {self.port}",
            "ListenAddress 127.0.0.1",
            f"HostKey {self.folder / 'host'}",
            f"AuthorizedKeysFile {self.folder / 'admitted'}",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "PermitRootLogin yes",
            "StrictModes no",
            "UsePAM no",
            "PidFile none",
        ]
        (self.folder / "sshd_config").write_text("\n".join(lines) + "\n")

    def _write_client(self) -> Path:
        """Make an `ssh` that knows this host and no key."""
        host = (self.folder / "host.pub").read_text()
        (self.folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {host}")
        (self.folder / "ssh_config").write_text(
            f"UserKnownHostsFile {self.folder / 'known_hosts'}\n"
            "GlobalKnownHostsFile /dev/null\nIdentityFile none\nIdentityAgent none\n"
        )
        programs = self.folder / "bin"
        programs.mkdir()
        program = programs / "ssh"
        program.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {self.folder / "ssh_config"} "$@"\n')
        program.chmod(0o755)
        return programs


def ssh_programs(folder: Path, name: str = "") -> Iterator[int]:
    """Yield the pids of every ssh that uses the configuration in this folder, and of their keepers.

    Args:
        name: of those that are wanted, if not all.
    """
    mark = str(folder / "ssh_config")
    key = str(folder / "key")
    for process in psutil.process_iter(["pid", "name", "cmdline"]):
        words = process.info["cmdline"] or []
        if name not in ("", process.info["name"]):
            continue
        if mark in words or (words[:1] == ["/bin/sh"] and key in words):
            yield int(process.info["pid"])
