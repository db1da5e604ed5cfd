"""A stream class: takes the output of processes in chunks, and writes each line as a JSON object."""

import json
import time
from collections.abc import Mapping
from typing import Any, TextIO


class JsonLines:
    """Made once per stream of a watcher; gets every option of the stream but `class`, as text.

    All calls come from one thread at a time, never from the loop: a slow disk holds up only this watcher.
    """

    def __init__(self, filename: str, **_: object) -> None:
        self._filename = filename
        self._file: TextIO | None = None
        self._unfinished: dict[tuple[int, str], bytes] = {}

    def open(self) -> None:
        """The watcher starts."""
        self._file = open(self._filename, "a", buffering=1)  # noqa: SIM115  closed by close()

    def __call__(self, chunk: Mapping[str, Any]) -> None:
        """Take what one process wrote: a chunk may end in the middle of a line."""
        source = chunk["pid"], chunk["name"]
        *lines, rest = (self._unfinished.pop(source, b"") + chunk["data"]).split(b"\n")
        for line in lines:
            self._write(*source, line)
        if rest:
            self._unfinished[source] = rest

    def close(self) -> None:
        """The watcher has stopped; what never got a line end is a line too."""
        for source, line in self._unfinished.items():
            self._write(*source, line)
        self._unfinished.clear()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, pid: int, stream: str, line: bytes) -> None:
        assert self._file is not None, "open() comes first"
        record = {"time": time.time(), "pid": pid, "stream": stream, "line": line.decode(errors="replace")}
        self._file.write(json.dumps(record) + "\n")
