"""SyslogStream and JournaldStream with real receivers: datagrams, TCP, unix sockets, and their restarts."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from circus_streams import JournaldStream, SyslogStream, sockets
from circus_streams.tests.samples import chunk, offer

AT = datetime(2026, 1, 2, 3, 4, 5, 678901).timestamp()


def _chunk(data: bytes | str, **more: Any) -> dict[str, Any]:
    return chunk(data, **{"timestamp": AT, "watcher": "web", "wid": 2, **more})


@contextmanager
def _bound(kind: socket.SocketKind, address: Any) -> Iterator[socket.socket]:
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family, kind) as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        receiver.bind(address)
        receiver.settimeout(30)
        if kind is socket.SOCK_STREAM:
            receiver.listen()
        yield receiver


def _read(receiver: socket.socket, *, until: bytes) -> bytes:
    """Accept one connection and read until some bytes have come."""
    connection, _ = receiver.accept()
    with connection:
        connection.settimeout(30)
        data = b""
        while not data.endswith(until):
            more = connection.recv(1 << 20)
            assert more, data
            data += more
    return data


def _counted(data: bytes) -> list[bytes]:
    """Undo octet counting, RFC 6587 3.4.1."""
    messages = []
    while data:
        length, _, data = data.partition(b" ")
        messages.append(data[: int(length)])
        data = data[int(length) :]
    return messages


class TestMessage:
    @pytest.fixture
    def receiver(self, tmp_path: Path) -> Iterator[socket.socket]:
        with _bound(socket.SOCK_DGRAM, str(tmp_path / "log")) as receiver:
            yield receiver

    def _message(
        self, receiver: socket.socket, data: bytes | str = "x\n", name: str = "stdout", **options: Any
    ) -> str:
        stream = SyslogStream(receiver.getsockname(), **options)
        stream(_chunk(data, name=name))
        stream.close()
        return receiver.recv(1 << 20).decode()

    def test_it_has_the_fields_of_rfc_5424(self, receiver: socket.socket) -> None:
        message = self._message(receiver, "hello  world \n", hostname="here")
        found = re.fullmatch(r"<30>1 (\S+) here web 7 stdout - hello  world ", message)
        assert found
        assert datetime.fromisoformat(found[1]).timestamp() == AT

    @pytest.mark.parametrize(
        ("name", "options", "priority"),
        [
            ("stdout", {}, 30),
            ("stderr", {}, 27),
            ("stderr", {"severity": "notice"}, 29),
            ("stdout", {"facility": "LOCAL7", "severity": "Debug"}, 191),
            ("stdout", {"facility": "kern", "severity": "emerg"}, 0),
        ],
    )
    def test_priority(
        self, receiver: socket.socket, name: str, options: dict[str, str], priority: int
    ) -> None:
        assert self._message(receiver, name=name, **options).startswith(f"<{priority}>1 ")

    def test_header_fields_are_visible_ascii_of_limited_length(self, receiver: socket.socket) -> None:
        message = self._message(receiver, app_name="my äpp" + "x" * 99, hostname="ho st")
        assert message.split(" ")[2:4] == ["ho_st", "my__pp" + "x" * 42]

    def test_a_long_line_becomes_several_messages_between_characters(self, receiver: socket.socket) -> None:
        stream = SyslogStream(receiver.getsockname(), max_message="500")
        stream(_chunk("a" + "€" * 400 + "\n"))
        stream.close()
        texts = [receiver.recv(9999).decode().partition(" - ")[2] for _ in range(3)]
        assert "".join(texts) == "a" + "€" * 400
        assert all(len(each.encode()) <= 500 for each in texts)

    def test_an_unfinished_line_is_sent_at_the_end(self, receiver: socket.socket) -> None:
        stream = SyslogStream(receiver.getsockname())
        stream(_chunk("last"))
        stream.end_of_output(7, "stdout")
        stream.close()
        assert receiver.recv(999).endswith(b" - last")


@pytest.mark.parametrize(
    "options",
    [
        {"address": "localhost:514"},
        {"address": "log"},
        {"address": "udp://"},
        {"address": "tcp://host:99999"},
        {"address": "/" + "x" * 108},
        {"facility": "mine"},
        {"severity": "bad"},
        {"max_message": "10"},
        {"max_message": "1M"},
    ],
    ids=str,
)
def test_other_values_are_refused(options: dict[str, Any]) -> None:
    (name,) = options
    with pytest.raises(ValueError, match=f"^{name} must be "):
        SyslogStream(**options)


class TestDatagrams:
    def test_udp_has_one_for_each_line(self) -> None:
        with _bound(socket.SOCK_DGRAM, ("127.0.0.1", 0)) as receiver:
            stream = SyslogStream(f"udp://127.0.0.1:{receiver.getsockname()[1]}")
            stream(_chunk("one\ntwo\n"))
            stream.close()
            assert [receiver.recv(999).partition(b" - ")[2] for _ in range(2)] == [b"one", b"two"]

    def test_udp_without_a_receiver_holds_nobody_back_and_works_when_it_comes(self) -> None:
        with _bound(socket.SOCK_DGRAM, ("127.0.0.1", 0)) as receiver:
            address = receiver.getsockname()
        stream = SyslogStream(f"udp://127.0.0.1:{address[1]}")
        for _ in range(20):
            stream(_chunk("lost\n"))
        with _bound(socket.SOCK_DGRAM, address) as receiver:
            stream(_chunk("found\n"))
            assert receiver.recv(999).endswith(b" - found")
        stream.close()

    def test_a_local_daemon_that_starts_anew_is_found_again(self, tmp_path: Path) -> None:
        address = str(tmp_path / "log")
        stream = SyslogStream(f"unix://{address}")
        refused = _chunk("one\n")
        with pytest.raises(OSError, match=f"No such file or directory: 'unix://{address}'"):
            stream(refused)
        for text, offered in (("one", refused), ("two", _chunk("two\n"))):
            with _bound(socket.SOCK_DGRAM, address) as receiver:
                stream(offered)
                assert receiver.recv(999).endswith(f" - {text}".encode())
            Path(address).unlink()
        stream.close()

    def test_a_daemon_that_reads_nothing_is_waited_for_only_so_long(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sockets, "TIMEOUT", 0.05)
        lines = [f"{number}" for number in range(2000)]
        with _bound(socket.SOCK_DGRAM, str(tmp_path / "log")) as receiver:
            stream = SyslogStream(receiver.getsockname())
            refused = _chunk("\n".join(lines) + "\n")
            with pytest.raises(TimeoutError, match="nothing was taken in time"):
                stream(refused)
            received: list[str] = []
            reader = threading.Thread(
                target=lambda: received.extend(receiver.recv(999).decode().rpartition(" ")[2] for _ in lines)
            )
            reader.start()
            offer(lambda: stream(refused))
            stream.close()
            reader.join()
        assert received == lines


class TestConnections:
    @pytest.fixture
    def receiver(self) -> Iterator[socket.socket]:
        with _bound(socket.SOCK_STREAM, ("127.0.0.1", 0)) as receiver:
            yield receiver

    def _stream(self, receiver: socket.socket) -> SyslogStream:
        return SyslogStream(f"tcp://localhost:{receiver.getsockname()[1]}")

    def test_messages_are_counted_in_octets(self, receiver: socket.socket) -> None:
        stream = self._stream(receiver)
        stream(_chunk("one\nzwölf\n\nend\n"))
        messages = _counted(_read(receiver, until=b"end"))
        assert [each.decode().partition(" - ")[2] for each in messages] == ["one", "zwölf", "", "end"]
        stream.close()

    def test_it_connects_again_when_the_other_side_has_closed(self, receiver: socket.socket) -> None:
        stream = self._stream(receiver)
        for text in (b"one", b"two", b"three"):
            stream(_chunk(text + b"\n"))
            (message,) = _counted(_read(receiver, until=text))
            assert message.endswith(b" - " + text)
        stream.close()

    def test_a_message_that_was_cut_by_the_end_of_a_connection_is_sent_whole(
        self, receiver: socket.socket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sockets, "TIMEOUT", 0.2)
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lines = [b"%06d " % number + b"x" * 3000 for number in range(3000)]
        stream = self._stream(receiver)
        refused = _chunk(b"\n".join(lines) + b"\n")
        with pytest.raises(TimeoutError):
            stream(refused)
        connection, _ = receiver.accept()
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        connection.close()  # with much unread: a reset
        received: list[bytes] = []
        reader = threading.Thread(target=lambda: received.append(_read(receiver, until=lines[-1])))
        reader.start()
        offer(lambda: stream(refused))
        reader.join()
        stream.close()
        texts = [each.partition(b" - ")[2] for each in _counted(received[0])]
        assert texts == lines[-len(texts) :]
        assert len(texts) > 1000

    def test_nobody_who_listens_is_told_with_the_address(self, receiver: socket.socket) -> None:
        stream = self._stream(receiver)
        receiver.close()
        with pytest.raises(ConnectionRefusedError, match="'tcp://localhost:"):
            stream(_chunk("x\n"))

    def test_a_host_that_is_none_is_told(self) -> None:
        stream = SyslogStream("tcp://nowhere.invalid")
        with pytest.raises(OSError, match=r"^can't find the host of 'tcp://nowhere\.invalid': "):
            stream(_chunk("x\n"))

    def test_a_unix_socket_may_be_listened_on(self, tmp_path: Path) -> None:
        with _bound(socket.SOCK_STREAM, str(tmp_path / "log")) as receiver:
            stream = SyslogStream(str(tmp_path / "log"))
            stream(_chunk("one\ntwo\n"))
            data = _read(receiver, until=b"two\n")
            assert [each.partition(b" - ")[2] for each in data.splitlines()] == [b"one", b"two"]
            stream.close()

    def test_no_socket_is_left(self, receiver: socket.socket) -> None:
        stream = self._stream(receiver)
        stream(_chunk("x\n"))
        stream.reopen()
        stream(_chunk("y\n"))
        stream.close()
        for text in (b"x", b"y"):
            assert _read(receiver, until=text)


class TestJournal:
    def test_an_entry_has_the_fields_of_the_native_protocol(self, tmp_path: Path) -> None:
        with _bound(socket.SOCK_DGRAM, str(tmp_path / "socket")) as receiver:
            stream = JournaldStream(receiver.getsockname())
            stream(_chunk("hello = world\n", name="stderr"))
            stream.close()
            assert receiver.recv(9999).decode().splitlines() == [
                "PRIORITY=3",
                "SYSLOG_FACILITY=3",
                "SYSLOG_IDENTIFIER=web",
                "SYSLOG_PID=7",
                "CIRCUS_WATCHER=web",
                "CIRCUS_WID=2",
                "CIRCUS_STREAM=stderr",
                "MESSAGE=hello = world",
            ]

    def test_a_value_with_a_line_end_has_its_length_before_it(self, tmp_path: Path) -> None:
        with _bound(socket.SOCK_DGRAM, str(tmp_path / "socket")) as receiver:
            stream = JournaldStream(receiver.getsockname(), identifier="a\nb", severity="info")
            stream(_chunk("x\n"))
            stream.close()
            assert b"SYSLOG_IDENTIFIER\n\x03\0\0\0\0\0\0\0a\nb\nSYSLOG_PID" in receiver.recv(9999)
