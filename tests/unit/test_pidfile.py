"""The pid file: one decimal number and a newline."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import pytest

from circus_core.errors import CircusError
from circus_core.pidfile import PidFile


def test_it_holds_our_pid_and_can_be_read_by_all(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        PidFile(tmp_path / "pid").create()
    finally:
        os.umask(before)
    assert (tmp_path / "pid").read_text() == f"{os.getpid()}\n"
    assert stat.S_IMODE((tmp_path / "pid").stat().st_mode) == 0o644


@pytest.mark.parametrize("content", ["", "x", "0", "-1", "999999999", "9" * 40, f"{os.getpid()}", "\xff"])
def test_a_file_that_names_no_other_living_process_is_taken_over(tmp_path: Path, content: str) -> None:
    (tmp_path / "pid").write_text(content, encoding="latin-1")
    PidFile(tmp_path / "pid").create()
    assert (tmp_path / "pid").read_text() == f"{os.getpid()}\n"


def test_the_file_of_a_living_process_is_refused_and_kept(tmp_path: Path) -> None:
    parent = os.getppid()
    (tmp_path / "pid").write_text(f"{parent}\n")
    with pytest.raises(CircusError, match=re.escape(f"belongs to process {parent}, which is alive")):
        PidFile(tmp_path / "pid").create()
    assert (tmp_path / "pid").read_text() == f"{parent}\n"


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(CircusError, match=r"no/pid': no such file or directory$"):
        PidFile(tmp_path / "no" / "pid").create()


def test_only_our_own_file_is_removed(tmp_path: Path) -> None:
    pidfile = PidFile(tmp_path / "pid")
    pidfile.create()
    (tmp_path / "pid").write_text("1\n")
    pidfile.unlink()
    assert (tmp_path / "pid").exists()
    (tmp_path / "pid").write_text(f"{os.getpid()}\n")
    pidfile.unlink()
    assert not (tmp_path / "pid").exists()


def test_removing_what_is_gone_is_no_fault(tmp_path: Path) -> None:
    PidFile(tmp_path / "pid").unlink()
    PidFile(tmp_path / "no" / "pid").unlink()
