"""A file for each watcher, number or process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from circus_streams import FileStream
from circus_streams.tests.samples import chunk


def _open_files(folder: Path) -> list[str]:
    links = (f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd"))
    targets = (os.readlink(link) for link in links if os.path.islink(link))
    return sorted(os.path.basename(each) for each in targets if each.startswith(f"{folder}/"))


def test_each_process_has_a_file_until_its_outputs_end(tmp_path: Path) -> None:
    stream = FileStream(tmp_path / "$(circus.watcher)-$(circus.wid).log")
    stream.open()
    assert _open_files(tmp_path) == []
    stream(chunk("one\n", 11, watcher="web", wid=1))
    stream(chunk("error\n", 11, "stderr", watcher="web", wid=1))
    stream(chunk("two\n", 12, watcher="web", wid=2))
    assert _open_files(tmp_path) == ["web-1.log", "web-2.log"]
    stream.end_of_output(11, "stdout")
    assert _open_files(tmp_path) == ["web-1.log", "web-2.log"]
    stream.end_of_output(11, "stderr")
    assert _open_files(tmp_path) == ["web-2.log"]
    stream(chunk("its successor\n", 13, watcher="web", wid=1))
    stream.close()
    assert _open_files(tmp_path) == []
    assert (tmp_path / "web-1.log").read_text() == "one\nerror\nits successor\n"
    assert (tmp_path / "web-2.log").read_text() == "two\n"


@pytest.mark.parametrize("name", ["$(circus.wid)", "((circus.wid))", "$(CIRCUS.Wid)"])
def test_both_spellings_and_any_case_will_do(name: str, tmp_path: Path) -> None:
    stream = FileStream(str(tmp_path / name))
    stream(chunk("x\n", wid=3))
    stream.close()
    assert os.listdir(tmp_path) == ["3"]


def test_a_name_leads_to_no_other_folder(tmp_path: Path) -> None:
    stream = FileStream(tmp_path / "$(circus.watcher)" / "$(circus.pid).log")
    (tmp_path / ".._up").mkdir()
    stream(chunk("x\n", watcher="../up"))
    stream.close()
    assert (tmp_path / ".._up" / "7.log").read_text() == "x\n"


def test_each_file_is_rotated_by_its_own_size(tmp_path: Path) -> None:
    stream = FileStream(tmp_path / "$(circus.wid)", max_bytes=10, backup_count=1)
    for wid in (1, 2, 2):
        stream(chunk("12345678\n", wid, wid=wid))
    stream.close()
    assert sorted(os.listdir(tmp_path)) == ["1", "2", "2.1"]


def test_all_files_are_reopened(tmp_path: Path) -> None:
    stream = FileStream(tmp_path / "$(circus.wid)")
    for wid in (1, 2):
        stream(chunk("old\n", wid, wid=wid))
        (tmp_path / str(wid)).rename(tmp_path / f"{wid}.old")
    stream.reopen()
    for wid in (1, 2):
        stream(chunk("new\n", wid, wid=wid))
        assert (tmp_path / str(wid)).read_text() == "new\n"
    stream.close()
