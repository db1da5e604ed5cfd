"""FileStream: output into a file, line by line, with an optional time stamp and rotation by size."""

from __future__ import annotations

import errno
import os
import re
import stat
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from io import FileIO
from typing import Any, ClassVar, Final
from weakref import WeakValueDictionary

__all__ = ["FileStream", "LogFile", "OpenFiles"]

LONGEST_HELD: Final = 64 * 1024  # bytes of an unfinished line that are kept back
UNITS: Final[Mapping[str, int]] = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}


class LogFile:
    """A file that several streams append to: one descriptor, one rotation. For any thread.

    What could not be written, for instance because the disk is full, stays here and goes first next time, so
    that nothing is lost, written twice, or torn.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._file: FileIO | None = None
        self._users: set[int] = set()
        self._unwritten = b""
        self._open_line = 0  # bytes since the last line end

    def acquire(self, user: object) -> None:
        """Open the file if it is not open, and keep it open for `user`; raises OSError."""
        with self._lock:
            self._opened()
            self._users.add(id(user))

    def release(self, user: object) -> None:
        """Close the file if nobody else uses it."""
        with self._lock:
            self._users.discard(id(user))
            if not self._users:
                self._close()

    def reopen(self) -> None:
        """Open the path anew, for instance because the file was renamed; raises OSError."""
        with self._lock:
            self._close()
            self._opened()

    def flush(self, max_bytes: int = 0, backup_count: int = 0) -> None:
        """Write what could not be written before; raises OSError if it still can't."""
        self.write(b"", max_bytes, backup_count)

    def write(self, data: bytes, max_bytes: int = 0, backup_count: int = 0) -> None:
        """Append whole lines (the last one may be unfinished), rotating between them.

        Args:
            max_bytes: size that the file does not reach, 0 for no limit. Only a line as long as that is torn.
            backup_count: files to keep beside this one; 0 begins the file anew.

        Raises:
            OSError: `data` was taken, but not all is written yet; flush() goes on.
        """
        with self._lock:
            self._unwritten += data
            try:
                while self._unwritten:
                    self._write_some(max_bytes, backup_count)
            except OSError as error:
                error.filename = error.filename or self.path  # write(2) does not say it
                raise

    def _write_some(self, max_bytes: int, backup_count: int) -> None:
        file = self._opened()
        count = self._fitting(file, max_bytes) if max_bytes else len(self._unwritten)
        if count:
            self._append(file, count)
        else:
            self._rotate(file, backup_count)

    def _opened(self) -> FileIO:
        if self._file is None:
            self._file = open(self.path, "ab", buffering=0)  # noqa: SIM115  O_APPEND and O_CLOEXEC, pep 446
            self._open_line = 0
        return self._file

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _append(self, file: FileIO, count: int) -> None:
        """Write `count` bytes in one write(2); fewer if the disk takes no more."""
        data = self._unwritten
        whole = count == len(data)
        written = file.write(data if whole else memoryview(data)[:count])
        if not written:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        end = data.rfind(b"\n", 0, written)
        self._open_line = written - end - 1 if end >= 0 else self._open_line + written
        self._unwritten = b"" if written == len(data) else data[written:]

    def _fitting(self, file: FileIO, max_bytes: int) -> int:
        """Return how many of the unwritten bytes this file still takes, 0 if it must be rotated first."""
        data = self._unwritten
        status = os.fstat(file.fileno())
        size = status.st_size
        if size + len(data) < max_bytes or not stat.S_ISREG(status.st_mode):
            return len(data)
        whole_lines = data.rfind(b"\n", 0, max(0, max_bytes - size - 1)) + 1
        if whole_lines:
            return whole_lines
        line = data.find(b"\n") + 1 or len(data)
        fits_alone = self._open_line + line < max_bytes
        if size == 0 or (self._open_line and fits_alone):
            return line
        return 0

    def _rotate(self, file: FileIO, backup_count: int) -> None:
        if backup_count < 1:
            file.truncate(0)
        else:
            for number in range(backup_count - 1, 0, -1):
                _rename(f"{self.path}.{number}", f"{self.path}.{number + 1}")
            _rename(self.path, f"{self.path}.1")
            self._close()
        self._open_line = 0


