"""Pidfile: the file that tells which process the daemon is."""

from __future__ import annotations

from circus_core import CircusError, PidFile

__all__ = ["Pidfile"]


class Pidfile:
    """A decimal pid and a newline; locked while it is ours.

    Attributes:
        fname: the path.
        pid: what was written; None before.
    """

    def __init__(self, fname: str) -> None:
        self.fname = fname
        self.pid: int | None = None
        self._file = PidFile(fname)

    def create(self, pid: int) -> None:
        """Write the pid.

        Raises:
            RuntimeError: another living process has the file, or it can't be written.
        """
        try:
            self._file.create(int(pid))
        except CircusError as error:
            raise RuntimeError(str(error)) from error
        self.pid = int(pid)

    def rename(self, path: str) -> None:
        """Have the pid in another file from now on; raises as `create`."""
        self.unlink()
        self.fname = path
        self._file = PidFile(path)
        if self.pid is not None:
            self.create(self.pid)

    def unlink(self) -> None:
        """Remove the file if it has our pid; never raises."""
        self._file.unlink()

    def validate(self) -> int | None:
        """Return the pid in the file if that process lives."""
        return self._file.holder()
