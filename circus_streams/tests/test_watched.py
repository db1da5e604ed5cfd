"""WatchedFileStream, and what FileStream does when its file is moved or removed by others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from circus_streams import FileStream, WatchedFileStream
from circus_streams.tests.samples import chunk


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "out.log"


def test_a_renamed_file_is_left_at_the_next_write(log: Path) -> None:
    first, second = WatchedFileStream(log), WatchedFileStream(log)
    for stream in (first, second):
        stream(chunk("old\n"))
    log.rename(log.with_suffix(".1"))
    for stream in (first, second):
        stream(chunk("new\n"))
        stream.close()
    assert log.with_suffix(".1").read_text() == "old\nold\n"
    assert log.read_text() == "new\nnew\n"


def test_a_file_that_was_replaced_is_opened(log: Path) -> None:
    stream = WatchedFileStream(log)
    stream(chunk("old\n"))
    other = log.with_name("other")
    other.write_text("other\n")
    other.rename(log)
    stream(chunk("new\n"))
    stream.close()
    assert log.read_text() == "other\nnew\n"


def test_a_link_that_leads_elsewhere_is_followed(log: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("monday")
    stream = WatchedFileStream(tmp_path / "link")
    stream(chunk("one\n"))
    (tmp_path / "new").symlink_to("tuesday")
    (tmp_path / "new").rename(tmp_path / "link")
    stream(chunk("two\n"))
    stream.close()
    assert (tmp_path / "monday").read_text() == "one\n"
    assert (tmp_path / "tuesday").read_text() == "two\n"


def test_it_does_not_rotate_itself(log: Path) -> None:
    stream = WatchedFileStream(log, max_bytes="10", backup_count="2", compress="gzip")
    for _ in range(5):
        stream(chunk("0123456789\n"))
    stream.close()
    assert os.listdir(log.parent) == [log.name]


@pytest.mark.parametrize("make", [FileStream, WatchedFileStream])
def test_a_removed_file_is_made_anew(make: type[FileStream], log: Path) -> None:
    stream = make(log, time_format="%Y")
    stream(chunk("old\n"))
    log.unlink()
    stream(chunk("new\n"))
    stream.close()
    assert log.read_text().endswith(" [7] | new\n")


@pytest.mark.parametrize("make", [FileStream, WatchedFileStream])
def test_a_file_that_was_copied_and_emptied_is_written_from_its_start(
    make: type[FileStream], log: Path
) -> None:
    stream = make(log)
    stream(chunk("old\n"))
    os.truncate(log, 0)
    stream(chunk("new\n"))
    stream.close()
    assert log.read_bytes() == b"new\n"


def test_a_file_stream_stays_with_a_renamed_file_until_it_is_reopened(log: Path) -> None:
    stream = FileStream(log)
    stream(chunk("one\n"))
    log.rename(log.with_suffix(".1"))
    stream(chunk("two\n"))
    stream.reopen()
    stream(chunk("three\n"))
    stream.close()
    assert log.with_suffix(".1").read_text() == "one\ntwo\n"
    assert log.read_text() == "three\n"
