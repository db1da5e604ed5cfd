"""WatchedFileStream: output into a file that other programs rename."""

from __future__ import annotations

import os
from typing import ClassVar

from circus_streams.file import FileStream

__all__ = ["WatchedFileStream"]


class WatchedFileStream(FileStream):
    """A FileStream that looks before each write whether its file is still at its path, else opens it anew.

    For programs such as logrotate(8) that rename the file or put another in its place; the first write after
    that goes to the new one. It does not rotate itself.
    """

    _follow: ClassVar[bool] = True

    def __init__(
        self,
        filename: str | os.PathLike[str] | None = None,
        time_format: str | None = None,
        **_ignored: object,
    ) -> None:
        """Open nothing yet; filename and time_format as for FileStream. Raises ValueError."""
        super().__init__(filename, time_format)
