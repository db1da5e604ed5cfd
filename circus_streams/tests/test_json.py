"""JsonStream: one object per line, in a file or on standard output."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from circus_streams import JsonStream
from circus_streams.tests.samples import chunk, rotated

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "out.jsonl"


def _chunk(data: bytes | str, **more: Any) -> dict[str, Any]:
    return chunk(data, **{"timestamp": AT.timestamp(), "watcher": "wéb", "wid": 2, **more})


def _objects(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_bytes().splitlines()]


def test_an_object_says_when_who_and_what(log: Path) -> None:
    stream = JsonStream(log)
    stream(_chunk(b'say "hi"\n', pid=9, name="stderr"))
    stream.close()
    assert _objects(log) == [
        {
            "time": "2026-01-02T03:04:05.678901Z",
            "watcher": "wéb",
            "wid": 2,
            "pid": 9,
            "stream": "stderr",
            "message": 'say "hi"',
        }
    ]
    assert list(_objects(log)[0]) == ["time", "watcher", "wid", "pid", "stream", "message"]


def test_lines_are_whole_and_unfinished_ones_wait(log: Path) -> None:
    stream = JsonStream(log)
    stream(_chunk(b"one\n\ntw"))
    assert [each["message"] for each in _objects(log)] == ["one", ""]
    stream(_chunk(b"o\nthree"))
    stream.end_of_output(7, "stdout")
    stream.close()
    assert [each["message"] for each in _objects(log)] == ["one", "", "two", "three"]


def test_what_is_no_text_stays_readable(log: Path) -> None:
    stream = JsonStream(log)
    stream(_chunk(b"\xff\x00\\ \xe2\x82\xac \t\x1b[0m\r\n"))
    stream.close()
    assert [each["message"] for each in _objects(log)] == ["\\xff\0\\ € \t\x1b[0m\r"]


def test_a_long_line_comes_in_parts_that_say_so(log: Path) -> None:
    stream = JsonStream(log)
    for _ in range(3):
        stream(_chunk("€" * 30_000))
    stream(_chunk("!\nnext\n"))
    stream.close()
    objects = _objects(log)
    assert "".join(each["message"] for each in objects[:-1]) == "€" * 90_000 + "!"
    assert [each.get("partial") for each in objects] == [True, True, True, None, None]
    assert all(len(line) < 200_000 for line in log.read_bytes().splitlines())


def test_the_time_is_shown_as_the_user_wants(log: Path) -> None:
    stream = JsonStream(log, time_format="%Y %%")
    stream(_chunk("x\n"))
    stream.close()
    assert _objects(log)[0]["time"] == "2026 %"


def test_its_files_rotate_between_objects(log: Path) -> None:
    stream = JsonStream(log, max_bytes="1K", backup_count=100)
    stream(_chunk("".join(f"{number}\n" for number in range(100))))
    stream.close()
    files = rotated(log)
    assert len(files) > 5
    assert all(len(each) < 1024 and each.endswith(b"\n") for each in files)
    messages = [json.loads(line)["message"] for each in files for line in each.splitlines()]
    assert messages == [str(number) for number in range(100)]


def test_without_a_file_name_it_writes_to_standard_output() -> None:
    text = io.StringIO()

    class Replaced(JsonStream):
        out = text

    stream = Replaced()
    stream(_chunk("x\n"))
    assert json.loads(text.getvalue())["message"] == "x"
