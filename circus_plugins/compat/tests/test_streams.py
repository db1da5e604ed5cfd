"""circus.stream: classes as they were subclassed, get_stream, Redirector."""

from __future__ import annotations

import asyncio
import io
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tornado.ioloop import IOLoop

from circus.process import Process
from circus.stream import (
    FancyStdoutStream,
    FileStream,
    QueueStream,
    Redirector,
    StdoutStream,
    TimedRotatingFileStream,
    WatchedFileStream,
    get_stream,
)
from circus.util import ImportStringError
from circus_streams import JsonStream

CHUNK = {"data": b"hello\n", "pid": 7, "name": "stdout"}


def test_the_file_streams_take_their_arguments_in_the_old_order(tmp_path: Path) -> None:
    small = FileStream(str(tmp_path / "small"), 10, 2)
    for _ in range(3):
        small(CHUNK)
    small.close()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["small", "small.1", "small.2"]
    timed = TimedRotatingFileStream(str(tmp_path / "timed"), 3, "%Y", "S", 1)
    timed({**CHUNK, "data": "text is taken, too\n"})
    timed.close()
    assert (tmp_path / "timed").read_text().endswith("[7] | text is taken, too\n")


@pytest.mark.parametrize("make", [FileStream, WatchedFileStream])
def test_without_a_name_a_file_stream_has_a_temporary_file(
    make: Callable[[], FileStream], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    stream = make()
    stream(CHUNK)
    stream.close()
    (file,) = tmp_path.iterdir()
    assert file.read_text() == "hello\n"


def test_a_subclass_with_a_call_of_its_own_is_called_with_every_chunk() -> None:
    class Upper(FileStream):
        def __call__(self, chunk: Any) -> None:
            super().__call__({**chunk, "data": chunk["data"].upper()})

    class Plain(FileStream):
        pass

    class Counting:
        def __call__(self, chunk: Any) -> None:
            pass

    class Mixed(Counting, FileStream):
        pass

    class Fancy(FancyStdoutStream):
        def __call__(self, chunk: Any) -> None:
            pass

    made = (Upper, Plain, Mixed, Fancy)
    assert [callable(getattr(each, "take", None)) for each in made] == [False, True, False, False]


def test_a_subclass_of_a_file_stream_may_change_what_is_written_or_write_by_itself(tmp_path: Path) -> None:
    class Marked(FileStream):
        def write_data(self, data: Any) -> None:
            super().write_data({**data, "data": b"> " + data["data"]})

    class Words(WatchedFileStream):
        def __call__(self, chunk: Any) -> None:
            self._file.write(" ".join(chunk["data"].decode().split()))
            self._file.flush()

    assert Marked.take is Words.take is None  # they are called with every chunk
    for kind, expected in ((Marked, "> hello\n"), (Words, "hello")):
        file = tmp_path / kind.__name__
        stream: Any = kind(str(file))
        stream.open()
        stream(CHUNK)
        assert file.read_text() == expected
        file.rename(tmp_path / "old")
        stream.reopen()
        stream(CHUNK)
        stream.close()
        assert file.read_text() == expected


def test_a_subclass_of_the_fancy_stream_may_have_another_prefix(capsys: pytest.CaptureFixture[str]) -> None:
    class Numbered(FancyStdoutStream):
        def prefix(self, data: Any) -> str:
            return f"[{data['pid']}] "

    stream = Numbered(color="red")
    stream(CHUNK)
    stream.close()
    assert capsys.readouterr().out == f"[{CHUNK['pid']}] hello\x1b[0m\n"


def test_get_stream_makes_what_a_configuration_asks_for(tmp_path: Path) -> None:
    conf = {"class": "FileStream", "filename": str(tmp_path / "x")}
    assert isinstance(get_stream(conf), FileStream)
    assert conf["class"] == "FileStream"  # as it was
    assert isinstance(get_stream({"filename": str(tmp_path / "x")}), FileStream)
    assert isinstance(get_stream({"class": "StdoutStream", "refresh_time": "1"}), StdoutStream)
    assert isinstance(get_stream({"class": "circus.stream:QueueStream"}), QueueStream)
    assert isinstance(get_stream({"class": "JsonStream", "filename": str(tmp_path / "x")}), JsonStream)
    assert get_stream({"stream": print}) is print
    assert get_stream({}) is None
    with pytest.raises(KeyError, match="Nope"):
        get_stream({"class": "Nope"})
    with pytest.raises(ValueError, match="stream configuration invalid"):
        get_stream({"max_bytes": 1})
    with pytest.raises(ImportStringError, match=r"no\.Stream"):
        get_stream({"class": "no.Stream"})


def test_a_redirector_calls_streams_with_what_processes_write() -> None:
    got: list[tuple[str, bytes]] = []

    async def redirect() -> tuple[int, int]:
        words = [sys.executable, "-c", "import sys; print('out'); print('err', file=sys.stderr)"]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        redirector = Redirector(None, None, buffer=2, loop=IOLoop.current())
        redirector.change_stream("stdout", lambda chunk: got.append((chunk["name"], chunk["data"])))
        redirector.change_stream("stderr", lambda chunk: got.append((chunk["name"], chunk["data"])))
        redirector.add_redirections(process)
        started = redirector.start(), redirector.start()
        async with asyncio.timeout(20):
            while redirector.pipes:
                await asyncio.sleep(0.01)
        assert redirector.stop() == 0
        assert redirector.get_stream("stdout") is not None
        process.communicate()
        return started

    assert asyncio.run(redirect()) == (2, 0)
    assert all(len(data) <= 2 for _, data in got)
    for name, text in (("stdout", b"out\n"), ("stderr", b"err\n")):
        assert b"".join(data for each, data in got if each == name) == text


def test_a_redirector_leaves_pipes_that_nobody_wants() -> None:
    async def redirect() -> list[int]:
        process = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
        redirector = Redirector(lambda chunk: None, None)
        redirector.start()
        redirector.add_redirections(process)
        found = [len(redirector.pipes)]
        redirector.change_stream("stdout", None)
        found.append(len(redirector.pipes))
        redirector.change_stream("stdout", print)
        redirector.add_redirections(process)
        redirector.remove_redirections(process)
        found.append(len(redirector.pipes))
        process.communicate()
        return found

    assert asyncio.run(redirect()) == [1, 0, 0]


def test_a_redirector_reads_a_process_made_by_hand() -> None:
    got: list[bytes] = []

    async def redirect() -> None:
        process = Process("talker", 1, sys.executable, ["-c", "print('hello')"], env={})
        redirector = Redirector(lambda chunk: got.append(chunk["data"]), None)
        redirector.add_redirections(process)
        redirector.start()
        async with asyncio.timeout(20):
            while redirector.pipes:
                await asyncio.sleep(0.01)
        process.wait()
        process.close_output_channels()

    asyncio.run(redirect())
    assert b"".join(got) == b"hello\n"


def test_embedders_may_replace_where_a_stream_writes_and_its_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(FancyStdoutStream, "out", out)
    monkeypatch.setattr(FancyStdoutStream, "now", staticmethod(lambda: datetime(2026, 1, 2, tzinfo=UTC)))
    stream = FancyStdoutStream("red", time_format="%Y")
    stream(CHUNK)
    stream.close()
    assert out.getvalue() == "\x1b[0;31;40m2026 [7] | hello\x1b[0m\n"
