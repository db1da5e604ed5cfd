"""Whatever the chunks, what goes in comes out, of every class: no byte lost, doubled or in another order."""

from __future__ import annotations

import json
import os
import re
import socket
import threading
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from circus_streams import (
    FancyStdoutStream,
    FileStream,
    JournaldStream,
    JsonStream,
    QueueStream,
    StdoutStream,
    SyslogStream,
    TimedRotatingFileStream,
    WatchedFileStream,
)
from circus_streams.logfile import OpenFiles
from circus_streams.tests.samples import chunk, offer, rotated

SOURCES = ((1, 11, "stdout"), (2, 12, "stdout"), (1, 11, "stderr"))
PREFIX = "%H:%M:%S"
LINES = st.lists(
    st.sampled_from([b"a", b"\n", b"\\n", b'"', b"\xff", b"\r\n", b"\x1b[0m", "€\U0001f600".encode()])
).map(b"".join)
CHUNKS = st.lists(
    st.tuples(st.sampled_from(SOURCES), st.binary(max_size=40) | LINES | st.just(b"b" * 90_000)), max_size=25
)
Chunks = list[tuple[tuple[int, int, str], bytes]]
Written = dict[tuple[int, int, str], bytes]
fast = settings(
    max_examples=60,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)


def _expected(chunks: Chunks) -> Written:
    """What each source wrote."""
    written = dict.fromkeys(SOURCES, b"")
    for source, data in chunks:
        written[source] += data
    return written


def _feed(
    stream: Any,
    chunks: Chunks,
    before: Callable[[int], object] = lambda _: None,
    mend: Callable[[], object] = lambda: None,
) -> None:
    """Do what the daemon does.

    Args:
        before: called before each chunk, and before the ends.
        mend: called when something was refused.
    """
    stream.open()
    for number, ((wid, pid, name), data) in enumerate(chunks):
        before(number)
        offer(partial(stream, chunk(data, pid, name, watcher="web", wid=wid)), mend)
    before(len(chunks))
    for _, pid, name in SOURCES:
        offer(partial(stream.end_of_output, pid, name), mend)
    offer(stream.close, mend)


def _lines(data: bytes) -> list[bytes]:
    """The lines of what a source wrote; the last one may not be ended."""
    lines = data.split(b"\n")
    return lines if lines[-1] else lines[:-1]


def _one_source(chunks: Chunks) -> Chunks:
    return [(SOURCES[0], data) for _, data in chunks]


def _fresh(folder: Path) -> Path:
    for each in folder.iterdir():
        each.unlink()
    return folder / "out.log"


@pytest.mark.parametrize(
    "make", [FileStream, WatchedFileStream, TimedRotatingFileStream], ids=lambda each: each.__name__
)
class TestFiles:
    @fast
    @given(chunks=CHUNKS.map(_one_source))
    def test_one_process_writes_its_bytes(
        self, make: type[FileStream], chunks: Chunks, tmp_path: Path
    ) -> None:
        log = _fresh(tmp_path)
        _feed(make(log), chunks)
        assert log.read_bytes() == b"".join(data for _, data in chunks)

    @fast
    @given(chunks=CHUNKS)
    def test_a_file_for_each_process_and_output_has_its_bytes(
        self, make: type[FileStream], chunks: Chunks, tmp_path: Path
    ) -> None:
        _fresh(tmp_path)
        _feed(
            make(tmp_path / "$(circus.watcher)-$(CIRCUS.WID).log"),
            [each for each in chunks if each[0][2] == "stdout"],
        )
        for source, written in _expected(chunks).items():
            if source[2] == "stdout" and any(each[0] == source and each[1] for each in chunks):
                assert (tmp_path / f"web-{source[0]}.log").read_bytes() == written

    @fast
    @given(chunks=CHUNKS)
    def test_lines_with_a_prefix_are_those_of_each_process_in_order(
        self, make: type[FileStream], chunks: Chunks, tmp_path: Path
    ) -> None:
        log = _fresh(tmp_path)
        chunks = [(source, data.replace(b"b" * 90_000, b"b" * 900)) for source, data in chunks]
        _feed(make(log, time_format=PREFIX), chunks)
        lines = _lines(log.read_bytes())
        found = [re.fullmatch(rb"\d\d:\d\d:\d\d \[(\d+)\] \| ((?s:.*))", line) for line in lines]
        assert None not in found
        expected = _expected(chunks)
        assert [match[2] for match in found if match and match[1] == b"12"] == _lines(expected[SOURCES[1]])
        both = [match[2] for match in found if match and match[1] == b"11"]
        assert sorted(both) == sorted(_lines(expected[SOURCES[0]]) + _lines(expected[SOURCES[2]]))


