"""`circus.process`: one process, started by hand or by a watcher."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Self, cast

import psutil

import circus_core
from circus_core import ProcessState, plan_process, start_process

if TYPE_CHECKING:
    from circus.watcher import Watcher

__all__ = ["DEAD_OR_ZOMBIE", "OTHER", "RUNNING", "UNEXISTING", "Process"]

RUNNING: Final = 0
DEAD_OR_ZOMBIE: Final = 1
UNEXISTING: Final = 2
OTHER: Final = 3

_GRACE: Final = 1.0  # seconds from SIGTERM to SIGKILL that the pages of Circus promise
_GONE: Final = "No such process (stopped?)"


class Process:
    """One process.

    Made by hand it is started at once; `poll`, `wait` and `stop` are for its maker, and block. One that
    belongs to a watcher is that watcher's: `stop` asks the watcher for it and returns at once.

    Attributes:
        stdout, stderr: what reads its output, binary, if it was made by hand with a pipe; else None.
    """

    def __init__(
        self,
        name: str | int | None = None,
        wid: int | str | None = None,
        cmd: str | Sequence[str] | None = None,
        args: str | Sequence[str] | None = None,
        working_dir: str | None = None,
        shell: bool = False,
        uid: str | int | None = None,
        gid: str | int | None = None,
        env: Mapping[str, str] | None = None,
        rlimits: Mapping[str, int | None] | None = None,
        executable: str | None = None,
        use_fds: bool = False,
        watcher: Watcher | None = None,
        spawn: bool = True,
        pipe_stdout: bool = True,
        pipe_stderr: bool = True,
        close_child_stdin: bool = True,
        close_child_stdout: bool = False,
        close_child_stderr: bool = False,
    ) -> None:
        """The form of the oldest versions, `Process(name_or_wid, cmd, args)`, is understood, too.

        Raises:
            ConfigError, SpawnError: an option does not fit, or it can't be started.
        """
        if cmd is None or not isinstance(cmd, str) or (isinstance(wid, str) and not wid.isdecimal()):
            name, wid, cmd, args = _in_new_form(name, wid, cmd, args)
        self.name = str(name if name is not None else "")
        self.wid = int(wid or 1)
        self.cmd = cmd
        self.args = args
        self.working_dir = working_dir or os.getcwd()
        self.shell = shell
        self.uid = uid
        self.gid = gid
        self.env = dict(env or {})
        self.rlimits = dict(rlimits or {})
        self.executable = executable
        self.use_fds = use_fds
        self.watcher = watcher
        self.stdout: BinaryIO | None = None
        self.stderr: BinaryIO | None = None
        self._is_told_to_stop = False
        self.pipe_stdout = pipe_stdout
        self.pipe_stderr = pipe_stderr
        self.close_child_stdin = close_child_stdin
        self.close_child_stdout = close_child_stdout
        self.close_child_stderr = close_child_stderr
        self._core: circus_core.Process | None = None
        self._is_ours = True
        if spawn:
            self.spawn()

    @classmethod
    def of_watcher(cls, core: circus_core.Process, watcher: Watcher) -> Self:
        """Return what shows a process that circus-core runs for a watcher."""
        config = core.config
        face = cls(
            config.name, core.wid, config.cmd or "-", watcher.args, config.working_dir, config.shell,
            config.uid, config.gid, watcher.env, config.rlimits, config.executable, config.use_sockets,
            watcher, spawn=False,
        )  # fmt: skip
        face._core, face._is_ours = core, False
        return face

    def spawn(self) -> None:
        """Start it; harmless when it has been started."""
        if self._core is not None:
            return
        piped = {
            "stdout": self.pipe_stdout and not self.close_child_stdout,
            "stderr": self.pipe_stderr and not self.close_child_stderr,
        }
        with _Pipes(name for name, is_piped in piped.items() if is_piped) as pipes:
            self._core = start_process(
                **self._request(),
                stdout=subprocess.DEVNULL if self.close_child_stdout else pipes.writers.get("stdout"),
                stderr=subprocess.DEVNULL if self.close_child_stderr else pipes.writers.get("stderr"),
                pass_fds=_inheritable() if self.use_fds else (),
            )
            self.stdout, self.stderr = pipes.reader("stdout"), pipes.reader("stderr")

    def format_args(self, sockets_fds: Mapping[str, int] | None = None) -> list[str]:
        """Return the words of the command, variables substituted."""
        if not self._is_ours:
            return psutil.Process(self.pid).cmdline()
        request = self._request()
        return list(plan_process(**{**request, "sockets": sockets_fds or request["sockets"]}).argv)

    def _request(self) -> dict[str, Any]:
        return {
            "cmd": self.cmd,
            "name": self.name or None,
            "wid": self.wid,
            "args": self.args,
            "working_dir": self.working_dir,
            "shell": self.shell,
            "uid": self.uid,
            "gid": self.gid,
            "env": self.env,
            "rlimits": self.rlimits,
            "executable": self.executable,
            "use_sockets": self.use_fds,
            "sockets": self._sockets(),
            "close_child_stdin": self.close_child_stdin,
            "close_child_stdout": self.close_child_stdout,
            "close_child_stderr": self.close_child_stderr,
        }

    def _sockets(self) -> dict[str, int]:
        if self.watcher is None:
            return {}
        return {name.lower(): each.fileno() for name, each in (self.watcher.sockets or {}).items()}

    # What can be seen

    @property
    def pid(self) -> int:
        """Its number; AttributeError before it is spawned."""
        return self._started().pid

    @property
    def started(self) -> float:
        """Seconds since the epoch."""
        return self._started().started

    @property
    def stopping(self) -> bool:
        """It was told to stop."""
        is_stopping = self._core is not None and self._core.state is ProcessState.STOPPING
        return self._is_told_to_stop or is_stopping

    @property
    def username(self) -> str | None:
        return psutil.Process(self.pid).username() if self.is_alive() else None

    @property
    def status(self) -> int:
        """RUNNING, DEAD_OR_ZOMBIE (its end has not been asked for yet), UNEXISTING or OTHER."""
        if self._started().returncode is not None:
            return UNEXISTING
        try:
            status = psutil.Process(self.pid).status()
        except psutil.NoSuchProcess:
            return UNEXISTING
        except psutil.Error:
            return OTHER
        return DEAD_OR_ZOMBIE if status in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD) else RUNNING

    def age(self) -> float:
        """Seconds since it was spawned."""
        return self._started().age()

    def info(self) -> dict[str, Any] | str:
        """Return what it costs, or a text if it has ended."""
        found = self._started().info()
        return _GONE if found is None else found

    def children(self, recursive: bool = False) -> list[int]:
        """Return the pids of its children, or of all descendants."""
        return [child.pid for child in self._started().children(recursive=recursive)]

    def is_child(self, pid: int | str) -> bool:
        return int(pid) in self.children()

    # Its end

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; None while it runs."""
        core = self._started()
        return core.poll() if self._is_ours else core.returncode

    def returncode(self) -> int | None:
        """Return the same as poll()."""
        return self.poll()

    def is_alive(self) -> bool:
        return self._core is not None and self.poll() is None

    def wait(self, timeout: float | None = None) -> int | None:
        """Block until it has ended, at most `timeout` seconds; returns the exit code, None if it runs."""
        core = self._started()
        if self._is_ours:
            return core.wait(timeout)
        _wait_for_stranger(core.pid, timeout)
        return core.returncode

    def stop(self) -> None:
        """Send SIGTERM, and SIGKILL one second later; done when it has ended. Closes the pipes."""
        if not self._is_ours and self.watcher is not None:
            self.watcher.kill_process(self)
            return
        self._is_told_to_stop = True
        if self._core is not None and self.poll() is None:
            self._core.stop(_GRACE)
        self.close_output_channels()

    def close_output_channels(self) -> None:
        """Close what reads its output."""
        for each in (self.stdout, self.stderr):
            if each is not None:
                each.close()

    # Signals

    def send_signal(self, sig: int) -> None:
        """Send a signal; psutil.NoSuchProcess if it is gone."""
        core = self._started()
        if self._is_ours:
            core.poll()
        if not core.send_signal(sig):
            raise psutil.NoSuchProcess(core.pid)

    def send_signal_child(self, pid: int | str, signum: int) -> None:
        """Send a signal to a child; psutil.NoSuchProcess if it is none."""
        found = {child.pid: child for child in self._started().children()}
        if int(pid) not in found:
            raise psutil.NoSuchProcess(int(pid))
        found[int(pid)].send_signal(signum)

    def send_signal_children(self, signum: int, recursive: bool = False) -> None:
        """Send a signal to its children, or to all descendants; those that have gone do not count."""
        for child in self._started().children(recursive=recursive):
            try:
                child.send_signal(signum)
            except psutil.NoSuchProcess:
                continue

    def __lt__(self, other: Process) -> bool:
        return self.started < other.started

    def __gt__(self, other: Process) -> bool:
        return self.started > other.started

    def __repr__(self) -> str:
        return (
            f"<circus.Process name={self.name} wid={self.wid} pid={self._core.pid if self._core else None}>"
        )

    def _started(self) -> circus_core.Process:
        if self._core is None:
            raise AttributeError(f"process {self.name!r} has not been spawned")
        return self._core


