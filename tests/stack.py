"""circusd as a real child, on a copy of an example or on a configuration of the test."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from circus_core.clients.client import CircusClient
from circus_core.errors import CallError
from circus_core.testing.circusd import free_port

__all__ = ["EXAMPLES", "PROGRAMS", "Stack", "copy_example", "free_ports", "replace_numbers", "wait_until"]

EXAMPLES = Path(__file__).parents[1] / "examples"
PROGRAMS = Path(sys.executable).parent
PATIENCE = 60.0  # seconds


def wait_until(
    condition: Callable[[], object], what: Callable[[], str] | str, timeout: float = PATIENCE
) -> None:
    """Wait for what other processes bring about; AssertionError after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:g} s in vain: {what if isinstance(what, str) else what()}")
        time.sleep(0.005)


def free_ports(count: int) -> list[int]:
    """Return TCP ports that were free just now."""
    return [free_port() for _ in range(count)]


def copy_example(name: str, folder: Path, ports: Iterable[int]) -> dict[int, int]:
    """Copy an example into `folder`, with free ports instead of these; returns the new one of each."""
    shutil.copytree(
        EXAMPLES / name, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.log*", "__pycache__")
    )
    wanted = list(ports)
    new = dict(zip(wanted, free_ports(len(wanted)), strict=True))
    for file in folder.iterdir():
        if file.suffix in {".ini", ".py"}:
            file.write_text(replace_numbers(file.read_text(), new))
    return new


def replace_numbers(text: str, new: Mapping[int, int]) -> str:
    """Put others in the place of some numbers, all at once: a new one may hold the digits of an old one."""
    olds = "|".join(map(str, new))
    return re.sub(rf"(?<!\d)({olds})(?!\d)", lambda match: str(new[int(match[0])]), text)


class Stack:
    """circusd in the foreground of a session of its own, started in `folder`. A context manager.

    Leaving it ends the daemon if it still runs, and fails if a process that it started is left.

    Attributes:
        process: the daemon.
        endpoint: its control endpoint.
    """

    def __init__(
        self,
        folder: Path,
        *,
        endpoint: str,
        config: str = "circus.ini",
        arguments: Iterable[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.endpoint = endpoint
        self.environment = {
            **os.environ,
            "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}",
            "CIRCUSCTL_ENDPOINT": endpoint,
            **(environment or {}),
        }
        self._log = folder / "circusd.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [PROGRAMS / "circusd", config, *arguments],
                cwd=folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        family = self.family()
        try:
            if self.process.poll() is None:
                self.process.terminate()
                self.process.wait(PATIENCE)
        finally:
            self.process.kill()
            self.process.wait()
            left = alive(family)
            for process in left:
                process.kill()
        assert not left, f"left behind: {left}"

    def log(self) -> str:
        """What the daemon has written."""
        return self._log.read_text(errors="replace")

    def ctl(self, *words: str, check: bool = True) -> str:
        """Run circusctl and return what it prints."""
        done = subprocess.run(
            [PROGRAMS / "circusctl", "--timeout", str(PATIENCE), *words],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE,
        )
        assert not check or done.returncode == 0, f"{words}: {done.stdout}{done.stderr}{self.log()}"
        return (done.stdout + done.stderr).strip()

    def ask(self, command: str, **properties: Any) -> dict[str, Any]:
        """Ask the daemon directly; raises CallError."""
        with CircusClient(self.endpoint, timeout=PATIENCE) as client:
            return client.send(command, **properties)

    def pids(self, watcher: str) -> list[int]:
        """Return the processes of a watcher, in spawn order."""
        return [int(pid) for pid in self.ask("list", name=watcher)["pids"]]

    def status(self, watcher: str) -> str:
        """Return the state of a watcher."""
        return str(self.ask("status", name=watcher)["status"])

    def wait_for_status(self, watcher: str, status: str) -> None:
        """Wait for a state of a watcher."""
        wait_until(lambda: self.status(watcher) == status, lambda: f"{watcher} {status}: {self.log()}")

    def wait_until_up(self) -> None:
        """Wait for the first answer of the daemon; AssertionError with its log if it ends instead."""
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                with CircusClient(self.endpoint, timeout=0.5) as client:
                    client.send("numwatchers")
                return
            except CallError:
                continue
        raise AssertionError(f"circusd does not answer, exit status {self.process.returncode}:\n{self.log()}")

    def interrupt(self) -> int:
        """Do what Ctrl-C in a terminal does: SIGINT to the foreground group. Returns the exit status."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(PATIENCE)

    def family(self) -> list[psutil.Process]:
        """All processes of the stack that live now, the daemon too."""
        try:
            daemon = psutil.Process(self.process.pid)
            return [daemon, *daemon.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []


def alive(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Return those that still run; a zombie does not."""

    def runs(process: psutil.Process) -> bool:
        try:
            return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    return [process for process in processes if runs(process)]
