"""StdoutStream: output on the standard output of the daemon."""

from __future__ import annotations

import zlib
from typing import Any, ClassVar, Final

from circus_streams.chunks import Origin, Source
from circus_streams.linewise import LineStream, ended, prefixed
from circus_streams.options import checkable, flag
from circus_streams.standard_output import StandardOutput, Terminal

__all__ = ["StdoutStream", "TerminalStream"]

SHADES: Final = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)  # foreground colours, ecma-48
RESET: Final = b"\x1b[0m"


class TerminalStream(LineStream):
    """What writes to the daemon's own standard output.

    Attributes:
        out: a file for text to write to instead; None for `sys.stdout` of the moment.
        shared: the standard output, of all streams.
    """

    out: ClassVar[Any] = None
    shared: ClassVar[StandardOutput] = StandardOutput()

    def __init__(self) -> None:
        self._terminal = Terminal(self.shared, lambda: self.out)
        super().__init__(self._terminal)


@checkable
class StdoutStream(TerminalStream):
    """Writes each chunk at once, or with a prefix each line when it is complete."""

    def __init__(self, prefix: bool | str = False, **_ignored: object) -> None:
        """Args:
        prefix: begin each line with `WATCHER.NUMBER | `, coloured on a terminal.

        Raises:
            ValueError: prefix is neither yes nor no.
        """
        super().__init__()
        self._has_prefix = flag("prefix", prefix)

    def _complete(self, source: Source, data: bytes) -> bytes:
        return source.lines(data) if self._has_prefix else source.characters(data)

    def _deliver(self, source: Source, lines: bytes, timestamp: float | None) -> None:
        if self._has_prefix:
            lines = prefixed(lines, self._prefix(source.origin), has_begun=source.has_begun)
        self._terminal.write(source.origin, lines)

    def _last_words(self, source: Source) -> bytes:
        return ended(source) if self._has_prefix else source.finish()

    def _prefix(self, origin: Origin) -> bytes:
        text = f"{origin.watcher}.{origin.wid} | " if origin.wid else f"{origin.pid} | "
        name = text.encode("utf-8", "replace")
        if not self._terminal.is_terminal():
            return name
        return b"\x1b[%dm%b%b" % (SHADES[zlib.crc32(name) % len(SHADES)], name, RESET)
