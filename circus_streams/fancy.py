"""FancyStdoutStream: output on the standard output of the daemon, coloured and with the time."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, Final

from circus_streams.chunks import Source
from circus_streams.linewise import ended, prefixed
from circus_streams.options import checkable
from circus_streams.stdout import TerminalStream

__all__ = ["FancyStdoutStream"]

COLORS: Final = {"red": 1, "green": 2, "yellow": 3, "blue": 4, "magenta": 5, "cyan": 6, "white": 7}
EMPTY_LINES: Final = re.compile(rb"(?<=\n)\n+")


@checkable
class FancyStdoutStream(TerminalStream):
    """Writes each line as `TIME [PID] | line`, all of a stream in one colour; empty lines are left out.

    Colours are written whatever the output is, unless the environment variable NO_COLOR is set.
    """

    def __init__(
        self, color: str | None = None, time_format: str = "%Y-%m-%d %H:%M:%S", **_ignored: object
    ) -> None:
        """Args:
        color: red, green, yellow, blue, magenta, cyan or white; anything else is one of them by chance.
        time_format: as for strftime(3).
        """
        super().__init__()
        number = COLORS.get(str(color).lower()) or 1 + os.urandom(1)[0] % len(COLORS)
        self._time_format = time_format
        self._start = f"\x1b[0;3{number};40m"

    def prefix(self, data: Mapping[str, Any]) -> str:
        """Return what each line begins with; a subclass may have another.

        Args:
            data: `pid`, `name`, `watcher` and `wid` of the process that wrote it, and `timestamp`, which may
                be None.
        """
        start = "" if "NO_COLOR" in os.environ else self._start
        return f"{start}{self._time(data['timestamp']).strftime(self._time_format)} [{data['pid']}] | "

    def _deliver(self, source: Source, lines: bytes, timestamp: float | None) -> None:
        if b"\n\n" in lines:
            lines = EMPTY_LINES.sub(b"", lines)
        if not source.has_begun:
            lines = lines.lstrip(b"\n")
        if lines:
            reset = b"" if "NO_COLOR" in os.environ else b"\x1b[0m"
            text = self.prefix({**source.origin._asdict(), "timestamp": timestamp})
            prefix = text.encode("utf-8", "replace")
            self._terminal.write(
                source.origin, prefixed(lines, prefix, has_begun=source.has_begun, suffix=reset)
            )

    def _last_words(self, source: Source) -> bytes:
        return ended(source)
