"""A real circusd for a test: started from an ini text, asked over its endpoint, its events recorded."""

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
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import cycle
from pathlib import Path
from textwrap import dedent
from types import TracebackType
from typing import Any, Self

import psutil
import zmq

from circus_core.access.keys import secure
from circus_core.clients.client import CircusClient
from circus_core.errors import CallError

__all__ = ["DEADLINE", "Daemon", "Event", "Recorder", "Watch", "free_port", "is_alive", "until"]

DEADLINE = 90.0
"""Seconds after which what is waited for will not come any more."""

_LONGEST_FOLDER = 95
_PF_EXITING = 4  # of the flags of a process, include/linux/sched.h
_MARK = "CIRCUS_MARK"  # inherited by all that a daemon starts
_BEACON = "zz-beacon"  # a watcher that never runs: its `updated` events prove that we hear everything
_UPDATE = {"max_retry": 5}
_PORTS = range(20_000, 32_000)  # below those that systems give to who asks for any


def until(
    claim: Callable[[], object], what: str | Callable[[], str] = "", deadline: float = DEADLINE
) -> None:
    """Wait until `claim()` is true; AssertionError after `deadline` seconds."""
    end = time.monotonic() + deadline
    while not claim():
        if time.monotonic() > end:
            raise AssertionError(f"it did not happen in time: {what if isinstance(what, str) else what()}")
        time.sleep(0.005)