class _Pipes:
    """Pipes by name; what nobody took is closed in the end."""

    def __init__(self, names: Iterable[str]) -> None:
        self.writers: dict[str, int] = {}
        self._readers: dict[str, int] = {}
        for name in names:
            self._readers[name], self.writers[name] = os.pipe()

    def reader(self, name: str) -> BinaryIO | None:
        """Hand over the end to read from."""
        descriptor = self._readers.pop(name, None)
        return None if descriptor is None else cast(BinaryIO, os.fdopen(descriptor, "rb"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        for descriptor in (*self.writers.values(), *self._readers.values()):
            os.close(descriptor)


def _in_new_form(name: Any, wid: Any, cmd: Any, args: Any) -> tuple[Any, Any, str, Any]:
    """Read `Process(name_or_wid, cmd, args)`."""
    if wid is None:
        raise TypeError("Process needs name, wid and cmd")
    if isinstance(name, int):
        return None, name, str(wid), args if cmd is None else cmd
    return name, 1, str(wid), args if cmd is None else cmd


def _inheritable() -> list[int]:
    found = []
    for name in os.listdir("/dev/fd"):
        try:
            if int(name) > 2 and os.get_inheritable(int(name)):
                found.append(int(name))
        except OSError:  # it was open to list the folder
            continue
    return found


def _wait_for_stranger(pid: int, timeout: float | None) -> None:
    try:
        psutil.Process(pid).wait(timeout)
    except (psutil.NoSuchProcess, psutil.TimeoutExpired):
        return
