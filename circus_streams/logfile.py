"""Files that output is appended to: shared by the streams that name them, rotated in one place."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from io import FileIO
from typing import Final
from weakref import WeakValueDictionary

from circus_streams.chunks import LONGEST_HELD, Origin
from circus_streams.packing import Packer
from circus_streams.rotation import FileState, Rotation
from circus_streams.splicing import SplicedFile

__all__ = ["LogFile", "LogFiles", "OpenFiles"]

Writer = tuple[int, int, str]
"""An output of a process, as one stream writes it: id of the stream, pid, name."""

MOST_LINKS: Final = 40  # path_resolution(7)
VARIABLE: Final = re.compile(
    r"\$\(circus\.(watcher|wid|pid)\)|\(\(circus\.(watcher|wid|pid)\)\)", re.IGNORECASE
)


class LogFile:
    """A file that several streams append to: one descriptor, one rotation. For any thread.

    What could not be written, for instance because the disk is full, stays here and goes first next time, so
    that nothing is lost, written twice, or torn.
    """

    def __init__(self, path: str, packing: threading.Lock, now: Callable[[], float]) -> None:
        """Args:
        packing: held while a rotated file is compressed, so that this happens to one file at a time.
        now: wall time.
        """
        self.path = path
        self._lock = threading.Lock()
        self._packer = Packer(path, self._lock, packing)
        self._file: FileIO | None = None
        self._identity = (0, 0)
        self._users: set[int] = set()
        self._writers: set[Writer] = set()
        self._spliced: SplicedFile | None = None
        self._splicer: Writer | None = None  # whose bytes the file ends with, unseen; it has all _unwritten
        self._held_back: dict[Writer, bytes] = {}  # beginnings of lines, taken from the file again
        self._unwritten = b""
        self._state = FileState()
        self._now = now

    def acquire(self, user: object) -> None:
        """Keep the file open for `user`, once something opens it."""
        with self._lock:
            self._users.add(id(user))

    def release(self, user: object) -> None:
        """Close the file if nobody else uses it."""
        with self._lock:
            self._users.discard(id(user))
            if not self._users:
                self._close()

    def open(self) -> None:
        """Open the file if it is not open; raises OSError."""
        with self._lock:
            self._opened()

    def reopen(self) -> None:
        """Open the path anew, for instance because the file was renamed; raises OSError."""
        with self._lock:
            self._close()
            self._opened()

    def is_at(self, path: str) -> bool:
        """Tell whether the file that is open is the one that has this name now; true if none is open."""
        with self._lock:
            return self._file is None or _identity_of(path) == self._identity

    def take(self, data: bytes, writer: Writer | None = None) -> None:
        """Have whole lines (the last one may be unfinished) written by the next flush()."""
        if not data:
            return
        with self._lock:
            self._take_back()
            if writer is not None:
                self._writers.add(writer)
                data = self._held_back.pop(writer, b"") + data
            self._unwritten += data

    def hold_back(self, data: bytes, writer: Writer) -> None:
        """Keep the beginning of a line until the next bytes of this writer, or its end."""
        with self._lock:
            self._writers.add(writer)
            self._held_back[writer] = self._held_back.get(writer, b"") + data

    def can_splice(self, writer: Writer, rotation: Rotation) -> bool:
        """Tell whether splice() is possible now; raises OSError."""
        with self._lock:
            return self._writers <= {writer} and self._room(rotation) > 0

    def leave(self, writer: Writer) -> None:
        """This output is over."""
        with self._lock:
            self._writers.discard(writer)
            line = self._held_back.pop(writer, b"")
            if self._splicer == writer:
                self._splicer = None
                self._note_open_line()
            elif line:
                self._take_back()
            self._unwritten += line

    def splice(self, fd: int, writer: Writer, rotation: Rotation) -> int | None:
        """Move bytes from a pipe to the end of the file; 0: the end of the pipe.

        Returns:
            None if that can't be done now: lines have to be looked at, or it is no plain file.

        Raises:
            BlockingIOError: the pipe is empty.
            OSError: the file takes nothing now.
        """
        with self._lock:
            self._writers.add(writer)
            if self._writers != {writer}:
                return None
            try:
                return self._splice(fd, writer, rotation)
            except BlockingIOError:
                raise
            except OSError as error:
                error.filename = error.filename or self.path
                raise

    def recall(self, writer: Writer, size: int) -> bytes:
        """Return the end of the file, if it is what splice() has moved there for this output."""
        with self._lock:
            if self._splicer != writer or self._spliced is None:
                return b""
            return self._spliced.end(size)

    def take_over(self, other: LogFile, user: object) -> None:
        """Have written what another file could not write, and what `user` has begun there and not ended."""
        with other._lock:
            begun = other._lines_of(user)
            data, other._unwritten = other._unwritten, b""
        self.take(data)
        for writer, line in begun.items():
            self.hold_back(line, writer)

    def flush(self, rotation: Rotation) -> None:
        """Append what was taken; raises OSError."""
        self.write(b"", rotation)

    def write(self, data: bytes, rotation: Rotation, writer: Writer | None = None) -> None:
        """Take whole lines and append all that was taken, rotating between lines.

        Raises:
            OSError: not all is written yet; the next flush() goes on.
        """
        self.take(data, writer)
        with self._lock:
            try:
                while self._unwritten:
                    self._write_some(rotation)
            except OSError as error:
                error.filename = error.filename or self.path  # write(2) does not say it
                raise

    def _lines_of(self, user: object) -> dict[Writer, bytes]:
        """Take out the unfinished lines of a user whose outputs go elsewhere from now on."""
        if self._splicer is not None and self._splicer[0] == id(user):
            self._take_back()
        mine = {writer for writer in (*self._writers, *self._held_back) if writer[0] == id(user)}
        self._writers -= mine
        return {writer: self._held_back.pop(writer) for writer in mine if writer in self._held_back}

    def _take_back(self) -> None:
        """Take the unfinished line at the end of the file out of it, so that no other line gets into it.

        With it goes what the file did not take of that line.
        """
        writer, self._splicer = self._splicer, None
        if writer is None:
            return
        begun = b""
        if self._spliced is not None:
            begun = self._spliced.cut_open_line(LONGEST_HELD)
            self._note_open_line()
        if self._spliced is None or not self._state.open_line:
            begun += self._unwritten + self._held_back.pop(writer, b"")
            self._unwritten = b""
        if begun:
            self._held_back[writer] = begun

    def _note_open_line(self) -> None:
        """Find out how the file ends, after bytes that nobody has seen."""
        if self._spliced is not None:
            self._state.open_line = 0 if self._spliced.ends_line() else LONGEST_HELD

    def _splice(self, fd: int, writer: Writer, rotation: Rotation) -> int | None:
        room = self._room(rotation)
        if not room or self._spliced is None:
            return None
        if self._unwritten or writer in self._held_back:
            self._write_begun(writer, rotation)
            room = self._room(rotation)
            if not room or self._spliced is None:
                return None
        self._splicer = writer  # an unfinished line at the end is for it to finish
        return self._spliced.append(fd, room, self._state.size)

    def _write_begun(self, writer: Writer, rotation: Rotation) -> None:
        """Write what waits, then the beginning of a line of this writer; raises OSError."""
        while self._unwritten:
            self._write_some(rotation)
        self._unwritten = self._held_back.pop(writer, b"")
        try:
            while self._unwritten:
                self._write_some(rotation)
        finally:
            self._splicer = writer  # of all that is unwritten, too

    def _room(self, rotation: Rotation) -> int:
        """How many bytes can be spliced now; raises OSError."""
        file = self._opened()
        status = os.fstat(file.fileno())
        if self._is_removed(status):
            self._forget()
            file = self._opened()
            status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            return 0
        if self._spliced is None:
            self._spliced = SplicedFile(file.fileno())
        self._state.size, self._state.now = status.st_size, self._now()
        return rotation.room(self._state) if self._spliced.is_possible else 0

    def _is_removed(self, status: os.stat_result) -> bool:
        """What is written to it nobody could ever read."""
        return not status.st_nlink and _identity_of(self.path) != self._identity

    def _write_some(self, rotation: Rotation) -> None:
        file = self._opened()
        status = os.fstat(file.fileno())
        if self._is_removed(status):
            self._forget()
            return
        if self._spliced is not None:
            self._spliced.written()
        data = self._unwritten
        if stat.S_ISREG(status.st_mode):
            self._state.size, self._state.now = status.st_size, self._now()
            count = rotation.fitting(self._state, data)
        else:
            count = len(data)  # a device or a pipe
        if count:
            self._append(file, count)
        else:
            self._rotate(file, rotation)

    def _opened(self) -> FileIO:
        if self._file is None:
            file = open(self.path, "ab", buffering=0)  # noqa: SIM115  O_APPEND and O_CLOEXEC, pep 446
            status = os.fstat(file.fileno())
            if self._identity != (status.st_dev, status.st_ino):
                self._identity = status.st_dev, status.st_ino
                self._state = FileState(since=status.st_mtime if status.st_size else self._now())
            self._file = file
        return self._file

    def _close(self) -> None:
        self._take_back()
        spliced, self._spliced = self._spliced, None
        if spliced is not None:
            spliced.close()
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _forget(self) -> None:
        """Close the file, never to come back to it: how it ends does not matter any more."""
        self._splicer = None
        self._close()
        self._identity = (0, 0)

    def _append(self, file: FileIO, count: int) -> None:
        """Write `count` bytes in one write(2); fewer if the disk takes no more."""
        data = self._unwritten
        whole = count == len(data)
        written = file.write(data if whole else memoryview(data)[:count])
        if not written:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        end = data.rfind(b"\n", 0, written)
        self._state.open_line = written - end - 1 if end >= 0 else self._state.open_line + written
        self._unwritten = b"" if written == len(data) else data[written:]

    def _rotate(self, file: FileIO, rotation: Rotation) -> None:
        if rotation.rotate(self.path, self._state):
            self._forget()
            self._packer.wake(self, rotation)
        else:
            file.truncate(0)
            self._state = FileState(since=self._now())


def _identity_of(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


class OpenFiles:
    """The files in use by real path, so that streams which name the same file share it. For any thread.

    It holds them weakly: a file that no stream refers to any more is forgotten.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        """Args:
        now: wall time.
        """
        self._now = now
        self._lock = threading.Lock()
        self._packing = threading.Lock()
        self._files: WeakValueDictionary[str, LogFile] = WeakValueDictionary()

    def get(self, path: str) -> LogFile:
        """Return the file at `path`, symbolic links followed; it is not opened by this."""
        real = os.path.realpath(path)
        if not os.path.exists(real) and os.path.exists(path) and _is_descriptor(path):
            real = path  # /dev/stdout that is a pipe: its link has a target, which is no path, proc_pid_fd(5)
        with self._lock:
            file = self._files.get(real)
            if file is None:
                file = self._files[real] = LogFile(real, self._packing, self._now)
            return file


