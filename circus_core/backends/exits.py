"""How we learn that a process has ended, without collecting its status before we are done with it.

While an ended process is not collected its number, and that of its group, can't be given to another one. So
`peek` looks and leaves it (waitid(2) WNOWAIT), and only `collect` lets go. Nobody else's child is ever waited
for.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import select
import signal
import threading
from collections.abc import Callable, Iterable
from typing import Final, Protocol

__all__ = ["STATUS_LOST", "Exits", "PidfdExits", "ThreadExits", "pidfds_work", "signal_group"]

logger = logging.getLogger(__name__)

STATUS_LOST: Final = 256  # no return code is that: somebody else has collected it
_TURN: Final = 256  # exits handled before the loop gets its turn; about 10 ms of work

EndedCallback = Callable[[list[int]], None]
"""Called on the loop with the handles that were watched and have ended; they are watched no longer."""


class Exits(Protocol):
    """Handles stand for processes; an int, private to the implementation."""

    def open(self, pid: int) -> int:
        """A handle for a child of ours that is not collected; OSError if there is no descriptor left."""

    def watch(self, handle: int) -> None:
        """Tell the loop when it ends; only with a loop."""

    def peek(self, handle: int) -> int | None:
        """The return code if it has ended, STATUS_LOST if that can't be known; collects nothing."""

    def wait(self, handles: Iterable[int], timeout: float | None) -> None:
        """Block until one of them has ended, at most `timeout` seconds."""

    def send(self, handle: int, signum: int) -> bool:
        """False if it is gone. Raises PermissionError."""

    def collect(self, handle: int) -> None:
        """Collect an ended process and forget the handle."""

    def close(self, handles: Iterable[int]) -> None:
        """Forget all handles, which the caller has to name; the processes go on."""


def pidfds_work() -> bool:
    """Whether this kernel and sandbox have pidfd_open(2) and waitid(2) on it (Linux 5.4)."""
    try:
        fd = os.pidfd_open(os.getpid())
    except (AttributeError, OSError):
        return False
    try:
        os.waitid(os.P_PIDFD, fd, os.WEXITED | os.WNOHANG)
    except ChildProcessError:
        return True  # understood: it is just no child of ours
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(fd)


def signal_group(group: int, signum: int) -> bool:
    """False if there is no such process group, or it refuses us."""
    try:
        os.killpg(group, signum)
    except ProcessLookupError:
        return False
    except PermissionError:
        logger.warning("process group %d refuses our signals: it is another user's", group)
        return False
    return True


class PidfdExits:
    """A pidfd for each process, all in one epoll, which is one reader of the loop. Handles are pidfds."""

    def __init__(self, *, loop: asyncio.AbstractEventLoop | None, on_ended: EndedCallback) -> None:
        self._loop = loop
        self._on_ended = on_ended
        self._epoll = select.epoll()
        if loop is not None:
            loop.add_reader(self._epoll.fileno(), self._ready)

    def open(self, pid: int) -> int:
        return os.pidfd_open(pid)

    def watch(self, handle: int) -> None:
        self._epoll.register(handle, select.EPOLLIN)

    def peek(self, handle: int) -> int | None:
        try:
            info = os.waitid(os.P_PIDFD, handle, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return STATUS_LOST
        return None if info is None else _return_code(info)

    def wait(self, handles: Iterable[int], timeout: float | None) -> None:
        poll = select.poll()
        for handle in handles:
            poll.register(handle, select.POLLIN)
        poll.poll(None if timeout is None else max(0.0, timeout) * 1000)

    def send(self, handle: int, signum: int) -> bool:
        try:
            signal.pidfd_send_signal(handle, signum)
        except ProcessLookupError:
            return False
        return True

    def collect(self, handle: int) -> None:
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PIDFD, handle, os.WEXITED | os.WNOHANG)
        os.close(handle)

    def close(self, handles: Iterable[int]) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()
        for handle in handles:
            os.close(handle)

    def _ready(self) -> None:
        handles = [handle for handle, _ in self._epoll.poll(0, _TURN)]
        for handle in handles:
            self._epoll.unregister(handle)
        self._on_ended(handles)


class ThreadExits:
    """A thread that waits for each process: macOS, kernels and sandboxes without pidfd. Handles are pids.

    macOS before Python 3.13 has no waitid(2): there the thread collects the status, and a signal in the
    microseconds before the loop hears of it could reach a new process of the same number.
    """

    def __init__(self, *, loop: asyncio.AbstractEventLoop | None, on_ended: EndedCallback) -> None:
        self._loop = loop
        self._on_ended = on_ended
        self._ended: dict[int, int] = {}
        self._watched: set[int] = set()
        self._change = threading.Condition()
        self._closed = False

    def open(self, pid: int) -> int:
        try:
            threading.Thread(target=self._wait_for, args=(pid,), name=f"exit-of-{pid}", daemon=True).start()
        except RuntimeError as error:  # "can't start new thread"
            raise OSError(*error.args) from error
        return pid

    def watch(self, handle: int) -> None:
        with self._change:
            self._watched.add(handle)
            ended = handle in self._ended
        if ended:
            self._tell(handle)

    def peek(self, handle: int) -> int | None:
        return self._ended.get(handle)

    def wait(self, handles: Iterable[int], timeout: float | None) -> None:
        wanted = set(handles)
        with self._change:
            self._change.wait_for(lambda: not wanted.isdisjoint(self._ended), timeout)

    def send(self, handle: int, signum: int) -> bool:
        if handle in self._ended:
            return False
        try:
            os.kill(handle, signum)
        except ProcessLookupError:
            return False
        return True

    def collect(self, handle: int) -> None:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(handle, os.WNOHANG)
        with self._change:
            del self._ended[handle]

    def close(self, handles: Iterable[int]) -> None:
        self._closed = True

    def _wait_for(self, pid: int) -> None:
        code = _wait_in_thread(pid)
        with self._change:
            self._ended[pid] = code
            self._change.notify_all()
            watched = pid in self._watched
        if watched:
            self._tell(pid)

    def _tell(self, handle: int) -> None:
        if self._loop is None or self._closed:
            return
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile: nobody is left to tell
            self._loop.call_soon_threadsafe(self._deliver, handle)

    def _deliver(self, handle: int) -> None:
        with self._change:
            known = handle in self._watched
            self._watched.discard(handle)
        if known and not self._closed:
            self._on_ended([handle])


def _wait_in_thread(pid: int) -> int:
    try:
        if hasattr(os, "waitid"):
            info = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
            return STATUS_LOST if info is None else _return_code(info)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except ChildProcessError:
        return STATUS_LOST


def _return_code(info: os.waitid_result) -> int:
    """As in `subprocess`: negative for a death by signal."""
    return info.si_status if info.si_code == os.CLD_EXITED else -info.si_status
