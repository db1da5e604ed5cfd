"""Into the background: the starting process waits until the daemon runs, or tells why it does not."""

from __future__ import annotations

import fcntl
import os
import signal
import sys
from typing import Final, NoReturn

__all__ = ["Background", "daemonize"]

_READY: Final = b"\0"
_STANDARD: Final = (0, 1, 2)


class Background:
    """The daemon's side of the pipe to the process that started it. It is to be told something once.

    Attributes:
        is_waited_for: the starting process has not been told anything yet.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.is_waited_for = True

    def ready(self) -> bool:
        """Have the starting process end with status 0; False if it is gone."""
        is_told = self._tell(_READY)
        os.close(self._fd)
        return is_told

    def failed(self, status: int, message: str) -> None:
        """Have it print the message to standard error and end with this status, once this process ends."""
        self._tell(bytes([status]) + message.encode(errors="replace"))

    def _tell(self, message: bytes) -> bool:
        self.is_waited_for = False
        try:
            while message:
                message = message[os.write(self._fd, message) :]
        except OSError:  # EPIPE: nobody reads
            return False
        return True


def daemonize() -> Background:
    """Go on as a daemon: in a session without terminal, standard streams on /dev/null (0.19: --daemon).

    The working directory and the umask stay. Descriptors above 2 are closed. Only before there are threads,
    a loop or open files. In the starting process this never returns.

    Raises:
        OSError: there is no process or descriptor left.
    """
    ours, theirs = os.pipe()
    if os.fork():
        os.close(theirs)
        _wait_for_daemon(ours)
    os.setsid()
    if os.fork():
        os._exit(0)  # the daemon leads no session, so no terminal can become its own: daemon(7)
    theirs = fcntl.fcntl(
        theirs, fcntl.F_DUPFD_CLOEXEC, len(_STANDARD)
    )  # if we were started with 0 to 2 closed
    _forget_descriptors(theirs)
    return Background(theirs)


def _wait_for_daemon(fd: int) -> NoReturn:
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, signal.SIG_DFL)  # we may be told not to wait; the daemon notices
    answer = b""
    while chunk := os.read(fd, 65536):
        answer += chunk
    if answer != _READY:
        message = answer[1:].decode(errors="replace") or "circusd: the daemon ended before it was ready"
        print(message.rstrip("\n"), file=sys.stderr, flush=True)
    os._exit(answer[0] if answer else 1)


def _forget_descriptors(kept: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for fd in _STANDARD:
        os.dup2(null, fd)
    os.closerange(len(_STANDARD), kept)
    os.closerange(kept + 1, _highest_descriptor() + 1)


def _highest_descriptor() -> int:
    try:
        return max(map(int, os.listdir("/dev/fd")))
    except OSError:
        return os.sysconf("SC_OPEN_MAX")