def is_alive(pid: int) -> bool:
    """Tell whether it runs; a zombie does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """Return a port of this machine, TCP or UDP, that is free and that nobody is likely to get meanwhile."""
    return next(port for port in _ports() if _is_free(port, kind))


@cache
def _ports() -> Iterator[int]:
    """Each process begins somewhere else, and gets none again before it has had all."""
    first = secrets.choice(_PORTS)  # which no seed makes the same everywhere
    return cycle([*range(first, _PORTS.stop), *range(_PORTS.start, first)])


def _is_free(port: int, kind: socket.SocketKind) -> bool:
    with socket.socket(type=kind) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@dataclass(frozen=True, slots=True)
class Event:
    """One event as a subscriber gets it; `at` is its place among all."""

    at: int
    watcher: str
    action: str
    payload: Mapping[str, Any]

    @property
    def pid(self) -> int:
        return int(self.payload["process_pid"])


class Recorder:
    """Subscribes to all events before the daemon runs, and keeps them.

    Where the daemon is to ask for keys, `servers` in $CIRCUS_KEYS has to name it before.
    """

    def __init__(self, endpoint: str, *, have_published: Callable[[], object]) -> None:
        """`have_published` has the beacon published."""
        self._have_published = have_published
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.SUB)
        self._socket.setsockopt(zmq.SUBSCRIBE, b"")
        self._socket.setsockopt(zmq.RCVHWM, 0)
        self._socket.setsockopt(zmq.RECONNECT_IVL, 5)
        secure(self._socket, endpoint)
        self._socket.connect(endpoint)
        self._events: list[Event] = []
        self._changed = threading.Condition()
        self._is_closed = False
        self._thread = threading.Thread(target=self._record, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._is_closed = True
        self._thread.join()
        self._context.destroy(linger=0)

    def all(self, watcher: str | None = None, *actions: str) -> list[Event]:
        """Return what came so far, of one watcher and of these actions only if any are given."""
        with self._changed:
            events = list(self._events)
        return [
            e for e in events
            if e.watcher != _BEACON and watcher in (None, e.watcher) and (not actions or e.action in actions)
        ]  # fmt: skip

    def actions(self, watcher: str) -> list[str]:
        """Return the words of lifecycle.md §20 in their order; states, backoffs and hooks left out."""
        extra = {"state", "backoff", "hook_success", "hook_failure", "hook_timeout"}
        return [e.action for e in self.all(watcher) if e.action not in extra]

    def wait_for(
        self, claim: Callable[[Event], object], *, after: int = -1, deadline: float = DEADLINE
    ) -> Event:
        """Wait for the first event that meets the claim and came behind the place `after`."""

        def found() -> Event | None:
            return next((e for e in self._events if e.at > after and claim(e)), None)

        with self._changed:
            event = self._changed.wait_for(found, deadline)
            if event is None:
                told = "\n".join(f"{e.watcher} {e.action} {dict(e.payload)}" for e in self._events)
                raise AssertionError(f"no such event in {deadline:g} s; there were:\n{told}")
            return event

    def wait(self, watcher: str, action: str, *, count: int = 1, after: int = -1) -> list[Event]:
        """Wait for `count` events of this action behind the place `after`, and return them."""
        found: list[Event] = []
        for _ in range(count):
            found.append(self.wait_for(lambda e: (e.watcher, e.action) == (watcher, action), after=after))
            after = found[-1].at
        return found

    @property
    def last(self) -> int:
        """A place behind all that was published until now, and before what is published from now on.

        Events come on a connection of their own: one may still be on its way when a reply that was sent
        later is there.
        """
        now = time.time()
        self._have_published()
        return self.wait_for(lambda e: e.watcher == _BEACON and e.payload["time"] >= now).at

    def has_beacon(self) -> bool:
        with self._changed:
            return any(e.watcher == _BEACON for e in self._events)

    def _record(self) -> None:
        while not self._is_closed:
            if not self._socket.poll(20):
                continue
            topic, payload = self._socket.recv_multipart()
            _, _, rest = topic.decode().partition(".")
            watcher, _, action = rest.rpartition(".")
            with self._changed:
                self._events.append(Event(len(self._events), watcher, action, json.loads(payload)))
                self._changed.notify_all()


class Watch:
    """One watcher of a daemon, from outside."""

    def __init__(self, daemon: Daemon, name: str) -> None:
        self.daemon = daemon
        self.name = name

    def pids(self) -> list[int]:
        """Return the pids of its processes, in spawn order."""
        return [int(pid) for pid in self.daemon.call("list", name=self.name)["pids"]]

    def pid(self) -> int:
        """Return the pid of its only process."""
        (pid,) = self.pids()
        return pid

    def wids(self) -> list[int]:
        """Return the worker numbers in spawn order, of a command `sleep $(circus.wid)000`."""
        return [int(_words(pid)[1]) // 1000 for pid in self.pids()]

    def status(self) -> str:
        return str(self.daemon.call("status", name=self.name)["status"])

    def reason(self) -> str:
        reasons = self.daemon.call("status", name=self.name).get("reasons", {})
        return str(reasons.get(self.name, ""))

    def until(self, status: str) -> None:
        until(lambda: self.status() == status, lambda: f"{self.name}: {self.status()} is not {status}")

    def until_pids(self, number: int) -> list[int]:
        """Wait until it has so many processes; returns their pids."""
        pids: list[int] = []

        def has_them() -> bool:
            pids[:] = self.pids()
            return len(pids) == number

        until(has_them, lambda: f"{self.name}: {pids}")
        return pids

    def do(self, command: str, **properties: Any) -> dict[str, Any]:
        """Send a command about it and wait for what it asks for."""
        return self.daemon.call(command, name=self.name, waiting=True, **properties)


class Daemon:
    """A circusd of its own, with endpoints in `folder`. At the end of its context nothing may be left of it.

    Attributes:
        folder: holds the configuration, the log, the endpoints.
        events: everything that was published since it was ready.
        may_fail: a traceback in its log is no failure of the test.
    """

    def __init__(
        self,
        folder: Path,
        sections: str,
        *,
        circus: Mapping[str, object] | None = None,
        tcp: bool = False,
        env: Mapping[str, str] | None = None,
        command: Sequence[str] = (),
        module: str = "circus_core.cli.circusd",
    ) -> None:
        """Args:
        sections: the ini text of watchers and sockets; those without autostart = False may run before
            the first event can be recorded.
        circus: further options of [circus].
        tcp: endpoints at free ports instead of files.
        command: words before the interpreter, such as prlimit.
        module: what the interpreter runs, with the file as its argument.
        """
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.token = secrets.token_hex(8)
        self._endpoints = _short(folder)
        self.endpoint, self.pubsub_endpoint = (
            (f"tcp://127.0.0.1:{free_port()}" if tcp else f"ipc://{self._endpoints / name}")
            for name in ("ctl", "pub")
        )
        self.log_path = folder / "circusd.log"
        self.ini = folder / "circus.ini"
        self._sections = sections
        self._circus = dict(circus or {})
        self.write_ini(sections)
        self._env = {**os.environ, "PYTHONPATH": _import_path(folder), **(env or {}), _MARK: self.token}
        self._command = [*command, sys.executable, "-m", module, str(self.ini)]
        self.events = Recorder(
            self.pubsub_endpoint, have_published=lambda: self.call("set", name=_BEACON, options=_UPDATE)
        )
        self.process: subprocess.Popen[bytes] | None = None
        self._client: CircusClient | None = None
        self.pid = 0
        self.may_fail = False

    def write_ini(self, sections: str) -> None:
        options = {"endpoint": self.endpoint, "pubsub_endpoint": self.pubsub_endpoint, **self._circus}
        circus = "\n".join(f"{name} = {value}" for name, value in options.items())
        beacon = f"[watcher:{_BEACON}]\ncmd = true\nautostart = False\n"
        self.ini.write_text(f"[circus]\n{circus}\n\n{dedent(sections)}\n\n{beacon}")

    def __enter__(self) -> Self:
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                self._command, env=self._env, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.pid = self.process.pid
        try:
            self._wait_until_ready()
        except BaseException:
            self._clear_away()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
            left = self.descendants()
            log = self.log()
        finally:
            self._clear_away()
        assert not left, f"left behind: {left}\n{log}"
        assert self.may_fail or "Traceback" not in log, log

    def watcher(self, name: str) -> Watch:
        return Watch(self, name)

    def call(self, command: str, /, **properties: Any) -> dict[str, Any]:
        """Have a command carried out; raises RefusedError."""
        if self._client is None:
            self._client = CircusClient(self.endpoint, timeout=DEADLINE)
        return self._client.send(command, **properties)

    def client(self, timeout: float = DEADLINE) -> CircusClient:
        """A further client, for another thread or a call that is not waited for. To be closed."""
        return CircusClient(self.endpoint, timeout=timeout)

    def ctl(self, *args: str, timeout: float = DEADLINE) -> subprocess.CompletedProcess[str]:
        """Run circusctl."""
        words = [sys.executable, "-m", "circus_core.cli.circusctl", "--endpoint", self.endpoint, *args]
        return subprocess.run(words, capture_output=True, text=True, timeout=timeout, check=False)

    def kill(self, signum: int) -> None:
        """Send a signal to the daemon."""
        assert self.process is not None
        self.process.send_signal(signum)

    def wait(self, deadline: float = DEADLINE) -> int:
        """Wait for the end of the daemon; returns its return code."""
        assert self.process is not None
        return self.process.wait(deadline)

    def stop(self, deadline: float = DEADLINE) -> int:
        """Have it end by SIGTERM, if it still runs; returns its return code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(deadline)

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def descendants(self) -> list[str]:
        """Return everything that this daemon started, directly or not, and that still runs.

        Who was killed and has not died yet, since the machine is busy, runs no more.
        """
        found = []
        for entry in os.scandir("/proc"):
            if entry.name.isdigit() and int(entry.name) != self.pid and self._is_ours(int(entry.name)):
                found.append(f"{entry.name} {_command_line(int(entry.name))}")
        return found

    def _is_ours(self, pid: int) -> bool:
        try:
            environ = Path(f"/proc/{pid}/environ").read_bytes()
            is_ours = any(
                self.token.encode() in e for e in environ.split(b"\0") if e.startswith(_MARK.encode())
            )
            return is_ours and not _is_dying(pid)
        except (OSError, ValueError):
            return False

    def _wait_until_ready(self) -> None:
        """Until it answers, and what it publishes arrives."""
        assert self.process is not None
        if self.endpoint.startswith("ipc:"):
            path = Path(self.endpoint.removeprefix("ipc://"))
            until(lambda: path.exists() or self.process.poll() is not None, self.log)  # type: ignore[union-attr]
        with CircusClient(self.endpoint, timeout=0.5) as client:
            end = time.monotonic() + DEADLINE
            while not self.events.has_beacon():
                assert self.process.poll() is None, self.log()
                assert time.monotonic() < end, self.log()
                try:
                    client.send("set", name=_BEACON, options=_UPDATE)
                except CallError:
                    continue
                time.sleep(0.005)

    def _clear_away(self) -> None:
        """Whatever became of it: nothing stays."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for line in self.descendants():
            try:
                os.kill(int(line.split()[0]), signal.SIGKILL)
            except ProcessLookupError:
                continue
        if self._client is not None:
            self._client.close()
        self.events.close()
        if self._endpoints != self.folder:
            shutil.rmtree(self._endpoints, ignore_errors=True)


def _short(folder: Path) -> Path:
    """Return this folder, or one whose name leaves room for that of a socket: sun_path of unix(7) has 108."""
    return folder if len(os.fsencode(folder)) < _LONGEST_FOLDER else Path(tempfile.mkdtemp(prefix="circus-"))


def _import_path(folder: Path) -> str:
    entries = [str(folder), *(entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry)]
    return os.pathsep.join(entries)


def _words(pid: int) -> list[str]:
    """Return the command line; within execve(2) there is none for a moment."""
    until(lambda: _command_line(pid))
    return _command_line(pid).split()


def _is_dying(pid: int) -> bool:
    """Tell whether a deadly signal is on its way, as SIGKILL for each thread, or it is ending: proc(5)."""
    status = Path(f"/proc/{pid}/status").read_text()
    (pending,) = re.findall(r"^SigPnd:\s*(\w+)", status, re.MULTILINE)
    flags = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[6])
    return bool(int(pending, 16) & 1 << signal.SIGKILL - 1 or flags & _PF_EXITING)


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
