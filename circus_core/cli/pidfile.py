"""The file that tells which process the daemon is."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from circus_core.errors import CircusError
from circus_core.proc_files import read, state

__all__ = ["PidFile"]


class PidFile:
    """A decimal pid and a newline, mode 0644 whatever the umask (0.19).

    It is locked while it is ours, so that of two daemons that start at the same moment one is refused.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._fd: int | None = None
        self._own_pid = os.getpid()

    def create(self, pid: int | None = None) -> None:
        """Write a pid, that of this process if none is given.

        Raises:
            CircusError: another living process holds the file, or it can't be written.
        """
        self._own_pid = os.getpid() if pid is None else pid
        try:
            self._fd = self._open()
            self._refuse_holder()
            os.ftruncate(self._fd, 0)
            os.fchmod(self._fd, 0o644)
            os.pwrite(self._fd, f"{self._own_pid}\n".encode(), 0)
        except OSError as error:
            self._close()
            raise CircusError(f"pid file '{self.path}': {(error.strerror or str(error)).lower()}") from error
        except CircusError:
            self._close()
            raise

    def unlink(self) -> None:
        """Remove the file if it has the pid that was written; never raises."""
        with suppress(OSError):
            if self._pid() == self._own_pid:
                self.path.unlink()
        self._close()

    def holder(self) -> int | None:
        """Return the pid in the file if that process lives, None for a stale, unreadable or missing file."""
        pid = self._pid()
        if pid is None or pid <= 0:
            return None
        try:
            os.kill(pid, 0)
        except (ProcessLookupError, OverflowError):
            return None
        except PermissionError:
            pass  # it lives and is someone else's
        return None if _is_zombie(pid) else pid

    def _open(self) -> int:
        """Open and lock the file that has this name, also if another one gets it meanwhile."""
        while True:
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                self._lock(fd)
                if os.path.samestat(os.fstat(fd), os.stat(self.path)):
                    return fd
            except FileNotFoundError:  # it was removed before we had the lock
                pass
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)

    def _lock(self, fd: int) -> None:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise self._taken(self._pid()) from None
        except OSError:
            pass  # a file system without locks; the pid is looked at all the same

    def _refuse_holder(self) -> None:
        holder = self.holder()
        if holder is not None and holder != self._own_pid:
            raise self._taken(holder)

    def _taken(self, pid: int | None) -> CircusError:
        return CircusError(
            f"pid file '{self.path}' belongs to process {pid or '?'}, which is alive; stop it first"
        )

    def _close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _pid(self) -> int | None:
        try:
            return int(self.path.read_text())
        except (OSError, ValueError):
            return None


def _is_zombie(pid: int) -> bool:
    """It has ended, and only its parent has not looked yet; its number is still taken."""
    if stat := read(f"/proc/{pid}/stat"):
        return state(stat) == b"Z"  # proc_pid_stat(5)
    import psutil  # not Linux; or it is hidden, and not ours

    with suppress(psutil.Error):
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    return False
