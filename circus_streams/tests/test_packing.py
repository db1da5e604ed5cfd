"""Compression of rotated files: in the background, nothing lost whenever it is interrupted."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from circus_streams import FileStream
from circus_streams.packing import compression
from circus_streams.tests.samples import chunk, wait_until


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "out.log"


def _is_packing() -> bool:
    return any(thread.name == "packing" for thread in threading.enumerate())


def _finished() -> None:
    wait_until(lambda: not _is_packing())


def _content(path: Path) -> bytes:
    packed = path.with_name(f"{path.name}.gz")
    return gzip.decompress(packed.read_bytes()) if packed.exists() else path.read_bytes()


def test_rotated_files_are_compressed_and_keep_their_order(log: Path) -> None:
    stream = FileStream(log, max_bytes=100, backup_count=3, compress="gzip")
    for number in range(1, 6):
        stream(chunk(f"{number}" * 90 + "\n"))
        _finished()
    stream.close()
    assert sorted(os.listdir(log.parent)) == ["out.log", "out.log.1.gz", "out.log.2.gz", "out.log.3.gz"]
    assert [_content(log.with_name(f"out.log.{n}"))[:1] for n in (3, 2, 1)] == [b"2", b"3", b"4"]
    assert log.read_bytes()[:1] == b"5"


def test_files_that_rotate_faster_than_they_are_compressed_are_all_there(log: Path) -> None:
    stream = FileStream(log, max_bytes="200K", backup_count=200, compress="gzip")
    lines = [b"%09d\n" % number for number in range(1_000_000)]
    for start in range(0, len(lines), 6000):
        stream(chunk(b"".join(lines[start : start + 6000])))
    stream.close()
    _finished()
    names = os.listdir(log.parent)
    assert not [name for name in names if not name.endswith((".gz", ".log"))]
    content = b"".join(_content(log.with_name(f"out.log.{n}")) for n in range(len(names) - 1, 0, -1))
    assert content + log.read_bytes() == b"".join(lines)


def test_the_oldest_may_go_while_it_is_compressed(log: Path) -> None:
    stream = FileStream(log, max_bytes="1M", backup_count=2, compress="gzip")
    for number in range(40):
        stream(chunk(os.urandom(500_000).hex().encode() + b"%d\n" % number))
    stream.close()
    _finished()
    assert sorted(os.listdir(log.parent)) == ["out.log", "out.log.1.gz", "out.log.2.gz"]


def test_mode_and_time_of_the_file_are_kept(log: Path) -> None:
    stream = FileStream(log, max_bytes=20, backup_count=1, compress="gzip")
    stream(chunk("0123456789012345\n"))
    os.chmod(log, 0o600)
    written = log.stat().st_mtime_ns
    stream(chunk("0123456789012345\n"))
    stream.close()
    _finished()
    status = log.with_name("out.log.1.gz").stat()
    assert (status.st_mode & 0o777, status.st_mtime_ns) == (0o600, written)


def test_what_a_crash_left_behind_is_compressed_later(log: Path) -> None:
    log.with_name("out.log.1").write_text("left\n")
    log.with_name("out.log.packing").write_text("half")
    stream = FileStream(log, max_bytes=10, backup_count=5, compress="gzip")
    stream(chunk("1234567\n"))
    stream(chunk("1234567\n"))
    stream.close()
    _finished()
    assert sorted(os.listdir(log.parent)) == ["out.log", "out.log.1.gz", "out.log.2.gz"]
    assert _content(log.with_name("out.log.2")) == b"left\n"


def test_compressed_files_count_when_compression_is_switched_off(log: Path) -> None:
    log.with_name("out.log.1.gz").write_bytes(gzip.compress(b"older\n"))
    stream = FileStream(log, max_bytes=10, backup_count=2)
    for _ in range(3):
        stream(chunk("1234567\n"))
    stream.close()
    assert sorted(os.listdir(log.parent)) == ["out.log", "out.log.1", "out.log.2"]


def test_a_writer_does_not_wait_for_compression(log: Path) -> None:
    """16 MB take half a second or more to compress: the next line is written before that."""
    log.write_bytes(os.urandom(8 << 20).hex().encode())
    stream = FileStream(log, max_bytes="1K", backup_count=1, compress="gzip")
    stream(chunk("next\n"))
    assert log.read_text() == "next\n"
    assert _is_packing()
    stream.close()
    _finished()
    assert log.with_name("out.log.1.gz").exists()


@pytest.mark.root
def test_a_full_disk_leaves_the_file_as_it_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(tmp_path)], check=True)
    try:
        log = tmp_path / "out.log"
        stream = FileStream(log, max_bytes="200K", backup_count=2, compress="gzip")
        stream(chunk(os.urandom(99_000).hex().encode() + b"\n"))
        stream(chunk(b"x\n" * 5000))
        stream.close()
        _finished()
        assert sorted(os.listdir(tmp_path)) == ["out.log", "out.log.1"]
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)
    assert [record.getMessage() for record in caplog.records] == [
        f"{log}: a rotated file stays uncompressed: No space left on device"
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"compress": "rar"}, "compress must be gzip or zstd, got 'rar'"),
        ({"compress": "gzip"}, "compress needs max_bytes and backup_count"),
        ({"compress": "gzip", "max_bytes": 5}, "compress needs max_bytes and backup_count"),
    ],
)
def test_what_can_not_be_is_refused(options: dict[str, str], message: str, log: Path) -> None:
    with pytest.raises(ValueError, match=message):
        FileStream(log, **options)


def test_zstd_compresses_where_there_is_a_library(log: Path) -> None:
    try:
        how = compression("zstd")
    except ValueError as error:
        assert "needs Python 3.14 or the package backports.zstd" in str(error)  # noqa: PT017
        assert sys.version_info < (3, 14)
        return
    assert how is not None
    stream = FileStream(log, max_bytes=10, backup_count=1, compress="ZSTD")
    stream(chunk("1234567\n"))
    stream(chunk("1234567\n"))
    stream.close()
    _finished()
    packed = log.with_name("out.log.1.zst").read_bytes()
    assert packed[:4] == b"\x28\xb5\x2f\xfd"  # RFC 8878
