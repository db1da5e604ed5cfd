"""What streams take from pipes themselves: the same bytes as what they are called with, however they come."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from circus_streams import FileStream, JsonStream, TimedRotatingFileStream, WatchedFileStream
from circus_streams.chunks import Origin
from circus_streams.file import BaseFileStream
from circus_streams.logfile import LogFiles, OpenFiles


@dataclass
class Pipe:
    """An output of a process, from both sides."""

    pid: int
    name: str = "stdout"
    written: bytes = b""
    ends: tuple[int, int] = field(default_factory=os.pipe)

    def __post_init__(self) -> None:
        os.set_blocking(self.ends[0], False)

    @property
    def labels(self) -> dict[str, Any]:
        return {"pid": self.pid, "name": self.name, "watcher": "w", "wid": self.pid}

    def write(self, data: bytes) -> None:
        os.write(self.ends[1], data)
        self.written += data

    def into(self, stream: Any) -> int:
        """Let a stream take what there is."""
        count = 0
        with contextlib.suppress(BlockingIOError):
            while taken := stream.take(self.ends[0], self.labels):
                count += taken if isinstance(taken, int) else len(taken)
        return count

    def close(self) -> None:
        for end in self.ends:
            os.close(end)


@pytest.fixture(autouse=True)
def _own_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BaseFileStream, "files", OpenFiles())


@pytest.fixture
def pipes() -> Iterator[list[Pipe]]:
    made = [Pipe(1), Pipe(2)]
    yield made
    for each in made:
        each.close()


def finish(stream: Any, pipes: list[Pipe]) -> None:
    for each in pipes:
        each.into(stream)
        stream.end_of_output(each.pid, each.name)
    stream.close()


class TestSplicing:
    def test_a_single_output_is_moved_unseen(self, pipes: list[Pipe], tmp_path: Path) -> None:
        one, stream = pipes[0], FileStream(tmp_path / "log")
        one.write(b"a line\nand a beginn")
        assert stream.take(one.ends[0], one.labels) == 19
        assert stream.recall(one.labels, 8) == b"a beginn"
        assert (tmp_path / "log").read_bytes() == b"a line\nand a beginn"
        stream.close()

    def test_lines_of_two_processes_do_not_mix(self, pipes: list[Pipe], tmp_path: Path) -> None:
        (one, two), stream = pipes, FileStream(tmp_path / "log")
        one.write(b"first\nbegin")
        one.into(stream)
        two.write(b"other\n")
        two.into(stream)
        one.write(b"ning\n")
        finish(stream, pipes)
        assert (tmp_path / "log").read_bytes() == b"first\nother\nbeginning\n"

    def test_the_last_process_that_is_left_is_spliced_again(self, pipes: list[Pipe], tmp_path: Path) -> None:
        (one, two), stream = pipes, FileStream(tmp_path / "log")
        for each, data in ((one, b"1 beg"), (two, b"2 beg"), (one, b"in\n1 mo"), (two, b"in\n")):
            each.write(data)
            each.into(stream)
        stream.end_of_output(two.pid, two.name)
        one.write(b"re\n")
        assert stream.take(one.ends[0], one.labels) == 3
        assert (tmp_path / "log").read_bytes() == b"1 begin\n2 begin\n1 more\n"
        stream.close()

    def test_what_another_program_appends_stays(self, pipes: list[Pipe], tmp_path: Path) -> None:
        one, stream, log = pipes[0], FileStream(tmp_path / "log"), tmp_path / "log"
        for number in range(5):
            one.write(b"ours %d\n" % number)
            one.into(stream)
            with log.open("ab") as file:
                file.write(b"theirs %d\n" % number)
        lines = [line for number in range(5) for line in (b"ours %d\n" % number, b"theirs %d\n" % number)]
        assert log.read_bytes() == b"".join(lines)
        stream.close()

    @pytest.mark.parametrize("size", [10, 5000, 3_000_000])
    def test_a_file_that_is_truncated_under_it_gets_no_gap(
        self, pipes: list[Pipe], tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one, stream, log = pipes[0], FileStream(tmp_path / "log"), tmp_path / "log"
        log.write_bytes(b"x" * size)
        splice = os.splice

        def truncated(*args: Any, **options: Any) -> int:
            monkeypatch.setattr(os, "splice", splice)
            os.truncate(log, 0)
            return splice(*args, **options)

        monkeypatch.setattr(os, "splice", truncated)
        one.write(b"a line\n")
        one.into(stream)
        assert log.read_bytes() == b"a line\n"
        stream.close()

    def test_a_truncated_file_is_gone_on_with(self, pipes: list[Pipe], tmp_path: Path) -> None:
        one, stream, log = pipes[0], FileStream(tmp_path / "log"), tmp_path / "log"
        one.write(b"before\n")
        one.into(stream)
        os.truncate(log, 0)
        one.write(b"after\n")
        one.into(stream)
        assert log.read_bytes() == b"after\n"
        stream.close()

    def test_a_removed_file_is_made_anew(self, pipes: list[Pipe], tmp_path: Path) -> None:
        one, stream, log = pipes[0], FileStream(tmp_path / "log"), tmp_path / "log"
        one.write(b"before\n")
        one.into(stream)
        log.unlink()
        one.write(b"after\n")
        one.into(stream)
        assert log.read_bytes() == b"after\n"
        stream.close()

    @pytest.mark.root
    def test_what_a_full_disk_does_not_take_stays_in_the_pipe(
        self, pipes: list[Pipe], tmp_path: Path
    ) -> None:
        one, disk = pipes[0], tmp_path / "disk"
        disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(disk)], check=True)
        try:
            stream = FileStream(disk / "log")
            one.write(b"x" * 40_000 + b"\n")
            with pytest.raises(OSError, match="No space left on device") as caught:
                one.into(stream)
            assert caught.value.filename == str(disk / "log")
            subprocess.run(["mount", "-o", "remount,size=1m", str(disk)], check=True)
            one.into(stream)
            assert (disk / "log").read_bytes() == one.written
            stream.close()
        finally:
            subprocess.run(["umount", "--lazy", str(disk)], check=True)

    def test_the_first_line_of_a_rotated_file_is_whole(self, pipes: list[Pipe], tmp_path: Path) -> None:
        one, log = pipes[0], tmp_path / "log"
        stream = FileStream(log, max_bytes=300_000, backup_count=90)
        for number in range(100):
            one.write(b"%06d " % number + b"y" * 9_992 + b"\n" + b"%06d beg" % number)
            one.into(stream)
            one.write(b"in\n")
        finish(stream, pipes)
        files = [log, *(each for each in tmp_path.iterdir() if each != log)]
        assert len(files) > 3
        assert all(each.read_bytes().endswith(b"\n") and each.stat().st_size < 300_000 for each in files)
        files.sort(key=lambda each: -int(each.suffix[1:] or 0))
        assert b"".join(each.read_bytes() for each in files) == one.written

    def test_a_line_that_was_begun_waits_for_one_of_a_process_that_comes_just_then(
        self, pipes: list[Pipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (one, two), stream, other = pipes, FileStream(tmp_path / "log"), FileStream(tmp_path / "log")
        one.write(b"1 first\n")
        one.into(stream)
        two.write(b"2 first\n")
        two.into(other)
        one.write(b"1 beg")
        one.into(stream)
        other.end_of_output(two.pid, two.name)
        can_splice = LogFiles.can_splice

        def interrupted(self: LogFiles, origin: Origin) -> bool:
            monkeypatch.undo()
            answer = can_splice(self, origin)
            two.write(b"2 second\n")
            two.into(other)
            return answer

        monkeypatch.setattr(LogFiles, "can_splice", interrupted)
        one.into(stream)
        two.write(b"2 third\n")
        two.into(other)
        one.write(b"in\n")
        finish(stream, [one])
        finish(other, [two])
        assert (tmp_path / "log").read_bytes() == b"1 first\n2 first\n2 second\n2 third\n1 begin\n"

    @pytest.mark.root
    def test_a_line_that_a_full_disk_did_not_take_is_not_mixed_with_others(
        self, pipes: list[Pipe], tmp_path: Path
    ) -> None:
        (one, two), disk = pipes, tmp_path / "disk"
        disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(disk)], check=True)
        try:
            stream = FileStream(disk / "log")
            one.write(b"1 beg")
            one.into(stream)
            two.write(b"2" * 16_383 + b"\n")
            two.into(stream)  # takes the beginning out of the file again
            stream.end_of_output(two.pid, two.name)
            for each in (one, two):
                each.write(b"more\n" if each is two else b"in\n")
                with pytest.raises(OSError, match="No space left on device"):
                    each.into(stream)
            subprocess.run(["mount", "-o", "remount,size=1m", str(disk)], check=True)
            finish(stream, [two, one])
            assert (disk / "log").read_bytes() == b"2" * 16_383 + b"\nmore\n1 begin\n"
        finally:
            subprocess.run(["umount", "--lazy", str(disk)], check=True)

    def test_a_line_that_was_begun_goes_on_in_the_file_to_which_a_link_leads_now(
        self, pipes: list[Pipe], tmp_path: Path
    ) -> None:
        one, link, stream = pipes[0], tmp_path / "link", FileStream(tmp_path / "link")
        link.symlink_to("old")
        one.write(b"first\nbegin")
        one.into(stream)
        link.unlink()
        link.symlink_to("new")
        stream.reopen()
        one.write(b"ning\n")
        finish(stream, [one])
        written = (tmp_path / "old").read_bytes(), (tmp_path / "new").read_bytes()
        assert written == (b"first\n", b"beginning\n")

    def test_a_file_behind_a_link_has_one_owner_even_if_it_is_made_while_that_is_looked_up(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "real").mkdir()
        (tmp_path / "link").symlink_to("real")
        exists, files = os.path.exists, OpenFiles()

        def made_just_then(path: str) -> bool:
            answer = exists(path)
            (tmp_path / "real" / "log").touch()
            return answer

        monkeypatch.setattr(os.path, "exists", made_just_then)
        file = files.get(str(tmp_path / "link" / "log"))
        assert file is files.get(str(tmp_path / "real" / "log"))


DATA = st.one_of(
    st.binary(max_size=300), st.lists(st.sampled_from([b"\n", b"line", b"\xc3", b"\xa4"])).map(b"".join)
)
STEPS = st.lists(st.tuples(st.integers(0, 1), DATA, st.booleans()), max_size=30)


@pytest.mark.parametrize(
    ("make", "prefix"),
    [
        (lambda path: FileStream(path), b""),
        (lambda path: FileStream(path, max_bytes=500, backup_count=10_000), b""),
        (lambda path: FileStream(path, max_bytes=70_000, backup_count=10_000), b""),
        (lambda path: FileStream(path, time_format="T"), b"T [%d] | "),
        (lambda path: WatchedFileStream(path), b""),
        (lambda path: TimedRotatingFileStream(path), b""),
        (lambda path: JsonStream(path), b"json"),
    ],
    ids=["file", "tiny", "rotated", "time", "watched", "timed", "json"],
)
@given(steps=STEPS, is_reopened=st.booleans())
@example(steps=[(0, b"", False), (1, b"", True), (1, b"", True)], is_reopened=True)
@settings(max_examples=100, deadline=None)
def test_any_chunks_of_any_bytes_arrive(
    make: Any, prefix: bytes, steps: list[tuple[int, bytes, bool]], is_reopened: bool
) -> None:
    """Each process gives lines that begin with its number; the last one has its end."""
    with TemporaryDirectory() as folder:
        stream = make(Path(folder) / "log")
        pipes = [Pipe(1), Pipe(2)]
        try:
            for index, data, is_taken in steps:
                marked = data.replace(b"\n", b"\n%d" % index)
                pipes[index].write(marked if pipes[index].written else b"%d" % index + marked)
                if is_taken:
                    assert pipes[index].into(stream) <= len(pipes[index].written)
                if is_reopened:
                    stream.reopen()
            for each in pipes:
                if each.written:
                    each.write(b"\n")
            finish(stream, pipes)
        finally:
            for each in pipes:
                each.close()
        got = _content(Path(folder) / "log")
        for index, each in enumerate(pipes):
            lines = each.written.split(b"\n")[:-1]
            if prefix == b"json":
                assert got.count(b'"pid": %d, ' % each.pid) == len(lines)
            else:
                start = prefix % each.pid if prefix else b""
                mine = [line for line in got.split(b"\n") if line.startswith(start + b"%d" % index)]
                assert mine == [start + line for line in lines]


def _content(log: Path) -> bytes:
    rotated = sorted(log.parent.glob("log.*"), key=lambda each: -int(each.suffix[1:]))
    return b"".join(each.read_bytes() for each in (*rotated, log) if each.exists())
