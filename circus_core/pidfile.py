"""The file that tells which process the daemon is."""

from __future__ import annotations

import os
from pathlib import Path

from circus_core.errors import CircusError

__all__ = ["PidFile"]


class PidFile:
    """A decimal pid and a newline, mode 0644 whatever the umask (0.19)."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def create(self) -> None:
        """Write the pid of this process.

        Raises:
            CircusError: another living process holds the file, or it can't be written.
        """
        holder = self.holder()
        if holder is not None and holder != os.getpid():
            raise CircusError(
                f"pid file '{self.path}' belongs to process {holder}, which is alive; stop it first"
            )
        try:
            fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        except OSError as error:
            raise CircusError(f"pid file '{self.path}': {str(error.strerror).lower()}") from error
        with os.fdopen(fd, "w") as file:
            os.fchmod(fd, 0o644)
            file.write(f"{os.getpid()}\n")

    def unlink(self) -> None:
        """Remove the file if it names this process; never raises."""
        try:
            if self._pid() == os.getpid():
                self.path.unlink()
        except OSError:
            pass

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
            return pid  # it lives and is someone else's
        return pid

    def _pid(self) -> int | None:
        try:
            return int(self.path.read_text())
        except (OSError, ValueError):
            return None
