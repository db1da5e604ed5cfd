"""Full disks, folders that go, rights that are lost: a stream refuses, nothing is lost or written twice."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from circus_streams import FileStream, JsonStream, TimedRotatingFileStream, WatchedFileStream
from circus_streams.tests.samples import chunk, offer

NOBODY = 65534
STREAMS: dict[str, Callable[[Path], Any]] = {
    "file": FileStream,
    "prefix": partial(FileStream, time_format="%H"),
    "rotated": partial(FileStream, max_bytes="20K", backup_count=99),
    "packed": partial(FileStream, max_bytes="200K", backup_count=9, compress="gzip"),
    "watched": WatchedFileStream,
    "timed": partial(TimedRotatingFileStream, rotate_when="S"),
    "json": JsonStream,
}


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[None]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _messages(folder: Path) -> list[str]:
    """The lines of all files, without what the stream has put around them, sorted."""
    texts = [each.read_text() for each in folder.iterdir() if each.suffix not in {".gz", ".packing"}]
    packed = [subprocess.check_output(["gzip", "-dc", each], text=True) for each in folder.glob("*.gz")]
    lines = [line.rpartition("| ")[2] for text in texts + packed for line in text.splitlines()]
    return sorted(json.loads(line)["message"] if line.startswith("{") else line for line in lines)


@pytest.mark.root
@pytest.mark.parametrize("name", sorted(STREAMS))
def test_a_full_disk_loses_doubles_and_tears_nothing(name: str, tmp_path: Path) -> None:
    lines = [f"{number:06d} {'.' * 40}" for number in range(20_000)]

    def enlarge() -> None:
        subprocess.run(["mount", "-o", "remount,size=16m", str(tmp_path)], check=True)

    with _small_disk(tmp_path):
        stream = STREAMS[name](tmp_path / "out.log")
        refusals: list[OSError] = []
        for start in range(0, len(lines), 97):
            offered = chunk("\n".join(lines[start : start + 97]) + "\n")
            refusals += offer(partial(stream, offered), enlarge)
        stream.close()
        assert [each.errno for each in refusals] == [errno.ENOSPC]
        assert refusals[0].filename == str(tmp_path / "out.log")
        if name == "packed":
            _wait_for_packing()
        assert _messages(tmp_path) == lines


def _wait_for_packing() -> None:

    for thread in threading.enumerate():
        if thread.name == "packing":
            thread.join(30)


@pytest.mark.parametrize("name", sorted(STREAMS))
def test_a_folder_that_is_missing_may_come_later(name: str, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "out.log"
    stream = STREAMS[name](log)
    with pytest.raises(FileNotFoundError, match=r"logs/out\.log"):
        stream.open()
    offered = chunk("kept\n")
    for _ in range(3):
        with pytest.raises(FileNotFoundError, match=r"logs/out\.log"):
            stream(offered)
    log.parent.mkdir()
    stream(offered)
    stream.close()
    assert _messages(log.parent) == ["kept"]


@pytest.mark.parametrize("name", sorted(STREAMS))
def test_a_folder_that_is_removed_may_come_back(name: str, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "out.log"
    log.parent.mkdir()
    stream = STREAMS[name](log)
    stream(chunk("old\n"))
    log.unlink()
    log.parent.rmdir()
    offered = chunk("new\n")
    assert offer(partial(stream, offered), lambda: log.parent.mkdir(exist_ok=True))
    stream.close()
    assert _messages(log.parent) == ["new"]


@pytest.mark.parametrize("name", sorted(STREAMS))
def test_unfinished_lines_survive_a_folder_that_is_missing(name: str, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "out.log"
    stream = STREAMS[name](log)
    stream(chunk("unfinished", 1))
    stream(chunk("also", 2))
    for call in (partial(stream.end_of_output, 1, "stdout"), stream.close):
        with pytest.raises(FileNotFoundError):
            call()
    log.parent.mkdir()
    stream.close()
    stream.close()
    assert "".join(_messages(log.parent)) in {"unfinishedalso", "alsounfinished"}


@pytest.mark.root
def test_rights_that_are_lost_may_come_back(tmp_path: Path) -> None:
    """As an ordinary user: first the file can't be opened, then it can't be rotated."""
    code = f"""
import os
from pathlib import Path
from circus_streams import FileStream
from circus_streams.tests.samples import chunk, offer

folder = Path({str(tmp_path)!r})
folder.chmod(0o777)
os.seteuid({NOBODY})
stream = FileStream(folder / "out.log", max_bytes=100, backup_count=5)

def as_root(mode):
    os.seteuid(0)
    folder.chmod(mode)
    os.seteuid({NOBODY})

stream(chunk("0" * 60 + "\\n"))
as_root(0o755)
refused = offer(lambda: stream.reopen() or stream(chunk("1" * 30 + "\\n")))
assert not refused
first = chunk("2" * 60 + "\\n")
tries = []
def mend():
    tries.append(1)
    if len(tries) == 3:
        as_root(0o777)
refused = offer(lambda: stream(first), mend)
assert [type(each) for each in refused] == [PermissionError] * 3, refused
as_root(0o700)
try:
    stream.reopen()
except PermissionError as error:
    assert error.filename == str(folder / "out.log")
else:
    raise AssertionError("opened")
last = chunk("3" * 20 + "\\n")
assert offer(lambda: stream(last), lambda: as_root(0o777))
stream.close()
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=60)
    assert (tmp_path / "out.log.1").read_text() == "0" * 60 + "\n" + "1" * 30 + "\n"
    assert (tmp_path / "out.log").read_text() == "2" * 60 + "\n" + "3" * 20 + "\n"
    assert sorted(os.listdir(tmp_path)) == ["out.log", "out.log.1"]


def test_a_rotation_that_fails_again_and_again_keeps_the_old_files(tmp_path: Path) -> None:
    """The file is a directory's name: it can't replace F.1 until that is gone."""
    log = tmp_path / "out.log"
    for number in range(1, 4):
        log.with_name(f"out.log.{number}").write_text(f"{number}\n")
    log.with_name("out.log.4").mkdir()
    log.with_name("out.log.4").joinpath("x").touch()
    stream = FileStream(log, max_bytes=20, backup_count=4)
    stream(chunk("0123456789\n"))
    offered = chunk("abcdefghij\n")
    for _ in range(5):
        with pytest.raises(OSError, match=r"out\.log\.4"):
            stream(offered)
    assert [log.with_name(f"out.log.{number}").read_text() for number in range(1, 4)] == ["1\n", "2\n", "3\n"]
    log.with_name("out.log.4").joinpath("x").unlink()
    log.with_name("out.log.4").rmdir()
    stream(offered)
    stream.close()
    assert log.with_name("out.log.4").read_text() == "3\n"
    assert log.with_name("out.log.1").read_text() == "0123456789\n"
    assert log.read_text() == "abcdefghij\n"


def test_a_file_opened_elsewhere_takes_what_a_full_one_could_not(tmp_path: Path) -> None:
    """/dev/full takes nothing: the administrator lets the link lead elsewhere, and has it reopened."""
    link = tmp_path / "link"
    link.symlink_to("/dev/full")
    stream = FileStream(link)
    offered = chunk("kept\n")
    with pytest.raises(OSError, match="No space left"):
        stream(offered)
    link.unlink()
    link.symlink_to(tmp_path / "out.log")
    stream.reopen()
    stream(offered)
    stream.close()
    assert (tmp_path / "out.log").read_text() == "kept\n"
