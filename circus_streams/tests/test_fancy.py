"""FancyStdoutStream as Circus 0.19 wrote it, without the torn lines."""

from __future__ import annotations

import io
from datetime import datetime
from typing import Any

import pytest

from circus_streams import FancyStdoutStream
from circus_streams.tests.samples import chunk


def _stream(*args: Any, **options: Any) -> tuple[FancyStdoutStream, io.StringIO]:
    text = io.StringIO()

    class Fancy(FancyStdoutStream):
        out = text
        now = staticmethod(lambda: datetime(2026, 1, 2, 3, 4, 5))

    return Fancy(*args, **options), text


@pytest.mark.parametrize(
    ("color", "number"),
    [("red", 1), ("GREEN", 2), ("yellow", 3), ("blue", 4), ("magenta", 5), ("cyan", 6), ("white", 7)],
)
def test_each_line_has_colour_time_and_pid(color: str, number: int) -> None:
    stream, out = _stream(color=color)
    stream(chunk(b"one\n\n\ntwo\nthr"))
    stream(chunk(b"ee\n"))
    p = f"\x1b[0;3{number};40m2026-01-02 03:04:05 [7] | "
    assert out.getvalue() == f"{p}one\x1b[0m\n{p}two\x1b[0m\n{p}three\x1b[0m\n"


@pytest.mark.parametrize("color", [None, "pink"])
def test_another_colour_is_one_by_chance(color: str | None) -> None:
    stream, out = _stream(color, "%H")
    stream(chunk("x\n"))
    assert out.getvalue()[:5] == "\x1b[0;3"
    assert out.getvalue()[5] in "1234567"
    assert out.getvalue()[6:] == ";40m03 [7] | x\x1b[0m\n"


def test_the_time_of_the_chunk_is_preferred() -> None:
    stream, out = _stream("red", "%Y")
    stream(chunk("x\n", timestamp=datetime(2020, 5, 5).timestamp()))
    assert "2020 [7] | x" in out.getvalue()


def test_no_colour_where_the_user_wants_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    stream, out = _stream("red", "%H")
    stream(chunk("x\ny\n"))
    assert out.getvalue() == "03 [7] | x\n03 [7] | y\n"


def test_a_very_long_line_is_decorated_once() -> None:
    stream, out = _stream("red", "%H")
    for _ in range(3):
        stream(chunk(b"x" * 70_000))
    stream(chunk(b"y\n"))
    assert out.getvalue() == "\x1b[0;31;40m03 [7] | " + "x" * 210_000 + "y\x1b[0m\n"


def test_the_last_line_is_shown_when_its_process_ends() -> None:
    stream, out = _stream("red", "%H")
    stream(chunk(b"last words"))
    assert out.getvalue() == ""
    stream.end_of_output(7, "stdout")
    assert out.getvalue() == "\x1b[0;31;40m03 [7] | last words\x1b[0m\n"
