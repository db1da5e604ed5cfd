"""FileStream without a daemon: bytes, lines, prefixes, rotation, sharing, full disks."""

import contextlib
import errno
import os
import subprocess
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circus_streams import FileStream

TIME = datetime(2026, 1, 2, 3, 4, 5)


def _chunk(data: bytes | str, pid: int = 7, name: str = "stdout", **more: object) -> dict[str, Any]:
    return {"data": data, "pid": pid, "name": name, **more}


def _rotated(path: Path) -> list[bytes]:
    """Return the contents of the rotated files and of the file, oldest first."""
    numbers = sorted((int(each.suffix[1:]) for each in path.parent.glob(f"{path.name}.*")), reverse=True)
    return [path.with_name(f"{path.name}.{number}").read_bytes() for number in numbers] + [path.read_bytes()]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "out.log"


class TestContent:
    def test_lines_are_there_as_soon_as_they_are_complete(self, log: Path) -> None:
        stream = FileStream(log)
        stream(_chunk(b"one\ntwo\nthr"))
        assert log.read_bytes() == b"one\ntwo\n"
        stream(_chunk(b"ee\n"))
        assert log.read_bytes() == b"one\ntwo\nthree\n"
        stream.close()

    def test_bytes_stay_bytes_whatever_they_are(self, log: Path) -> None:
        stream = FileStream(log)
        euro = "€".encode()
        for piece in (euro[:1], euro[1:], b"\xff\x00\r\n", "ä\n"):
            stream(_chunk(piece))
        stream.close()
        assert log.read_bytes() == euro + b"\xff\x00\r\n" + "ä\n".encode()

    def test_unfinished_lines_of_several_processes_do_not_mix(self, log: Path) -> None:
        stream = FileStream(log)
        stream(_chunk(b"from 1", pid=1))
        stream(_chunk(b"from 2\n", pid=2))
        stream(_chunk(b"error of 1\n", pid=1, name="stderr"))
        stream(_chunk(b" whole\n", pid=1))
        stream.close()
        assert log.read_bytes() == b"from 2\nerror of 1\nfrom 1 whole\n"

    def test_an_unfinished_line_is_written_when_its_process_ends(self, log: Path) -> None:
        stream = FileStream(log)
        stream(_chunk(b"last words", pid=1))
        stream(_chunk(b"still", pid=2))
        stream.end_of_output(1, "stdout")
        stream.end_of_output(3, "stdout")
        assert log.read_bytes() == b"last words"
        stream.close()
        assert log.read_bytes() == b"last wordsstill"

    def test_a_line_without_end_is_not_kept_for_ever(self, log: Path) -> None:
        stream = FileStream(log)
        stream(_chunk(b"x" * 100_000))
        assert log.stat().st_size == 100_000
        stream.close()

    def test_the_file_is_appended_to(self, log: Path) -> None:
        log.write_bytes(b"before\n")
        stream = FileStream(log)
        stream(_chunk(b"after\n"))
        stream.close()
        stream(_chunk(b"again\n"))
        stream.close()
        stream.close()
        assert log.read_bytes() == b"before\nafter\nagain\n"

    @given(
        chunks=st.lists(
            st.binary(max_size=40) | st.lists(st.sampled_from([b"a", b"\n"])).map(b"".join), max_size=40
        ),
        limit=st.sampled_from([0, 1, 7, 30, 200]),
    )
    def test_no_chunking_and_no_rotation_changes_the_content(
        self, chunks: list[bytes], limit: int, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        log = tmp_path_factory.mktemp("rotated") / "out.log"
        stream = FileStream(log, max_bytes=limit, backup_count=5000)
        stream.open()
        for data in chunks:
            stream(_chunk(data))
        stream.close()
        files = _rotated(log)
        assert b"".join(files) == b"".join(chunks)
        if limit:
            assert all(each.endswith(b"\n") for each in files[:-1])
            assert all(len(each) < limit or each.count(b"\n", 0, -1) == 0 for each in files)


class TestPrefix:
    @pytest.fixture
    def stream(self, log: Path) -> Iterator[FileStream]:
        class Fixed(FileStream):
            now = staticmethod(lambda: TIME)

        stream = Fixed(log, time_format="%H:%M:%S")
        yield stream
        stream.close()

    def test_each_line_gets_it_once_and_newlines_stay_as_they_are(
        self, stream: FileStream, log: Path
    ) -> None:
        stream(_chunk("1\n2\n\n\n3"))
        stream(_chunk("3\n\n"))
        stream.close()
        p = "03:04:05 [7] | "
        assert log.read_text() == f"{p}1\n{p}2\n{p}\n{p}\n{p}33\n{p}\n"

    def test_the_time_of_the_chunk_is_preferred(self, stream: FileStream, log: Path) -> None:
        stream(_chunk("x\n", timestamp=datetime(2020, 1, 1, 12, 0, 0).timestamp()))
        assert log.read_text() == "12:00:00 [7] | x\n"

    def test_a_line_cut_by_the_end_is_ended(self, stream: FileStream, log: Path) -> None:
        stream(_chunk("cut", pid=1))
        stream.end_of_output(1, "stdout")
        stream(_chunk("next\n", pid=2))
        assert log.read_text() == "03:04:05 [1] | cut\n03:04:05 [2] | next\n"

    def test_a_very_long_line_gets_one_prefix(self, stream: FileStream, log: Path) -> None:
        for _ in range(3):
            stream(_chunk(b"x" * 70_000))
        stream(_chunk(b"y\nz\n"))
        p = b"03:04:05 [7] | "
        assert log.read_bytes() == p + b"x" * 210_000 + b"y\n" + p + b"z\n"


class TestRotation:
    def test_files_move_up_and_the_oldest_goes(self, log: Path) -> None:
        stream = FileStream(log, max_bytes=10, backup_count=2)
        for number in range(1, 6):
            stream(_chunk(f"line {number}\n"))
        stream.close()
        assert _rotated(log) == [b"line 3\n", b"line 4\n", b"line 5\n"]

    def test_without_backups_the_file_begins_anew(self, log: Path) -> None:
        stream = FileStream(log, max_bytes="20", backup_count="0")
        for number in range(1, 6):
            stream(_chunk(f"line {number}\n"))
        stream.close()
        assert log.read_bytes() == b"line 5\n"
        assert os.listdir(log.parent) == [log.name]

    def test_one_large_chunk_is_spread_over_files_at_line_ends(self, log: Path) -> None:
        lines = [b"%06d\n" % number for number in range(10_000)]
        stream = FileStream(log, max_bytes="10K", backup_count=100)
        stream(_chunk(b"".join(lines)))
        stream.close()
        files = _rotated(log)
        assert b"".join(files) == b"".join(lines)
        assert all(each.endswith(b"\n") and len(each) < 10 * 1024 for each in files)
        assert len(files) == 7

    def test_a_line_longer_than_the_limit_has_a_file_of_its_own(self, log: Path) -> None:
        stream = FileStream(log, max_bytes=10, backup_count=9)
        stream(_chunk(b"a\n" + b"x" * 50 + b"\nb\n"))
        stream.close()
        assert _rotated(log) == [b"a\n", b"x" * 50 + b"\n", b"b\n"]

    def test_a_line_that_came_in_pieces_is_not_torn(self, log: Path) -> None:
        stream = FileStream(log, max_bytes=200_000, backup_count=9)
        stream(_chunk(b"a" * 100_000 + b"\n"))
        stream(_chunk(b"b" * 90_000))
        stream(_chunk(b"b" * 30_000 + b"\n"))
        stream.close()
        assert all(each.endswith(b"\n") for each in _rotated(log))

    def test_an_existing_file_counts(self, log: Path) -> None:
        log.write_bytes(b"x" * 95 + b"\n")
        stream = FileStream(log, max_bytes=100, backup_count=1)
        stream(_chunk("more\n"))
        stream.close()
        assert _rotated(log) == [b"x" * 95 + b"\n", b"more\n"]

    @pytest.mark.parametrize(
        ("text", "size"), [("10", 10), ("10M", 10 << 20), ("10MB", 10 << 20), ("1 kib", 1 << 10), (5, 5)]
    )
    def test_sizes_have_suffixes(self, text: str | int, size: int, log: Path) -> None:
        stream = FileStream(log, max_bytes=text, backup_count=1)
        stream(_chunk(b"x" * (size - 1) + b"\n"))
        stream(_chunk(b"y\n"))
        stream.close()
        assert [len(each) for each in _rotated(log)] == [size, 2]

    @pytest.mark.parametrize("text", ["ten", "-1", "1X", "1.5M"])
    def test_other_sizes_are_refused_with_the_way_out(self, text: str, log: Path) -> None:
        with pytest.raises(ValueError, match=rf"max_bytes must be .*, got '{text}'; write 10MB"):
            FileStream(log, max_bytes=text)

    def test_a_device_is_not_rotated(self) -> None:
        stream = FileStream("/dev/null", max_bytes=10, backup_count=3)
        for _ in range(5):
            stream(_chunk(b"x" * 20 + b"\n"))
        stream.close()
        assert not Path("/dev/null.1").exists()


class TestSharing:
    @pytest.mark.parametrize("linked", [False, True])
    def test_two_streams_of_one_file_share_one_rotation(self, log: Path, linked: bool) -> None:
        other = log
        if linked:
            other = log.with_name("link.log")
            other.symlink_to(log)
        streams = (
            FileStream(log, max_bytes=1000, backup_count=500),
            FileStream(other, max_bytes=1000, backup_count=500),
        )
        threads = [
            threading.Thread(
                target=lambda stream, mark: [stream(_chunk(f"{mark} {n:05d}\n")) for n in range(2000)],
                args=(stream, mark),
            )
            for stream, mark in zip(streams, "ab", strict=True)
        ]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        for stream in streams:
            stream.close()
        other.unlink() if linked else None
        files = _rotated(log)
        lines = b"".join(files).decode().splitlines()
        assert [line for line in lines if line[0] == "a"] == [f"a {n:05d}" for n in range(2000)]
        assert [line for line in lines if line[0] == "b"] == [f"b {n:05d}" for n in range(2000)]
        assert all(each.endswith(b"\n") for each in files)

    def test_the_file_stays_open_until_the_last_stream_closes(self, log: Path) -> None:
        before = len(os.listdir("/proc/self/fd"))
        first, second = FileStream(log), FileStream(log)
        first.open()
        second.open()
        assert len(os.listdir("/proc/self/fd")) == before + 1
        first.close()
        second(_chunk("still\n"))
        assert len(os.listdir("/proc/self/fd")) == before + 1
        second.close()
        assert len(os.listdir("/proc/self/fd")) == before
        assert log.read_text() == "still\n"

    def test_a_file_nobody_uses_is_forgotten(self, tmp_path: Path) -> None:
        before = len(FileStream.files._files)
        for number in range(5):
            stream = FileStream(tmp_path / f"{number}.log")
            stream.open()
            stream.close()
        del stream
        assert len(FileStream.files._files) == before


class TestTrouble:
    def test_a_filename_is_needed(self) -> None:
        with pytest.raises(ValueError, match="filename is missing"):
            FileStream()

    def test_unknown_options_are_ignored(self, log: Path) -> None:
        FileStream(log, refresh_time="0.3", whatever=1).close()

    def test_nothing_is_opened_before_the_start(self, log: Path) -> None:
        FileStream(log)
        assert not log.exists()

    def test_a_missing_folder_is_named_and_may_come_later(self, tmp_path: Path) -> None:
        log = tmp_path / "none" / "out.log"
        stream = FileStream(log)
        with pytest.raises(FileNotFoundError, match=r"none/out\.log"):
            stream.open()
        chunk = _chunk("kept\n")
        with pytest.raises(FileNotFoundError, match=r"none/out\.log"):
            stream(chunk)
        log.parent.mkdir()
        stream(chunk)
        stream.close()
        assert log.read_text() == "kept\n"

    def test_reopen_follows_a_renamed_file(self, log: Path) -> None:
        stream, other = FileStream(log), FileStream(log)
        stream(_chunk("old\nunfin"))
        other(_chunk("other\n"))
        log.rename(log.with_suffix(".moved"))
        stream.reopen()
        stream(_chunk("ished\n"))
        other.reopen()
        other(_chunk("new\n"))
        stream.close()
        other.close()
        assert log.with_suffix(".moved").read_text() == "old\nother\n"
        assert log.read_text() == "unfinished\nnew\n"

    def test_the_descriptor_is_appending_and_not_inherited(self, log: Path) -> None:
        stream = FileStream(log)
        stream.open()
        descriptor = next(
            int(fd) for fd in os.listdir("/proc/self/fd") if _points_to(f"/proc/self/fd/{fd}", str(log))
        )
        flags = next(
            int(line.split()[1], 8)
            for line in Path(f"/proc/self/fdinfo/{descriptor}").read_text().splitlines()
            if line.startswith("flags")
        )
        assert flags & os.O_APPEND
        assert not os.get_inheritable(descriptor)
        stream.close()

    @pytest.mark.root
    def test_a_full_disk_loses_doubles_and_tears_nothing(self, tmp_path: Path) -> None:
        chunks = {
            mark: [
                _chunk("".join(f"{mark} {number:03d} {n:03d} {'.' * 40}\n" for n in range(50)))
                for number in range(60)
            ]
            for mark in "ab"
        }
        with _small_disk(tmp_path):
            log = tmp_path / "out.log"
            first, second = FileStream(log, time_format="%H"), FileStream(log)
            errors = [
                error
                for pair in zip(chunks["a"], chunks["b"], strict=True)
                for stream, chunk in zip((first, second), pair, strict=True)
                for error in _offer(stream, chunk, tmp_path)
            ]
            first.close()
            second.close()
            lines = [line.partition("| ")[2] or line for line in log.read_text().splitlines()]
        assert {(error.errno, error.filename) for error in errors} == {(errno.ENOSPC, str(log))}
        for mark in "ab":
            expected = "".join(chunk["data"] for chunk in chunks[mark]).splitlines()
            assert [line for line in lines if line.startswith(mark)] == expected
        assert len(lines) == 6000


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[None]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(
            ["umount", "--lazy", str(folder)], check=True
        )  # also when a test fails with files open


def _offer(stream: FileStream, chunk: dict[str, Any], disk: Path) -> list[OSError]:
    """Offer a chunk until it is taken, with a larger disk from the fourth time on; return the refusals."""
    errors: list[OSError] = []
    while True:
        try:
            stream(chunk)
        except OSError as error:
            errors.append(error)
        else:
            return errors
        if len(errors) == 3:
            subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)


def _points_to(link: str, target: str) -> bool:
    try:
        return os.readlink(link) == target
    except OSError:
        return False
