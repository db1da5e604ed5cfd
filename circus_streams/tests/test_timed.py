"""TimedRotatingFileStream: when a period ends, what the old file is called, which ones are kept."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circus_streams import TimedRotatingFileStream
from circus_streams.logfile import OpenFiles
from circus_streams.tests.samples import chunk, wait_until
from circus_streams.timed import periods


@pytest.fixture(autouse=True)
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Live where clocks are put forward and back: on 2026-03-29 at 2:00 and on 2026-10-25 at 3:00."""
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


class Clock:
    """Wall time that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def set(self, text: str) -> None:
        self.now = _at(text)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def _at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _stream(log: Path, clock: Clock, **options: Any) -> TimedRotatingFileStream:
    class Clocked(TimedRotatingFileStream):
        files: ClassVar[OpenFiles] = OpenFiles(now=clock)

    return Clocked(log, **options)


def _write(stream: TimedRotatingFileStream, clock: Clock, *times: str) -> None:
    for each in times:
        clock.set(each)
        stream(chunk(f"{each}\n"))
    stream.close()


def _files(log: Path) -> dict[str, str]:
    """What is in the files, by what is appended to their names."""
    return {
        each.name.removeprefix(log.name): " ".join(each.read_text().split()) for each in log.parent.iterdir()
    }


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "out.log"


@pytest.mark.parametrize(
    ("when", "interval", "since", "end", "name"),
    [
        ("S", 5, "2026-01-02T03:04:05", "2026-01-02T03:04:10", "20260102030405"),
        ("m", 1, "2026-01-02T03:04:05", "2026-01-02T03:05:05", "202601020304"),
        ("h", 2, "2026-01-02T03:04:05", "2026-01-02T05:04:05", "2026010203"),
        ("D", 1, "2026-01-02T03:04:05", "2026-01-03T03:04:05", "20260102"),
        ("midnight", 1, "2026-01-02T03:04:05", "2026-01-03T00:00:00", "20260102"),
        ("MIDNIGHT", 1, "2026-01-02T00:00:00", "2026-01-03T00:00:00", "20260102"),
        ("Midnight", 3, "2026-01-10T03:04:05", "2026-01-11T00:00:00", "20260108"),
        ("W0", 1, "2026-01-05T12:00:00", "2026-01-06T00:00:00", "20251230"),
        ("w0", 1, "2026-01-03T12:00:00", "2026-01-06T00:00:00", "20251230"),
        ("W6", 1, "2026-01-05T12:00:00", "2026-01-12T00:00:00", "20260105"),
        ("W6", 2, "2026-01-05T12:00:00", "2026-01-12T00:00:00", "20251229"),
        ("MIDNIGHT", 1, "2026-03-29T01:00:00", "2026-03-30T00:00:00", "20260329"),
        ("MIDNIGHT", 1, "2026-10-25T01:00:00", "2026-10-26T00:00:00", "20261025"),
        ("W6", 1, "2026-10-24T01:00:00", "2026-10-26T00:00:00", "20261019"),
        ("D", 1, "2026-10-25T01:00:00", "2026-10-26T00:00:00", "20261025"),
        ("H", 1, "2026-03-29T01:30:00", "2026-03-29T03:30:00", "2026032901"),
    ],
)
def test_the_end_of_a_period_and_the_name(when: str, interval: int, since: str, end: str, name: str) -> None:
    period = periods(when, interval, utc=False)
    assert period.end(_at(since)) == _at(end)
    assert period.name(_at(since)) == name


@pytest.mark.parametrize(("utc", "name"), [(True, "20260101"), (False, "20260102")])
def test_utc_counts_days_and_names_files_there(utc: bool, name: str) -> None:
    period = periods("MIDNIGHT", 1, utc=utc)
    since = _at("2026-01-01T23:30:00+00:00")
    assert period.name(since) == name
    assert period.end(since) == _at("2026-01-02T00:00:00+00:00" if utc else "2026-01-03T00:00:00+01:00")


@pytest.mark.parametrize("text", ["False", "no", "0", "", False])
def test_utc_is_off_when_it_says_so(text: Any, log: Path, clock: Clock) -> None:
    stream = _stream(log, clock, utc=text)
    _write(stream, clock, "2026-01-02T23:30:00", "2026-01-03T00:30:00")
    assert set(_files(log)) == {".20260102", ""}


@given(
    since=st.integers(0, 2**32),
    when=st.sampled_from(["S", "M", "H", "D", "MIDNIGHT", *(f"W{day}" for day in range(7))]),
    interval=st.integers(1, 100),
    utc=st.booleans(),
)
def test_every_period_ends_later_than_it_began(since: int, when: str, interval: int, utc: bool) -> None:
    period = periods(when, interval, utc=utc)
    assert period.end(since) > since
    assert len(period.name(since)) == period.digits


@pytest.mark.parametrize("text", ["W7", "W", "week", "", "5"])
def test_other_periods_are_refused_with_the_way_out(text: str, log: Path) -> None:
    with pytest.raises(ValueError, match=rf"rotate_when must be S, .*, got '{text}'; write MIDNIGHT"):
        TimedRotatingFileStream(log, rotate_when=text)


@pytest.mark.parametrize("text", ["0", "-1", "often", "1.5"])
def test_other_intervals_are_refused(text: str, log: Path) -> None:
    with pytest.raises(ValueError, match="rotate_interval must be a whole number >= 1"):
        TimedRotatingFileStream(log, rotate_interval=text)


def test_a_file_is_put_away_by_the_first_write_of_the_next_period(log: Path, clock: Clock) -> None:
    stream = _stream(log, clock, rotate_when="h")
    _write(stream, clock, "2026-01-02T03:10", "2026-01-02T04:09", "2026-01-02T04:10", "2026-01-02T23:00")
    assert _files(log) == {
        ".2026010203": "2026-01-02T03:10 2026-01-02T04:09",
        ".2026010204": "2026-01-02T04:10",
        "": "2026-01-02T23:00",
    }


def test_of_a_file_that_is_there_already_its_last_write_counts(log: Path, clock: Clock) -> None:
    log.write_text("old\n")
    os.utime(log, (0, _at("2026-01-02T03:04:05")))
    _write(_stream(log, clock, rotate_when="D"), clock, "2026-01-03T03:04:04")
    os.utime(log, (0, _at("2026-01-02T03:04:05")))
    _write(_stream(log, clock, rotate_when="D"), clock, "2026-01-03T03:04:05")
    assert _files(log) == {".20260102": "old 2026-01-03T03:04:04", "": "2026-01-03T03:04:05"}


def test_only_so_many_old_files_are_kept(log: Path, clock: Clock) -> None:
    bystanders = {
        "out.log.2026": "",
        "out.log.20260101a": "",
        "out.log.x20260101": "",
        "xout.log.20260101": "",
    }
    for name, text in bystanders.items():
        log.with_name(name).write_text(text)
    log.with_name("out.log.20260101.gz").touch()
    stream = _stream(log, clock, backup_count="2")
    _write(stream, clock, *(f"2026-02-0{day}T12:00" for day in range(1, 7)))
    files = _files(log)
    assert [files.pop(name) for name in ("", ".20260205", ".20260204")] == [
        "2026-02-06T12:00",
        "2026-02-05T12:00",
        "2026-02-04T12:00",
    ]
    assert len(files) == len(bystanders)


def test_all_are_kept_without_a_number(log: Path, clock: Clock) -> None:
    _write(_stream(log, clock), clock, *(f"2026-02-{day:02}T12:00" for day in range(1, 29)))
    assert len(_files(log)) == 28


def test_a_bare_file_name_will_do(log: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(log.parent)
    stream = _stream(Path("out.log"), clock, backup_count=1)
    _write(stream, clock, "2026-02-01T12:00", "2026-02-02T12:00", "2026-02-03T12:00")
    assert set(_files(log)) == {"", ".20260202"}


def test_the_hour_that_comes_twice_gives_two_files(log: Path, clock: Clock) -> None:
    stream = _stream(log, clock, rotate_when="H", backup_count=3)
    first, again = "2026-10-25T02:00+02:00", "2026-10-25T02:00+01:00"
    _write(stream, clock, "2026-10-25T00:00", "2026-10-25T01:00", first, again, "2026-10-25T03:00")
    assert _files(log) == {
        ".2026102501": "2026-10-25T01:00",
        ".2026102502": first,
        ".2026102502.1": again,
        "": "2026-10-25T03:00",
    }


def test_a_clock_that_is_put_back_loses_no_file_and_stops_no_rotation(log: Path, clock: Clock) -> None:
    stream = _stream(log, clock, rotate_when="M")
    times = (
        "2026-01-02T03:00",
        "2026-01-02T03:01",
        "2026-01-01T03:00",
        "2026-01-01T03:01",
        "2026-01-02T03:01",
    )
    _write(stream, clock, *times, "2026-01-02T03:02")
    assert _files(log) == {
        ".202601020300": times[0],
        ".202601010300": f"{times[1]} {times[2]}",
        ".202601010301": times[3],
        ".202601020301": times[4],
        "": "2026-01-02T03:02",
    }


def test_a_clock_that_leaps_ahead_rotates_once(log: Path, clock: Clock) -> None:
    stream = _stream(log, clock, rotate_when="S")
    _write(stream, clock, "2026-01-02T03:00:00", "2027-01-01T00:00:00", "2027-01-01T00:00:00")
    assert set(_files(log)) == {"", ".20260102030000"}


def test_reopening_does_not_put_the_rotation_off(log: Path, clock: Clock) -> None:
    stream = _stream(log, clock, rotate_when="H")
    for minute in range(0, 75, 5):
        clock.now = _at("2026-01-02T03:00") + minute * 60
        stream(chunk(f"{minute}\n"))
        stream.reopen()
    stream.close()
    assert _files(log) == {".2026010203": "0 5 10 15 20 25 30 35 40 45 50 55", "": "60 65 70"}


def test_a_line_is_not_torn_by_the_end_of_a_period(log: Path, clock: Clock) -> None:
    stream = _stream(log, clock, rotate_when="S")
    clock.now = 1e9
    stream(chunk("a" * 70_000))
    clock.now += 10
    stream(chunk("b\nc\n"))
    stream.close()
    old = next(each for each in log.parent.iterdir() if each != log)
    assert old.read_text() == "a" * 70_000 + "b\n"
    assert log.read_text() == "c\n"


def test_two_streams_of_one_file_rotate_it_once(log: Path, clock: Clock) -> None:
    class Clocked(TimedRotatingFileStream):
        files: ClassVar[OpenFiles] = OpenFiles(now=clock)

    both = Clocked(log, rotate_when="M"), Clocked(log, rotate_when="M")
    for number in range(5):
        clock.now = 1e9 + 60 * number
        for stream in both:
            stream(chunk(f"{number}\n"))
    for stream in both:
        stream.close()
    assert sorted(_files(log).values()) == ["0 0", "1 1", "2 2", "3 3", "4 4"]


def test_old_files_are_compressed_and_count_as_such(log: Path, clock: Clock) -> None:
    stream = _stream(log, clock, backup_count=2, compress="gzip")
    for day in range(1, 6):
        clock.set(f"2026-02-0{day}T12:00")
        stream(chunk("x\n"))
        wait_until(lambda: stream._files._uses[str(log)].file._packer._thread is None)
    stream.close()
    assert {each.name for each in log.parent.iterdir()} == {
        "out.log",
        "out.log.20260204.gz",
        "out.log.20260203.gz",
    }
