"""The file streams, with the order of arguments that 0.19 had."""

from __future__ import annotations

import os
import tempfile

from circus.stream.overriding import WrittenStream
from circus_streams import FileStream as CoreFileStream
from circus_streams import TimedRotatingFileStream as CoreTimedRotatingFileStream
from circus_streams import WatchedFileStream as CoreWatchedFileStream

__all__ = ["FileStream", "TimedRotatingFileStream", "WatchedFileStream"]

_Path = str | os.PathLike[str]


class FileStream(WrittenStream, CoreFileStream):
    """Appends output to a file, which is rotated at a size; without a name to a temporary one."""

    def __init__(
        self,
        filename: _Path | None = None,
        max_bytes: int | str = 0,
        backup_count: int | str = 0,
        time_format: str | None = None,
        **kwargs: object,
    ) -> None:
        """Open nothing yet; see circus_streams.FileStream. Raises ValueError."""
        self._filename = _named(filename)
        super().__init__(
            self._filename,
            time_format,
            max_bytes,
            backup_count,
            **kwargs,  # type: ignore[arg-type]  # options of circus_streams.FileStream, or ignored there
        )


class WatchedFileStream(WrittenStream, CoreWatchedFileStream):
    """Appends output to a file that other programs rename; without a name to a temporary one."""

    def __init__(
        self, filename: _Path | None = None, time_format: str | None = None, **kwargs: object
    ) -> None:
        """Open nothing yet; see circus_streams.WatchedFileStream."""
        self._filename = _named(filename)
        super().__init__(self._filename, time_format, **kwargs)


class TimedRotatingFileStream(WrittenStream, CoreTimedRotatingFileStream):
    """Appends output to a file, which is rotated at certain times; without a name to a temporary one."""

    def __init__(
        self,
        filename: _Path | None = None,
        backup_count: int | str = 0,
        time_format: str | None = None,
        rotate_when: str | None = None,
        rotate_interval: int | str = 1,
        utc: bool | str = False,
        **kwargs: object,
    ) -> None:
        """Open nothing yet; see circus_streams.TimedRotatingFileStream. Raises ValueError."""
        self._filename = _named(filename)
        super().__init__(
            self._filename,
            time_format=time_format,
            backup_count=backup_count,
            rotate_when=rotate_when,  # type: ignore[arg-type]  # refused by name if it is missing
            rotate_interval=rotate_interval,
            utc=utc,
            **kwargs,  # type: ignore[arg-type]  # as above
        )


def _named(filename: _Path | None) -> str:
    """Return the path, or that of a new file, which is nobody's to remove."""
    if filename:
        return os.path.abspath(os.fspath(filename))
    descriptor, name = tempfile.mkstemp(prefix="circus-")
    os.close(descriptor)
    return name