@fast
@given(
    chunks=CHUNKS.map(_one_source), limit=st.sampled_from(["1", "30", "1000", "100K"]), names=st.booleans()
)
def test_files_rotated_by_size_are_the_bytes_in_pieces(
    chunks: Chunks, limit: str, names: bool, tmp_path: Path
) -> None:
    log = _fresh(tmp_path)
    pattern = log.with_name("out.$(circus.wid)") if names else log
    _feed(FileStream(pattern, max_bytes=limit, backup_count=3000), chunks)
    data = b"".join(data for _, data in chunks)
    path = log.with_name("out.1") if names else log
    assert b"".join(rotated(path) if path.exists() else []) == data


@fast
@given(chunks=CHUNKS.map(_one_source))
def test_files_rotated_by_the_clock_are_the_bytes_in_pieces(chunks: Chunks, tmp_path: Path) -> None:
    log = _fresh(tmp_path)
    ticks = iter(range(10**9, 2 * 10**9))

    class Ticking(TimedRotatingFileStream):
        files = OpenFiles(now=lambda: next(ticks) / 4)

    _feed(Ticking(log, rotate_when="s"), chunks)
    olds = sorted(each for each in tmp_path.iterdir() if each != log)
    files = [each.read_bytes() for each in (*olds, log)]
    assert b"".join(files) == b"".join(data for _, data in chunks)


@fast
@given(
    chunks=CHUNKS.map(_one_source),
    trouble=st.dictionaries(st.integers(0, 25), st.booleans()),
    options=st.sampled_from([{}, {"max_bytes": 50, "backup_count": 5000}]),
)
def test_what_was_refused_is_written_once_when_it_is_offered_again(
    chunks: Chunks, trouble: dict[int, bool], options: dict[str, Any], tmp_path: Path
) -> None:
    """At some chunks the file is moved away, or its folder too, which comes back after a refusal."""
    folder = tmp_path / "logs"
    folder.mkdir(exist_ok=True)
    log = _fresh(folder)
    stream = FileStream(log, **options)
    parts: list[bytes] = []

    def before(number: int) -> None:
        if number in trouble and log.exists():
            parts.extend(rotated(log))
            _fresh(folder)
            if trouble[number]:
                folder.rmdir()

    _feed(stream, chunks, before, lambda: folder.mkdir(exist_ok=True))
    if log.exists():
        parts.extend(rotated(log))
    assert b"".join(parts) == b"".join(data for _, data in chunks)


@fast
@given(chunks=CHUNKS)
def test_a_queue_has_every_chunk(chunks: Chunks) -> None:
    stream = QueueStream(maxsize="0")
    offered = [chunk(data, pid, name) for (_, pid, name), data in chunks]
    for each in offered:
        stream(each)
    stream.close()
    assert [stream.get_nowait() for _ in range(stream.qsize())] == offered


@fast
@given(chunks=CHUNKS.map(_one_source))
def test_standard_output_has_the_bytes(chunks: Chunks, tmp_path: Path) -> None:
    with open(_fresh(tmp_path), "w+b") as file:

        class Replaced(StdoutStream):
            out = file

        _feed(Replaced(), chunks)
        file.seek(0)
        assert file.read() == b"".join(data for _, data in chunks)


@fast
@given(chunks=CHUNKS)
def test_prefixed_lines_on_standard_output_are_those_of_each_process(chunks: Chunks, tmp_path: Path) -> None:
    chunks = [each for each in chunks if each[0][2] == "stdout"]
    with open(_fresh(tmp_path), "w+b") as file:

        class Replaced(StdoutStream):
            out = file

        _feed(
            Replaced(prefix="True"), [(source, data.replace(b"b" * 90_000, b"")) for source, data in chunks]
        )
        file.seek(0)
        lines = _lines(file.read())
    for source, written in _expected(chunks).items():
        mine = [line for line in lines if line.startswith(b"web.%d | " % source[0])]
        if source[2] == "stdout":
            assert [line.partition(b" | ")[2] for line in mine] == _lines(written.replace(b"b" * 90_000, b""))


