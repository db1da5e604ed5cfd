"""One child: started once, signalled, and gone when its status is collected."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, Final

import psutil

from circus_core.backends import Backend, Child, SpawnRequest
from circus_core.clock import Clock
from circus_core.config.model import WatcherConfig
from circus_core.observed import Worker
from circus_core.proc_files import read, state
from circus_core.process_info import NO_READINGS, Measured, Readings, measure
from circus_core.process_table import read_children
from circus_core.states import ProcessState

__all__ = ["Process", "describe_exit", "signal_all", "signal_descendants"]

_STOPPED: Final = b"T"  # proc_pid_stat(5)


class Process:
    """One running command. A watcher drives it on the loop; alone, `poll`, `wait` and `stop` need no loop.

    Attributes:
        config: the options it was started with.
        worker: its place in the watcher: worker number, state, deadlines.
        started: seconds since the epoch, 0 before it is spawned.
        readings: cpu times when it was measured last.
    """

    __slots__ = ("_backend", "_child", "_clock", "_on_exit", "_ps", "config", "readings", "started", "worker")

    def __init__(self, config: WatcherConfig, worker: Worker, *, backend: Backend, clock: Clock) -> None:
        self.config = config
        self.worker = worker
        self.started = 0.0
        self.readings: Readings = NO_READINGS
        self._backend = backend
        self._clock = clock
        self._child: Child | None = None
        self._ps: psutil.Process | None = None
        self._on_exit: Callable[[Process, int], object] | None = None

    @property
    def pid(self) -> int:
        """Process id, 0 before it is spawned."""
        return self._child.pid if self._child is not None else 0

    @property
    def wid(self) -> int:
        return self.worker.wid

    @property
    def state(self) -> ProcessState:
        return self.worker.state

    @property
    def returncode(self) -> int | None:
        """As in `subprocess`: None while it runs, negative for a death by signal."""
        return self._child.returncode if self._child is not None else None

    @property
    def has_come_up(self) -> bool:
        """False while its backend knows that it is not ready for its work yet."""
        return bool(getattr(self._child, "has_come_up", True))

    def __repr__(self) -> str:
        return f"<Process {self.config.name}.{self.wid} pid={self.pid} {self.state.value}>"

    def spawn(self, request: SpawnRequest, on_exit: Callable[[Process, int], object] | None = None) -> None:
        """Start the command; blocks for about a millisecond. Raises SpawnError: then nobody hears of an exit.

        Args:
            on_exit: called on the loop with this and the return code; None: nobody waits on a loop.
        """
        started = self._clock.wall()
        self._on_exit = on_exit
        try:
            self._child = self._backend.spawn(request, self._ended if on_exit is not None else None)
        except BaseException:
            self._on_exit = None
            raise
        self.started = started

    def discard(self) -> None:
        """Kill it, and tell nobody when it has ended."""
        self._on_exit = None
        self.kill()

    def send_signal(self, signum: int) -> bool:
        """Send to this process and no other; False if it is gone. From any thread."""
        return self._child is not None and self._child.send_signal(signum)

    def kill(self) -> None:
        """SIGKILL to the process and its group. From any thread."""
        if self._child is not None:
            self._child.send_signal_group(signal.SIGKILL)
            self._child.send_signal(signal.SIGKILL)

    def is_suspended(self) -> bool:
        """Tell whether it was stopped by SIGSTOP or a terminal: then it sees no other signal than SIGKILL."""
        if stat := read(f"/proc/{self.pid}/stat"):
            return state(stat) == _STOPPED
        with suppress(psutil.Error):  # not Linux, or it has ended
            return self._psutil().status() == psutil.STATUS_STOPPED
        return False

    def age(self) -> float:
        """Seconds since it was spawned."""
        return self._clock.monotonic() - self.worker.started if self.worker.started is not None else 0.0

    def children(self, *, recursive: bool = False) -> list[psutil.Process]:
        """Return its children, or all descendants; these need a look at all processes of the machine."""
        with suppress(psutil.Error):
            pids = None if recursive else _child_pids(self.pid)
            if pids is None:
                return self._psutil().children(recursive=recursive)
            return [child for pid in pids if (child := _child(pid, self.pid)) is not None]
        return []

    def info(self) -> dict[str, Any] | None:
        """Measure it as the `stats` command does; None if it has ended. May take long: not on the loop."""
        return self.take_in(measure({self.pid: self.readings})[self.pid])

    def take_in(self, measured: Measured) -> dict[str, Any] | None:
        """Return what `stats` says about it, and remember the readings; None if it has ended."""
        self.readings = measured.readings
        if measured.info is None or self.returncode is not None:  # the pid may be another one's by now
            return None
        return measured.info | {"started": self.started, "wid": self.wid, "age": self.age()}

    def poll(self) -> int | None:
        """Return the return code, None while it runs. Without a loop only."""
        return self._child.poll() if self._child is not None else None

    def wait(self, timeout: float | None = None) -> int | None:
        """Block up to `timeout` seconds for the return code; None: it still runs. Without a loop only."""
        return self._child.wait(timeout) if self._child is not None else None

    def stop(self, grace: float | None = None) -> int | None:
        """Ask it to end, then make it; blocks, and returns the return code. Without a loop only.

        Args:
            grace: seconds from the stop signal to SIGKILL; None for the configured graceful_timeout.
        """
        self.send_signal(self.config.stop_signal)
        code = self.wait(self.config.graceful_timeout if grace is None else grace)
        if code is None:
            self.kill()
            code = self.wait()
        return code

    def _ended(self, returncode: int) -> None:
        if self._on_exit is not None:
            self._on_exit(self, returncode)

    def _psutil(self) -> psutil.Process:
        if self._ps is None:
            self._ps = psutil.Process(self.pid)
        return self._ps


def _child_pids(pid: int) -> list[int] | None:
    """Return what proc_pid_task_tid_children(5) says; None where there is no such file."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children") as file:
                found.extend(map(int, file.read().split()))
    except OSError:
        return None
    return found


def _child(pid: int, parent: int) -> psutil.Process | None:
    """Return the process, unless it has gone and its number is another one's by now."""
    try:
        process = psutil.Process(pid)
        return process if process.ppid() == parent else None
    except psutil.Error:
        return None


def signal_descendants(pids: Iterable[int], signum: int, *, recursive: bool) -> int:
    """Send a signal to the children of processes, or to all descendants. May take long: not on the loop.

    All are looked up before the first is signalled, since those that end leave their own children to others.

    Returns:
        How many were reached.
    """
    children = read_children()
    found: list[psutil.Process] = []
    parents = list(pids)
    for parent in parents:
        below = [each for pid in children.get(parent, ()) if (each := _child(pid, parent)) is not None]
        found.extend(below)
        if recursive:
            parents.extend(each.pid for each in below)
    return len(list(signal_all(found, signum)))


def signal_all(processes: Iterable[psutil.Process], signum: int) -> Iterator[int]:
    """Signal processes that may be gone, never another one of the same pid; yields the pids reached."""
    for process in processes:
        try:
            process.send_signal(signum)
        except psutil.Error:
            continue
        yield process.pid


def describe_exit(returncode: int) -> str:
    """Say how a process ended, for people."""
    if returncode >= 0:
        return f"exit {returncode}"
    with suppress(ValueError):
        return f"killed by {signal.Signals(-returncode).name}"
    return f"killed by signal {-returncode}"