def _is_descriptor(path: str) -> bool:
    """Tell whether links lead to one; a file that exists only since we looked is none."""
    for _ in range(MOST_LINKS):
        if not os.path.islink(path):
            return False
        folder = os.path.dirname(path)
        if os.path.realpath(folder).startswith("/proc/"):
            return True
        path = os.path.join(folder, os.readlink(path))
    return False


@dataclass(slots=True)
class Use:
    """A file as one stream uses it, and the outputs of processes that go there."""

    file: LogFile
    sources: set[tuple[int, str]] = field(default_factory=set)


class LogFiles:
    """The files of one stream: one, or with variables in its name one for each watcher, number or process.

    Takes whole lines; one thread at a time.
    """

    def __init__(self, pattern: str, rotation: Rotation, files: OpenFiles, *, follow: bool = False) -> None:
        """Args:
        pattern: absolute path, in which `$(circus.watcher)`, `$(circus.wid)` and `$(circus.pid)` may occur.
        follow: look before each write whether another program has put another file in its place.
        """
        self._pattern = pattern
        self._is_one = VARIABLE.search(pattern) is None
        self._rotation = rotation
        self._files = files
        self._follow = follow
        self._uses: dict[str, Use] = {}
        self._unfinished: set[str] = set()  # paths of files that have not written all they took

    def open(self) -> None:
        """Open the file now, if there is only one; raises OSError naming it."""
        if self._is_one:
            self._use(self._pattern).file.open()

    def write(self, origin: Origin, data: bytes) -> None:
        """Append to the file of this process; raises OSError if not all could be written yet."""
        path, use = self._use_of(origin)
        self._unfinished.add(path)
        if self._follow:
            use.file.take(data, self._writer(origin))
            self._flush(path)
        else:
            use.file.write(data, self._rotation, self._writer(origin))
            self._unfinished.discard(path)

    def splice(self, origin: Origin, fd: int) -> int | None:
        """Move from a pipe to the file of this process, see LogFile.splice()."""
        path, use = self._use_of(origin)
        if self._follow and not use.file.is_at(path):
            self._reopen(path)
        return self._uses[path].file.splice(fd, self._writer(origin), self._rotation)

    def hold_back(self, origin: Origin, data: bytes) -> None:
        """Keep the beginning of a line of this process until what follows it comes."""
        self._use_of(origin)[1].file.hold_back(data, self._writer(origin))

    def can_splice(self, origin: Origin) -> bool:
        """Tell whether splice() is possible now; raises OSError."""
        return self._use_of(origin)[1].file.can_splice(self._writer(origin), self._rotation)

    def recall(self, origin: Origin, size: int) -> bytes:
        """Return the end of what was spliced for this process, if it is still there."""
        return self._use_of(origin)[1].file.recall(self._writer(origin), size)

    def flush(self) -> None:
        """Write what could not be written; raises OSError."""
        for path in tuple(self._unfinished):
            self._flush(path)

    def end(self, origin: Origin) -> None:
        """This output is over: close its file if no other goes there; raises OSError."""
        path = self._path_of(origin)
        use = self._uses.get(path)
        if use is None:
            return
        use.file.leave(self._writer(origin))
        self._unfinished.add(path)
        self._flush(path)
        if not self._is_one:
            use.sources.discard((origin.pid, origin.name))
            if not use.sources:
                self._release(path)

    def reopen(self) -> None:
        """Open each path anew, after another program has renamed the file; raises OSError."""
        with contextlib.suppress(OSError):
            self.flush()  # else it goes to the new file
        for path in tuple(self._uses):
            self._reopen(path)
        self.flush()

    def close(self) -> None:
        """Close what no other stream uses."""
        for path in tuple(self._uses):
            self._release(path)

    def _flush(self, path: str) -> None:
        if self._follow and not self._uses[path].file.is_at(path):
            self._reopen(path)
        self._uses[path].file.flush(self._rotation)
        self._unfinished.discard(path)

    def _path_of(self, origin: Origin) -> str:
        return self._pattern if self._is_one else _filled(self._pattern, origin)

    def _use_of(self, origin: Origin) -> tuple[str, Use]:
        path = self._path_of(origin)
        use = self._use(path)
        if not self._is_one:
            use.sources.add((origin.pid, origin.name))
        return path, use

    def _writer(self, origin: Origin) -> Writer:
        return id(self), origin.pid, origin.name

    def _use(self, path: str) -> Use:
        use = self._uses.get(path)
        if use is None:
            use = self._uses[path] = Use(self._files.get(path))
            use.file.acquire(self)
        return use

    def _release(self, path: str) -> None:
        self._uses.pop(path).file.release(self)

    def _reopen(self, path: str) -> None:
        """Open the path anew. It may lead to another file than before, by a symbolic link."""
        use = self._uses[path]
        file = self._files.get(path)
        if file is not use.file:
            file.acquire(self)
            file.take_over(use.file, self)
            use.file.release(self)
            use.file = file
        file.reopen()


def _filled(pattern: str, origin: Origin) -> str:
    """Put in the values. One can't lead to another folder."""

    def value(match: re.Match[str]) -> str:
        text = str(getattr(origin, (match[1] or match[2]).lower()))
        return text.replace("/", "_").replace("\0", "_")

    return VARIABLE.sub(value, pattern)
