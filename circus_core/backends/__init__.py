"""What starts, signals and watches one process. A driver of `circus.backends`, chosen by `backend = NAME`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

from circus_core.records import dataclass, field

__all__ = ["Backend", "BackendFactory", "Child", "ExitCallback", "SpawnRequest"]

ExitCallback = Callable[[int], None]
"""Called on the loop, once, with the return code (as in `subprocess`: negative means a signal)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpawnRequest:
    """Everything a backend needs to start one process; all variables are substituted.

    Attributes:
        argv: at least one word. argv[0] is what the program sees as its name.
        executable: program to run when it differs from argv[0]; searched like argv[0].
        env: the whole environment, nothing is added from the daemon's own but the mark of the backend.
        working_dir: None for the daemon's.
        enters_as_user: working_dir is entered with the rights of `uid`, not with those of the daemon.
        stdin, stdout, stderr: a descriptor of the daemon, subprocess.DEVNULL, or None to inherit.
        pass_fds: descriptors that keep their number in the child.
        listen_fds: sockets to hand over by the protocol of systemd's sd_listen_fds(3): numbers from 3
            upwards, LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES set; pairs of name and descriptor.
        rlimits: lower-case name without RLIMIT_ -> value for soft and hard limit, None for infinity.
        nice: niceness, None for the daemon's.
        uid, gid: None for the daemon's; resolved numbers. A uid without gid: its primary group.
        label: "watcher.wid", for messages and for the mark.
        kill_descendants: processes that this one leaves behind are killed before its exit is reported.
    """

    argv: tuple[str, ...]
    executable: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    working_dir: str | None = None
    enters_as_user: bool = False
    stdin: int | None = None
    stdout: int | None = None
    stderr: int | None = None
    pass_fds: tuple[int, ...] = ()
    listen_fds: tuple[tuple[str, int], ...] = ()
    rlimits: Mapping[str, int | None] = field(default_factory=dict)
    nice: int | None = None
    uid: int | None = None
    gid: int | None = None
    label: str = ""
    kill_descendants: bool = True


class Child(Protocol):
    """One started process.

    A child may have an attribute `has_come_up`: False as long as it is not ready for its work. A death before
    that counts as a quick one, after which the next try has to wait.
    """

    @property
    def pid(self) -> int: ...

    @property
    def returncode(self) -> int | None:
        """None until the exit was collected."""

    def send_signal(self, signum: int) -> bool:
        """Send to this process and no other, whatever became of its pid; False if it is gone."""

    def send_signal_group(self, signum: int) -> bool:
        """Send to the process group it leads; False if there is none."""

    def poll(self) -> int | None:
        """Collect the exit if it happened; for use without a loop (no exit callback given)."""

    def wait(self, timeout: float | None = None) -> int | None:
        """Block up to `timeout` seconds for the exit; for use without a loop. None: still running."""


class Backend(Protocol):
    """Made once per arbiter and name.

    It may have a method `check(request)` that raises SpawnError for what is known before it is tried, such as
    a program that does not exist: so a reload that would fail is refused before a process is stopped for it.
    """

    def spawn(self, request: SpawnRequest, on_exit: ExitCallback | None) -> Child:
        """Start a process, in a session of its own. Blocks for the time of a vfork (about 1 ms).

        `on_exit` is called on the loop given at construction when the process has ended, its left-behind
        descendants are gone (kill_descendants) and its status is collected. None: the caller polls.

        Raises:
            SpawnError: nothing was started, or it was killed again, and no exit is reported.
        """

    def reap_orphans(self) -> None:
        """SIGCHLD came: collect adopted orphans that have ended; nothing to do for a backend without any."""

    def close(self) -> None:
        """Give back descriptors and handlers; running processes are left alone."""


class BackendFactory(Protocol):
    """What an entry point of `circus.backends` names."""

    def __call__(self, *, loop: asyncio.AbstractEventLoop | None, subreaper: bool) -> Backend:
        """Make a backend.

        Args:
            loop: where exit callbacks run; None for use without one.
            subreaper: this program is a daemon of its own: adopt and reap orphans (prctl(2)
                PR_SET_CHILD_SUBREAPER). False when embedded: the host's children are left alone.
        """
