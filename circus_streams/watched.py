"""WatchedFileStream: output into a file that other programs rename."""

from __future__ import annotations

import os

from circus_streams.file import BaseFileStream
from circus_streams.options import checkable
from circus_streams.rotation import Rotation

__all__ = ["WatchedFileStream"]


@checkable
class WatchedFileStream(BaseFileStream):
    """Appends output to a file, and looks before each write whether its file is still at its path.

    For programs such as logrotate(8) that rename the file or put another in its place: the first write after
    that goes to the new one. It does not rotate itself.
    """

    def __init__(
        self,
        filename: str | os.PathLike[str] | None = None,
        time_format: str | None = None,
        **_ignored: object,
    ) -> None:
        """Open nothing yet; filename and time_format as for FileStream. Raises ValueError."""
        super().__init__(filename, time_format, Rotation(), follow=True)
