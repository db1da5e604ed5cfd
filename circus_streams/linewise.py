"""LineStream: what the streams that work line by line have in common."""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, Protocol

from circus_streams.chunks import Origin, Source, payload

__all__ = ["ByteOutput", "LineStream", "Output", "ended", "prefixed"]

READ_SIZE: Final = 64 * 1024  # what a pipe holds, pipe(7)


class Output(Protocol):
    """What a stream writes to, after it has been given something to write in a way of its own.

    That takes everything before it tries to write, and keeps what it can't. All calls may raise OSError;
    flush() then goes on where it ended.
    """

    def open(self) -> None: ...

    def flush(self) -> None: ...

    def end(self, origin: Origin, /) -> None:
        """This output of this process is over and was written."""

    def reopen(self) -> None: ...

    def close(self) -> None: ...


class ByteOutput(Output, Protocol):
    """Takes bytes."""

    def write(self, origin: Origin, data: bytes, /) -> None: ...


class LineStream(ABC):
    """Completes lines across chunks and delivers each once, whatever fails in between.

    A line that arrives in pieces is kept until it is complete, its process ends, or the stream is closed.

    Attributes:
        now, fromtimestamp: make the time of a line; fromtimestamp when the chunk has a `timestamp`.
    """

    now: Callable[[], datetime] = staticmethod(datetime.now)
    fromtimestamp: Callable[[float], datetime] = staticmethod(datetime.fromtimestamp)

    def __init__(self, output: Output) -> None:
        self._output = output
        self._sources: dict[tuple[int, str], Source] = {}
        self._taken: Mapping[str, Any] | None = None
        self._read: dict[tuple[int, str], bytes] = {}  # from pipes, and not written when that was tried

    def open(self) -> None:
        """Open what is written to; raises OSError. Without this the first chunk does."""
        self._output.open()

    def reopen(self) -> None:
        """Open it anew, for instance because another program has renamed the file; raises OSError."""
        self._output.reopen()

    def close(self) -> None:
        """Write unfinished lines, close what is open; the next chunk opens it again. Raises OSError."""
        for pid, name in list(self._sources):
            self.end_of_output(pid, name)
        self._output.flush()
        self._output.close()

    def __call__(self, chunk: Mapping[str, Any]) -> None:
        """Take one chunk; its `data` is bytes or text.

        Raises:
            OSError: not all of it could be written. Offer the same mapping again, nothing is written twice.
        """
        self._output.flush()  # of this chunk if it was refused, else of an earlier one
        if chunk is not self._taken:
            source = self._source(chunk)
            data = self._complete(source, payload(chunk))
            self._taken = chunk
            if data:
                self._pass_on(source, data, chunk.get("timestamp"))
        self._taken = None

    def take(self, fd: int, labels: Mapping[str, Any]) -> bytes | int:
        """Move what a pipe holds, or some of it; the mapping says whose it is, as that of a chunk does.

        Returns:
            What was read; a number if so many bytes were moved without reading them; nothing at the end.

        Raises:
            BlockingIOError: the pipe is empty.
            OSError: not all that was read is written yet; the next call goes on.
        """
        self._output.flush()
        key = labels["pid"], labels["name"]
        if key not in self._read:
            data = os.read(fd, READ_SIZE)
            source = self._source(labels)
            lines = self._complete(source, data)
            self._read[key] = data
            if lines:
                self._pass_on(source, lines, time.time())
        return self._read.pop(key)

    def recall(self, labels: Mapping[str, Any], size: int) -> bytes:
        """Return the last bytes that take() has moved and not read, at most `size`; none if they are gone."""
        return b""

    def end_of_output(self, pid: int, name: str) -> None:
        """Write the unfinished line of a process that will write no more; raises OSError."""
        self._output.flush()
        self._read.pop((pid, name), None)
        source = self._sources.get((pid, name))
        if source is not None:
            rest = self._last_words(source)
            if rest:
                self._pass_on(source, rest, None)
            self._output.end(source.origin)
            del self._sources[pid, name]

    def _complete(self, source: Source, data: bytes) -> bytes:
        return source.lines(data)

    @abstractmethod
    def _deliver(self, source: Source, lines: bytes, timestamp: float | None) -> None:
        """Take whole lines, the last of which may be unfinished, and try to write them; raises OSError.

        Args:
            timestamp: when they were read, if that is known; for _time().
        """

    def _source(self, chunk: Mapping[str, Any]) -> Source:
        key = chunk.get("pid", 0), chunk.get("name", "")
        source = self._sources.get(key)
        if source is None:
            source = self._sources[key] = Source(Origin.of(chunk))
        return source

    def _time(self, timestamp: float | None) -> datetime:
        return self.now() if timestamp is None else self.fromtimestamp(timestamp)

    def _pass_on(self, source: Source, data: bytes, timestamp: float | None) -> None:
        try:
            self._deliver(source, data, timestamp)
        finally:
            source.has_begun = not data.endswith(b"\n")

    def _last_words(self, source: Source) -> bytes:
        return source.finish()


def ended(source: Source) -> bytes:
    """Return what was kept of a line, with a line end: else what follows would begin inside this line."""
    rest = source.finish()
    return rest + b"\n" if rest or source.has_begun else b""


def prefixed(lines: bytes, prefix: bytes, *, has_begun: bool, suffix: bytes = b"") -> bytes:
    """Put `prefix` at every line start and `suffix` before every line end.

    Args:
        has_begun: `lines` begins inside a line, which has its prefix.
    """
    ends_line = lines.endswith(b"\n")
    body = lines[:-1] if ends_line else lines
    parts = (
        b"" if has_begun else prefix,
        body.replace(b"\n", suffix + b"\n" + prefix),
        suffix + b"\n" if ends_line else b"",
    )
    return b"".join(parts)
