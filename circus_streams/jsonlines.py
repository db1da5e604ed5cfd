"""JsonStream: output as JSON objects, one per line, in a file or on the daemon's standard output."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from json import JSONEncoder, dumps
from typing import Any, ClassVar

from circus_streams.chunks import Source
from circus_streams.file import BaseFileStream, rotation_by_size
from circus_streams.linewise import ByteOutput, LineStream, ended
from circus_streams.logfile import LogFiles, OpenFiles
from circus_streams.options import checkable
from circus_streams.standard_output import StandardOutput, Terminal
from circus_streams.stdout import TerminalStream

__all__ = ["JsonStream"]


@checkable
class JsonStream(LineStream):
    """Writes each line as a JSON object with `time`, `watcher`, `wid`, `pid`, `stream` and `message`.

    A line longer than about 64 KiB comes in several objects; all but its last say `"partial": true`. What is
    not UTF-8 is written as `\\\\xNN`.

    Attributes:
        files, shared: the open files and the standard output, which are those of the other streams.
        out: a file for text to write to instead of `sys.stdout`.
    """

    files: ClassVar[OpenFiles] = BaseFileStream.files
    shared: ClassVar[StandardOutput] = TerminalStream.shared
    out: ClassVar[Any] = None

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
            filename, max_bytes, backup_count, compress: as for FileStream. Without a filename the objects
                go to standard output.
            time_format: as for strftime(3), local time; None for ISO 8601 in UTC.

        Raises:
            ValueError: a value can't be used.
        """
        self._time_format = time_format
        rotation = rotation_by_size(max_bytes, backup_count, compress)
        self._lines: ByteOutput = (
            LogFiles(os.path.abspath(os.fspath(filename)), rotation, self.files)
            if filename
            else Terminal(self.shared, lambda: self.out)
        )
        super().__init__(self._lines)

    def _deliver(self, source: Source, lines: bytes, timestamp: float | None) -> None:
        whole, _, part = lines.rpartition(b"\n")
        head = {
            "time": self._formatted(self._time(timestamp)),
            "watcher": source.origin.watcher,
            "wid": source.origin.wid,
            "pid": source.origin.pid,
            "stream": source.origin.name,
        }
        objects = _objects(head, whole) if len(part) < len(lines) else b""
        self._lines.write(
            source.origin, objects + (_objects({**head, "partial": True}, part) if part else b"")
        )

    def _formatted(self, when: datetime) -> str:
        if self._time_format:
            return when.strftime(self._time_format)
        return when.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")

    def _last_words(self, source: Source) -> bytes:
        return ended(source)


def _objects(head: dict[str, object], lines: bytes) -> bytes:
    """Return an object per line: the messages are encoded at once, as a list with the rest in between."""
    start = dumps(head, ensure_ascii=False)[:-1] + ', "message": '
    encoder = JSONEncoder(ensure_ascii=False, separators=("}\n" + start, ": "))
    messages = lines.decode("utf-8", "backslashreplace").split("\n")
    return f"{start}{encoder.encode(messages)[1:-1]}}}\n".encode("utf-8", "replace")
