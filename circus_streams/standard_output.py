"""The standard output of the daemon, which many streams share."""

from __future__ import annotations

import codecs
import errno
import os
import select
import sys
import threading
from collections.abc import Callable
from io import UnsupportedOperation
from typing import Any, Final

from circus_streams.chunks import Origin

__all__ = ["StandardOutput", "Terminal"]

# The other side is gone: a pipe without reader, a terminal that hung up, a descriptor that was closed.
GONE: Final = frozenset({errno.EPIPE, errno.EIO, errno.EBADF, errno.ENXIO})


class StandardOutput:
    """Writes whole pieces, one after the other, from any thread.

    A closed terminal or pipe is no error: what can't be shown any more is dropped. What a full disk does not
    take stays here, and goes first next time.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._unwritten = b""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def take(self, data: bytes) -> None:
        """Have `data` written by the next flush()."""
        with self._lock:
            self._unwritten += data

    def flush(self, out: Any = None) -> None:
        """Write what was taken.

        Args:
            out: a file for text, instead of `sys.stdout`.

        Raises:
            OSError: it is a file, and its disk is full.
        """
        if not self._unwritten:
            return
        with self._lock:
            try:
                self._write(sys.stdout if out is None else out)
            except OSError as error:
                if error.errno not in GONE:
                    raise
                self._unwritten = b""
            except ValueError:  # it was closed
                self._unwritten = b""

    def _write(self, out: Any) -> None:
        if out is None:  # a program without standard output, sys.__stdout__
            self._unwritten = b""
            return
        out.flush()
        try:
            fd = out.fileno()
        except (AttributeError, UnsupportedOperation):
            self._write_text(out)
            return
        while self._unwritten:
            try:
                self._unwritten = self._unwritten[os.write(fd, self._unwritten) :]
            except BlockingIOError:  # another program has made the terminal non-blocking
                select.select([], [fd], [])

    def _write_text(self, out: Any) -> None:
        """Write to an object that only looks like a file, such as io.StringIO."""
        data, self._unwritten = self._unwritten, b""
        out.write(self._decoder.decode(data))
        out.flush()


class Terminal:
    """Standard output as one stream uses it, or what this stream has been given instead."""

    def __init__(self, shared: StandardOutput, instead: Callable[[], Any]) -> None:
        """Args:
        instead: returns a file for text; None for standard output.
        """
        self._shared = shared
        self._own = StandardOutput()
        self._instead = instead

    def open(self) -> None:
        """It is open."""

    def write(self, _origin: Origin, data: bytes) -> None:
        """Write `data`; raises OSError if the disk is full."""
        self._chosen().take(data)
        self.flush()

    def flush(self) -> None:
        """Write what could not be written; raises OSError."""
        self._chosen().flush(self._instead())

    def end(self, origin: Origin) -> None:
        """Nothing is kept for a process."""

    def reopen(self) -> None:
        """It is not ours to open."""

    def close(self) -> None:
        """Nor to close."""

    def is_terminal(self) -> bool:
        """Tell whether colours can be shown, and are wanted: https://no-color.org."""
        out = self._instead() or sys.stdout
        try:
            return bool(out.isatty()) and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
        except (AttributeError, ValueError):
            return False

    def _chosen(self) -> StandardOutput:
        return self._shared if self._instead() is None else self._own
