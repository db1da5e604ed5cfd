"""FileStream: output into a file, line by line, with an optional time stamp and rotation by size."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, ClassVar

from circus_streams.chunks import Origin, Source
from circus_streams.linewise import LineStream, ended, prefixed
from circus_streams.logfile import LogFiles, OpenFiles
from circus_streams.options import checkable, size, whole
from circus_streams.packing import compression
from circus_streams.rotation import NumberedRotation, Rotation

__all__ = ["BaseFileStream", "FileStream", "rotation_by_size"]


class BaseFileStream(LineStream):
    """Appends output to files, as bytes, one line of one process after the other.

    With a time format each line becomes `TIME [PID] | line`. Subclasses say which options there are.

    Attributes:
        files: shared by all streams, because a stream is made from the user's options alone and nobody could
            pass it anything; a subclass may have its own.
    """

    files: ClassVar[OpenFiles] = OpenFiles()

    def __init__(
        self,
        filename: str | os.PathLike[str] | None,
        time_format: str | None,
        rotation: Rotation,
        *,
        follow: bool = False,
    ) -> None:
        """Args:
            follow: look before each write whether another program has put another file in its place.

        Raises:
            ValueError: there is no filename.
        """
        if not filename:
            raise ValueError("filename is missing; name the file to write to")
        self._time_format = time_format
        self._files = LogFiles(os.path.abspath(os.fspath(filename)), rotation, self.files, follow=follow)
        super().__init__(self._files)

    def take(self, fd: int, labels: Mapping[str, Any]) -> bytes | int:
        """As LineStream.take(); where no line has to be touched, the bytes go from the pipe to the file.

        They have to where a prefix begins each line, several outputs go to the file, or it is about to be
        rotated.
        """
        if self._time_format or (labels["pid"], labels["name"]) in self._read:
            return super().take(fd, labels)
        self._files.flush()
        source = self._source(labels)
        if source.rest and self._files.can_splice(source.origin):
            self._files.hold_back(source.origin, source.finish())
        moved = None if source.rest else self._files.splice(source.origin, fd)
        return super().take(fd, labels) if moved is None else moved

    def recall(self, labels: Mapping[str, Any], size: int) -> bytes:
        return self._files.recall(Origin.of(labels), size)

    def _deliver(self, source: Source, lines: bytes, timestamp: float | None) -> None:
        if self._time_format:
            when = self._time(timestamp).strftime(self._time_format)
            prefix = f"{when} [{source.origin.pid}] | ".encode("utf-8", "replace")
            lines = prefixed(lines, prefix, has_begun=source.has_begun)
        self._files.write(source.origin, lines)

    def _last_words(self, source: Source) -> bytes:
        """With a prefix a line is ended, else the next one would begin inside it."""
        return ended(source) if self._time_format else source.finish()


@checkable
class FileStream(BaseFileStream):
    """Appends output to a file, which is rotated when it reaches a size."""

    def __init__(
        self,
        filename: str | os.PathLike[str] | None = None,
        time_format: str | None = None,
        max_bytes: int | str = 0,
        backup_count: int | str = 0,
        compress: str | None = None,
        **_ignored: object,
    ) -> None:
        """Open nothing yet.

        Args:
            filename: a path; a relative one is meant from where the daemon runs now. With
                `$(circus.watcher)`, `$(circus.wid)` or `$(circus.pid)` in it there is a file for each.
            time_format: as for strftime(3); None for no prefix.
            max_bytes: size at which the file is rotated, also with a suffix ("10MB"); 0 for never.
            backup_count: rotated files FILENAME.1, FILENAME.2 ... to keep. With 0 a file that would reach
                max_bytes begins anew.
            compress: gzip or zstd: what rotated files are compressed with, later, in the background.

        Raises:
            ValueError: there is no filename, or a value can't be used.
        """
        super().__init__(filename, time_format, rotation_by_size(max_bytes, backup_count, compress))


def rotation_by_size(max_bytes: int | str, backup_count: int | str, compress: str | None) -> Rotation:
    """Return the rotation that these options ask for; raises ValueError."""
    limit, count, how = (
        size("max_bytes", max_bytes),
        whole("backup_count", backup_count),
        compression(compress),
    )
    if how is not None and not (limit and count):
        raise ValueError("compress needs max_bytes and backup_count: without them there is no rotated file")
    return NumberedRotation(limit, count, how) if limit else Rotation()
