"""JournaldStream: output to the journal of systemd.

It speaks the native protocol, https://systemd.io/JOURNAL_NATIVE_PROTOCOL: the binding to libsystemd has to be
compiled on each machine, and this is a few lines.
"""

from __future__ import annotations

from typing import Final

from circus_streams.chunks import Source
from circus_streams.linewise import LineStream, ended
from circus_streams.options import checkable, choice
from circus_streams.sockets import JournalSender
from circus_streams.syslog import FACILITIES, SEVERITIES, message_size, pieces, severity_of

__all__ = ["JournaldStream"]

SOCKET: Final = "/run/systemd/journal/socket"


@checkable
class JournaldStream(LineStream):
    """Sends each line as an entry, with the watcher as its identifier.

    Entries have the fields CIRCUS_WATCHER, CIRCUS_WID and CIRCUS_STREAM, so that
    `journalctl CIRCUS_WATCHER=web` finds them, whatever the identifier.
    """

    def __init__(
        self,
        address: str = SOCKET,
        facility: str = "daemon",
        severity: str | None = None,
        identifier: str | None = None,
        max_message: int | str = 48 * 1024,
        **_ignored: object,
    ) -> None:
        """Connect to nothing yet.

        Args:
            address: the path of the journal's socket.
            facility, severity: as for SyslogStream.
            identifier: instead of the watcher's name.
            max_message: bytes of text in one entry; a longer line becomes several.

        Raises:
            ValueError: a value can't be used.
        """
        self._sender = JournalSender(str(address), str(address))
        super().__init__(self._sender)
        self._facility = FACILITIES.index(choice("facility", facility, FACILITIES))
        self._severity = None if severity is None else choice("severity", severity, SEVERITIES)
        self._identifier = identifier
        self._longest = message_size(max_message)

    def _deliver(self, source: Source, lines: bytes, timestamp: float | None) -> None:
        fields = self._fields(source)
        self._sender.send([fields + _field("MESSAGE", text) for text in pieces(lines, self._longest)])

    def _fields(self, source: Source) -> bytes:
        origin = source.origin
        values: dict[str, object] = {
            "PRIORITY": severity_of(self._severity, origin.name),
            "SYSLOG_FACILITY": self._facility,
            "SYSLOG_IDENTIFIER": self._identifier or origin.watcher or "circusd",
            "SYSLOG_PID": origin.pid,
            "CIRCUS_WATCHER": origin.watcher,
            "CIRCUS_WID": origin.wid,
            "CIRCUS_STREAM": origin.name,
        }
        return b"".join(_field(key, str(value).encode("utf-8", "replace")) for key, value in values.items())

    def _last_words(self, source: Source) -> bytes:
        return ended(source)


def _field(name: str, value: bytes) -> bytes:
    """Return one field: `NAME=VALUE`, or with the length in 8 bytes if the value has a line end."""
    if b"\n" not in value:
        return b"%b=%b\n" % (name.encode(), value)
    return b"%b\n%b%b\n" % (name.encode(), len(value).to_bytes(8, "little"), value)
