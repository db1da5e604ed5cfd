"""Into the background: the starting process waits until the daemon runs, or tells why it does not."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

__all__ = ["Background", "daemonize"]

_READY = b"\0"


class Background:
    """The daemon's side of the pipe to the process that started it."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def ready(self) -> None:
        """The starting process ends with status 0."""
        self._send(_READY)

    def failed(self, status: int, message: str) -> None:
        """The starting process prints the message to standard error and ends with this status."""
        self._send(bytes([status]) + message.encode())

    def _send(self, message: bytes) -> None:
        if self._fd >= 0:
            os.write(self._fd, message)
            os.close(self._fd)
            self._fd = -1


def daemonize() -> Background:
    """Go on as a daemon: in a session without terminal, standard streams on /dev/null (0.19: --daemon).

    The working directory and the umask stay. Descriptors above 2 are closed. Only before there are threads,
    a loop or open files. In the starting process this never returns.
    """
    ours, theirs = os.pipe()
    if os.fork():
        os.close(theirs)
        _wait_for_daemon(ours)
    os.setsid()
    if os.fork():
        os._exit(0)  # the daemon leads no session, so no terminal can become its own: daemon(7)
    _forget_descriptors(theirs)
    return Background(theirs)


def _wait_for_daemon(fd: int) -> NoReturn:
    answer = b""
    while chunk := os.read(fd, 65536):
        answer += chunk
    if answer != _READY:
        message = answer[1:].decode(errors="replace") or "circusd: the daemon ended before it was ready"
        sys.stderr.write(message.rstrip("\n") + "\n")
        sys.stderr.flush()
    os._exit(answer[0] if answer else 1)


def _forget_descriptors(kept: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    os.closerange(3, kept)
    os.closerange(kept + 1, _highest_descriptor() + 1)


def _highest_descriptor() -> int:
    try:
        return max(map(int, os.listdir("/dev/fd")))
    except OSError:
        return os.sysconf("SC_OPEN_MAX")
