"""StdoutStream: output on the standard output of the daemon."""

from __future__ import annotations

import codecs
import errno
import select
import sys
from collections.abc import Mapping
from io import UnsupportedOperation
from os import write
from typing import Any, Final, TextIO

__all__ = ["StdoutStream"]

# The other side is gone: a pipe without reader, a terminal that hung up, a descriptor that was closed.
GONE: Final = frozenset({errno.EPIPE, errno.EIO, errno.EBADF, errno.ENXIO})


class StdoutStream:
    """Writes each chunk to `sys.stdout` at once; options are ignored.

    A closed terminal or pipe is no error: what can't be shown any more is dropped.
    """

    def __init__(self, **_ignored: object) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._taken: Mapping[str, Any] | None = None
        self._unwritten = b""

    def __call__(self, chunk: Mapping[str, Any]) -> None:
        """Take one chunk; its `data` is bytes or text.

        Raises:
            OSError: standard output is a file and its disk is full. Offer the same mapping again, nothing is
                written twice.
        """
        if chunk is not self._taken:
            data = chunk["data"]
            self._unwritten += data.encode("utf-8", "replace") if isinstance(data, str) else data
            self._taken = chunk
        try:
            self._write(sys.stdout)
        except OSError as error:
            if error.errno not in GONE:
                raise
            self._unwritten = b""
        except ValueError:  # sys.stdout was closed
            self._unwritten = b""
        self._taken = None

    def _write(self, out: TextIO | None) -> None:
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
                self._unwritten = self._unwritten[write(fd, self._unwritten) :]
            except BlockingIOError:  # another program has made the terminal non-blocking
                select.select([], [fd], [])

    def _write_text(self, out: TextIO) -> None:
        """Write to an object that only looks like a file, such as io.StringIO."""
        data, self._unwritten = self._unwritten, b""
        out.write(self._decoder.decode(data))
        out.flush()