@fast
@given(chunks=CHUNKS.map(_one_source))
def test_fancy_output_has_every_line_that_is_not_empty(chunks: Chunks, tmp_path: Path) -> None:
    with open(_fresh(tmp_path), "w+b") as file:

        class Fancy(FancyStdoutStream):
            out = file

        _feed(Fancy("red", PREFIX), chunks)
        file.seek(0)
        lines = _lines(file.read())
    pattern = re.compile(rb"\x1b\[0;31;40m\d\d:\d\d:\d\d \[11\] \| ((?s:.*))\x1b\[0m")
    found = [pattern.fullmatch(line) for line in lines]
    written = b"".join(data for _, data in chunks)
    assert [match and match[1] for match in found] == [line for line in _lines(written) if line]


def _messages(records: Iterable[dict[str, Any]]) -> list[str]:
    """Join the parts of long lines."""
    messages: list[str] = []
    goes_on = False
    for record in records:
        if goes_on:
            messages[-1] += record["message"]
        else:
            messages.append(record["message"])
        goes_on = record.get("partial", False)
    return messages


@fast
@given(chunks=CHUNKS)
def test_json_objects_have_every_line_of_each_output(chunks: Chunks, tmp_path: Path) -> None:
    log = _fresh(tmp_path)
    _feed(JsonStream(log, max_bytes="300K", backup_count=50), chunks)
    records = [json.loads(line) for line in b"".join(rotated(log)).split(b"\n")[:-1]]
    for (wid, pid, name), written in _expected(chunks).items():
        mine = [each for each in records if (each["wid"], each["pid"], each["stream"]) == (wid, pid, name)]
        assert all(each["watcher"] == "web" for each in mine)
        assert _messages(mine) == [line.decode("utf-8", "backslashreplace") for line in _lines(written)]
    assert all(datetime.fromisoformat(each["time"]) for each in records)


class Receiver:
    """A datagram socket that takes whatever comes, until it is told that this was all."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.messages: list[bytes] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._thread = threading.Thread(target=self._receive)
        self._thread.start()

    def _receive(self) -> None:
        while (message := self._socket.recv(1 << 20)) != b"end":
            self.messages.append(message)

    def end(self) -> list[bytes]:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
            client.sendto(b"end", str(self.path))
        self._thread.join()
        self._socket.close()
        self.path.unlink()
        return self.messages


@fast
@given(chunks=CHUNKS)
def test_syslog_messages_have_every_line_of_each_output(chunks: Chunks, tmp_path: Path) -> None:
    receiver = Receiver(tmp_path / "log")
    _feed(SyslogStream(str(receiver.path), max_message=50_000), chunks)
    header = re.compile(rb"<\d+>1 \S+ \S+ web (\d+) (\w+) - ((?s:.*))")
    messages = [header.fullmatch(each) for each in receiver.end()]
    assert None not in messages
    for (_, pid, name), written in _expected(chunks).items():
        mine = [each[3] for each in messages if each and (int(each[1]), each[2].decode()) == (pid, name)]
        assert b"".join(mine) == written.replace(b"\n", b"")
        assert len(mine) >= len(_lines(written))


@fast
@given(chunks=CHUNKS)
def test_journal_entries_have_every_line_of_each_output(chunks: Chunks, tmp_path: Path) -> None:
    receiver = Receiver(tmp_path / "journal")
    _feed(JournaldStream(str(receiver.path)), chunks)
    entries = [each.partition(b"MESSAGE=") for each in receiver.end()]
    for (wid, pid, name), written in _expected(chunks).items():
        wanted = b"SYSLOG_PID=%d\nCIRCUS_WATCHER=web\nCIRCUS_WID=%d\nCIRCUS_STREAM=%b\n" % (
            pid,
            wid,
            name.encode(),
        )
        mine = [text.removesuffix(b"\n") for head, _, text in entries if head.endswith(wanted)]
        assert b"".join(mine) == written.replace(b"\n", b"")


def test_no_descriptor_is_left(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for make in (FileStream, WatchedFileStream, TimedRotatingFileStream, JsonStream):
        _feed(make(tmp_path / "$(circus.wid).log"), [(source, b"x\ny") for source in SOURCES])
    assert len(os.listdir("/proc/self/fd")) == before
