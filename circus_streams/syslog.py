"""SyslogStream: output to a syslog daemon, RFC 5424."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from circus_streams.chunks import Source, whole_characters
from circus_streams.linewise import LineStream, ended
from circus_streams.options import checkable, choice, size
from circus_streams.sockets import sender

__all__ = ["FACILITIES", "SEVERITIES", "SyslogStream", "pieces", "severity_of"]

FACILITIES: Final = (
    *("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp"),
    *("ntp", "audit", "alert", "clock"),
    *(f"local{number}" for number in range(8)),
)
SEVERITIES: Final = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
LARGEST: Final = 60_000  # bytes of a message that every kind of socket can take
SMALLEST: Final = 480  # what every receiver takes, RFC 5424 6.1


@checkable
class SyslogStream(LineStream):
    """Sends each line as a message of RFC 5424 over a unix socket, UDP, or TCP with octet counting.

    APP-NAME is the watcher, PROCID the pid, MSGID the output. While the daemon takes nothing, the processes
    are held back; over UDP nobody can tell, and what is not taken is lost.
    """

    def __init__(
        self,
        address: str = "/dev/log",
        facility: str = "daemon",
        severity: str | None = None,
        app_name: str | None = None,
        hostname: str | None = None,
        max_message: int | str = 8192,
        **_ignored: object,
    ) -> None:
        """Connect to nothing yet.

        Args:
            address: the path of a unix socket, `udp://HOST:PORT` or `tcp://HOST:PORT`.
            facility: a name such as daemon or local0.
            severity: a name such as info; None for info, and err for standard error.
            app_name: instead of the watcher's name.
            hostname: instead of this host's.
            max_message: bytes of text in one message; a longer line becomes several.

        Raises:
            ValueError: a value can't be used.
        """
        self._sender = sender(address)
        super().__init__(self._sender)
        self._facility = FACILITIES.index(choice("facility", facility, FACILITIES))
        self._severity = None if severity is None else choice("severity", severity, SEVERITIES)
        self._app_name = app_name
        self._hostname = _field(hostname or socket.gethostname(), 255)
        self._longest = message_size(max_message)

    def _deliver(self, source: Source, lines: bytes, timestamp: float | None) -> None:
        header = self._header(source, self._time(timestamp))
        self._sender.send([header + text for text in pieces(lines, self._longest)])

    def _header(self, source: Source, when: datetime) -> bytes:
        origin = source.origin
        priority = self._facility * 8 + severity_of(self._severity, origin.name)
        stamp = when.astimezone().isoformat(timespec="microseconds")
        app_name = _field(self._app_name or origin.watcher, 48)
        fields = (f"<{priority}>1", stamp, self._hostname, app_name, str(origin.pid or "-"))
        return f"{' '.join(fields)} {_field(origin.name, 32)} - ".encode("ascii")

    def _last_words(self, source: Source) -> bytes:
        return ended(source)


def severity_of(configured: str | None, output: str) -> int:
    """Return the number of a severity; without one that of standard error is err, of others info."""
    return SEVERITIES.index(configured or ("err" if output == "stderr" else "info"))


def message_size(value: int | str) -> int:
    """Return the bytes that one message may have; raises ValueError."""
    number = size("max_message", value)
    if not SMALLEST <= number <= LARGEST:
        raise ValueError(f"max_message must be from {SMALLEST} to {LARGEST} bytes, got {value!r}")
    return number


def pieces(lines: bytes, longest: int) -> Iterator[bytes]:
    """The lines without their ends, in pieces of at most `longest` bytes that end between characters."""
    for line in lines.removesuffix(b"\n").split(b"\n"):
        start = 0
        while len(line) - start > longest:
            end = start + (whole_characters(line[start : start + longest]) or longest)
            yield line[start:end]
            start = end
        yield line[start:]


def _field(text: str, longest: int) -> str:
    """Return a header field: visible ASCII of limited length, "-" for nothing, RFC 5424 6."""
    return re.sub(r"[^!-~]", "_", text)[:longest] or "-"