class OpenFiles:
    """The files in use by real path, so that streams which name the same file share it. For any thread.

    It holds them weakly: a file that no stream refers to any more is forgotten.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: WeakValueDictionary[str, LogFile] = WeakValueDictionary()

    def get(self, path: str) -> LogFile:
        """Return the file at `path`, symbolic links followed; it is not opened by this."""
        real = os.path.realpath(path)
        with self._lock:
            file = self._files.get(real)
            if file is None:
                file = self._files[real] = LogFile(real)
            return file


class FileStream:
    """Appends output to a file, as bytes, one line of one process after the other.

    A line that arrives in pieces is kept until it is complete, its process ends, or the stream is closed.
    With a time format each line becomes `TIME [PID] | line`.

    Attributes:
        files: shared by all streams, because a stream is made from the user's options alone and nobody could
            pass it anything; a subclass may have its own.
        now, fromtimestamp: make the time of a prefix; fromtimestamp when the chunk has a `timestamp`.
    """

    files: ClassVar[OpenFiles] = OpenFiles()
    now: Callable[[], datetime] = staticmethod(datetime.now)
    fromtimestamp: Callable[[float], datetime] = staticmethod(datetime.fromtimestamp)

    def __init__(
        self,
        filename: str | os.PathLike[str] | None = None,
        time_format: str | None = None,
        max_bytes: int | str = 0,
        backup_count: int | str = 0,
        **_ignored: object,
    ) -> None:
        """Open nothing yet.

        Args:
            filename: a path; a relative one is meant from where the daemon runs now.
            time_format: as for strftime(3); None for no prefix.
            max_bytes: size at which the file is rotated, also with a suffix ("10MB"); 0 for never.
            backup_count: rotated files FILENAME.1, FILENAME.2 ... to keep. With 0 a file that would reach
                max_bytes begins anew.

        Raises:
            ValueError: there is no filename, or a number is none.
        """
        if not filename:
            raise ValueError("filename is missing; name the file to write to")
        self._path = os.path.abspath(os.fspath(filename))
        self._time_format = time_format
        self._max_bytes = _size("max_bytes", max_bytes)
        self._backup_count = _size("backup_count", backup_count)
        self._file: LogFile | None = None
        self._unfinished: dict[tuple[int, str], bytes] = {}  # lines that wait for their end
        self._begun: set[tuple[int, str]] = set()  # lines too long to wait, partly written
        self._taken: Mapping[str, Any] | None = None

    def open(self) -> None:
        """Open the file; raises OSError naming it. Without this the first chunk opens it."""
        self._opened()

    def close(self) -> None:
        """Write unfinished lines and close the file; the next chunk opens it again. Raises OSError."""
        if self._file is None and not self._unfinished:
            return
        for key in list(self._unfinished | dict.fromkeys(self._begun)):
            self._finish(key)
        file = self._opened()
        file.flush(self._max_bytes, self._backup_count)
        file.release(self)
        self._file = None

    def reopen(self) -> None:
        """Open the path anew, after another program has renamed the file; raises OSError."""
        if self._file is not None:
            self._file.flush(self._max_bytes, self._backup_count)
            self._file.reopen()
            self._file.release(self)
            self._file = None
        self._opened()

    def end_of_output(self, pid: int, name: str) -> None:
        """Write the unfinished line of a process that will write no more; raises OSError."""
        self._finish((pid, name))
        if self._file is not None:
            self._file.flush(self._max_bytes, self._backup_count)

    def __call__(self, chunk: Mapping[str, Any]) -> None:
        """Take one chunk; its `data` is bytes or text.

        Raises:
            OSError: not all of it could be written. Offer the same mapping again, nothing is written twice.
        """
        file = self._opened()
        if chunk is not self._taken:
            file.flush(self._max_bytes, self._backup_count)  # of an earlier chunk
            lines = self._lines(chunk)
            self._taken = chunk
            file.write(lines, self._max_bytes, self._backup_count)
        else:
            file.flush(self._max_bytes, self._backup_count)
        self._taken = None

    def _opened(self) -> LogFile:
        if self._file is None:
            file = self.files.get(self._path)
            file.acquire(self)
            self._file = file
        return self._file

    def _lines(self, chunk: Mapping[str, Any]) -> bytes:
        """Return what is to be written now: the whole lines, each with its prefix."""
        key = chunk.get("pid", 0), chunk.get("name", "")
        data = _bytes(chunk["data"])
        if key in self._unfinished:
            data = self._unfinished.pop(key) + data
        end = data.rfind(b"\n") + 1
        if len(data) - end > LONGEST_HELD:
            return self._prefixed(key, data, chunk)
        if end < len(data):
            self._unfinished[key] = data[end:]
            data = data[:end]
        return self._prefixed(key, data, chunk)

    def _prefixed(self, key: tuple[int, str], data: bytes, chunk: Mapping[str, Any]) -> bytes:
        """Put the prefix at every line start in `data`; the first is none if its line has begun before."""
        if not self._time_format or not data:
            return data
        prefix = self._prefix(self._time_format, key[0], chunk.get("timestamp"))
        ends_line = data.endswith(b"\n")
        body = data[:-1] if ends_line else data
        first = b"" if key in self._begun else prefix
        (self._begun.discard if ends_line else self._begun.add)(key)
        return first + body.replace(b"\n", b"\n" + prefix) + (b"\n" if ends_line else b"")

    def _prefix(self, time_format: str, pid: int, timestamp: float | None) -> bytes:
        when = self.now() if timestamp is None else self.fromtimestamp(timestamp)
        return f"{when.strftime(time_format)} [{pid}] | ".encode("utf-8", "replace")

    def _finish(self, key: tuple[int, str]) -> None:
        """Write an unfinished line. With a prefix it is ended, else the next line would begin inside it."""
        rest = self._unfinished.pop(key, b"")
        if self._time_format and (rest or key in self._begun):
            rest = self._prefixed(key, rest + b"\n", {})
        if rest:
            self._opened().write(rest, self._max_bytes, self._backup_count)


def _bytes(data: bytes | str) -> bytes:
    return data.encode("utf-8", "replace") if isinstance(data, str) else bytes(data)


def _size(option: str, value: int | str) -> int:
    """Return a number of bytes; units are powers of 1024, in any case, with or without B or iB."""
    match = re.fullmatch(r"\s*(\d+)\s*([kmgt]?)(?:i?b)?\s*", str(value).lower())
    if match is None:
        raise ValueError(
            f"{option} must be a whole number >= 0, also with K, M, G or T, got {value!r}; write 10MB"
        )
    return int(match[1]) * UNITS[match[2]]


def _rename(old: str, new: str) -> None:
    try:
        os.replace(old, new)
    except FileNotFoundError:
        return  # someone has removed it
