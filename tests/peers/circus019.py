"""Circus 0.19 and ours on the endpoints that both use if none are given, in a network of their own."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import psutil
import pytest

from tests.integration.daemon import DEADLINE, until
from tests.peers.command_table import CONFIGURATION
from tests.stack import free_ports

__all__ = ["HOME", "Done", "House", "Network", "Whose", "needs_peer", "network"]

HOME = Path(__file__).parents[2] / ".venv-peers" / "circus-0.19" / "bin"
ROOT = Path(__file__).parents[2]

Whose = Literal["ours", "0.19"]

needs_peer = pytest.mark.skipif(
    not (HOME / "circusctl").exists(), reason="there is no Circus 0.19 to talk to: run `make peers`"
)

_CONFLICT = "already running"
_PATIENTLY = ("--timeout", "30")  # it is 5 s otherwise; on a busy machine 0.19 needs more for `stats` of all
_OURS = {
    "circusd": (sys.executable, "-m", "circus_core.cli.circusd"),
    "circusctl": (sys.executable, "-m", "circus_core.cli.circusctl"),
}


@dataclass(frozen=True, slots=True)
class Network:
    """Where the default endpoints are free; `words` stand in front of what is to run there."""

    words: Sequence[str]


@contextmanager
def network() -> Iterator[Network]:
    """Make a network in which nothing runs; without the rights for that, take ours if the ports are free."""
    if os.geteuid() != 0 or not (shutil.which("unshare") and shutil.which("nsenter") and shutil.which("ip")):
        if _is_taken((5555, 5556, 5557)):
            pytest.skip("the default endpoints are taken, and only root can make a network with free ones")
        yield Network(())
        return
    script = (
        "ip link set lo up && ip link set lo multicast on && ip route add 224.0.0.0/4 dev lo; echo; exec cat"
    )
    with subprocess.Popen(
        ["unshare", "--net", "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        try:
            if not holder.stdout.readline():
                pytest.skip("this system lets us make no network")
            yield Network(("nsenter", f"--net=/proc/{holder.pid}/ns/net", "--"))
        finally:
            holder.stdin.close()


def _is_taken(ports: Sequence[int]) -> bool:
    for port in ports:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return True
    return False


@dataclass(frozen=True, slots=True)
class Done:
    """How a program ended and what it said."""

    status: int
    out: str
    error: str

    def json(self) -> dict[str, Any]:
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found


class House:
    """A circusd on the default endpoints, and what asks it. A context manager that leaves nothing running."""

    def __init__(
        self,
        folder: Path,
        network: Network,
        whose: Whose,
        configuration: str = CONFIGURATION,
    ) -> None:
        self.folder = folder
        self.whose = whose
        self.ini = folder / "circus.ini"
        self._network = network
        (port,) = free_ports(1)
        self.ini.write_text(configuration.format(port=port, folder=folder))
        self._token = secrets.token_hex(8)
        self._numbers = iter(range(1, 10_000))
        self._asking: subprocess.Popen[str] | None = None
        self._old_ctl: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._log = (self.folder / "log").open("wb")
        words = [*self._network.words, *_program("circusd", self.whose), str(self.ini)]
        self._process = subprocess.Popen(
            words, env=self._environment(), stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log
        )
        try:
            until(self._is_ready, self.log)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def ctl(self, whose: Whose, *words: str) -> Done:
        """Run a circusctl; the one of 0.19 again as long as the daemon of 0.19 does something else."""
        while True:
            assert self._process.poll() is None, self.log()
            done = self._old(words) if whose == "0.19" else self._ours(words)
            is_conflict = _CONFLICT in done.error + done.out
            if not (whose == self.whose == "0.19" and is_conflict):
                return done

    def python(self, whose: Whose, program: str) -> Done:
        """Run a Python program with the library of one side."""
        interpreter = sys.executable if whose == "ours" else str(HOME / "python")
        return self.run(interpreter, "-W", "error" if whose == "ours" else "ignore", "-c", program)

    def run(self, *words: str) -> Done:
        """Run a program where the daemon is."""
        with self.start(*words) as running:
            try:
                out, error = running.communicate(timeout=80)
            except subprocess.TimeoutExpired:
                running.kill()
                raise
        return Done(running.returncode, out, error)

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self._network.words, *words],
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def start_ctl(self, whose: Whose, *words: str) -> subprocess.Popen[str]:
        """Run a circusctl and go on."""
        return self.start(*_program("circusctl", whose), *words)

    def new(self) -> str:
        """Return the name of a new watcher, of which one process runs."""
        name = self.free()
        assert self._ask(f"add --start {name} --waiting 'sleep 1000'") == "ok\n", self.log()
        return name

    def _old(self, words: Sequence[str]) -> Done:
        """Run the circusctl of 0.19, which takes long to import what it needs."""
        if self._old_ctl is None:
            forked = str(Path(__file__).with_name("forked.py"))
            self._old_ctl = self._stay(str(HOME / "python"), forked, *_program("circusctl", "0.19"))
        status, out, error = json.loads(_answer(self._old_ctl, json.dumps([*_PATIENTLY, *words])))
        return Done(status, out, error)

    def _ours(self, words: Sequence[str]) -> Done:
        patiently = _PATIENTLY if self.whose == "0.19" else ()
        return self.run(*_program("circusctl", "ours"), *patiently, *words)

    def _ask(self, line: str) -> str:
        """Have a circusctl of ours, which stays for the next time, carry out what prints a line."""
        if self._asking is None:
            self._asking = self._stay(*_program("circusctl", "ours"), "-")
        return _answer(self._asking, line)

    def _stay(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self._network.words, *words],
            env=self._environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def free(self) -> str:
        """Return a name that no watcher has."""
        return f"w{next(self._numbers)}x"

    def wait(self, deadline: float = DEADLINE) -> int:
        """Wait for the end of the daemon; returns its exit status."""
        return self._process.wait(deadline)

    def _is_ready(self) -> bool:
        assert self._process.poll() is None, self.log()
        return "web: active" in self.ctl("ours", "--timeout", "1", "status").out

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name != "CIRCUSCTL_ENDPOINT"}
        return {**kept, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "CIRCUS_MARK": self._token}

    def _end(self) -> None:
        with ExitStack() as stack:
            stack.callback(self._log.close)
            stack.callback(self._kill_all)
            for staying in (self._asking, self._old_ctl):
                if staying is not None:
                    stack.enter_context(staying)
                    staying.kill()
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(DEADLINE if self.whose == "ours" else 10)
            except subprocess.TimeoutExpired:
                self._kill_family()
                self._process.wait()
                if self.whose == "ours":
                    raise

    def _kill_family(self) -> None:
        """End the daemon and its processes, which need not have our environment."""
        daemon = psutil.Process(self._process.pid)
        family = daemon.children(recursive=True)
        for process in (daemon, *family):
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def _kill_all(self) -> None:
        """End what a daemon left, as that of 0.19 may."""
        for process in psutil.process_iter():
            try:
                if process.environ().get("CIRCUS_MARK") == self._token:
                    process.kill()
            except psutil.Error:
                continue


def _program(name: str, whose: Whose) -> Sequence[str]:
    return _OURS[name] if whose == "ours" else (str(HOME / name),)


def _answer(program: subprocess.Popen[str], line: str) -> str:
    """Give a line to a program that answers with one."""
    assert program.stdin is not None
    assert program.stdout is not None
    program.stdin.write(f"{line}\n")
    program.stdin.flush()
    return program.stdout.readline()


def matches(pattern: str, text: str) -> bool:
    return re.fullmatch(pattern, text) is not None
