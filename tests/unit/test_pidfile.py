"""The pid file: one decimal number and a newline."""

from __future__ import annotations

import os
import re
import stat
import subprocess
from pathlib import Path

import pytest

from circus_core.cli.pidfile import PidFile
from circus_core.errors import CircusError


def test_it_holds_our_pid_and_can_be_read_by_all(tmp_path: Path) -> None:
    pidfile = PidFile(tmp_path / "pid")
    before = os.umask(0o077)
    try:
        pidfile.create()
    finally:
        os.umask(before)
    assert (tmp_path / "pid").read_text() == f"{os.getpid()}\n"
    assert stat.S_IMODE((tmp_path / "pid").stat().st_mode) == 0o644
    pidfile.unlink()


@pytest.mark.parametrize("content", ["", "x", "0", "-1", "999999999", "9" * 40, "{own}", "\xff"])
def test_a_file_that_names_no_other_living_process_is_taken_over(tmp_path: Path, content: str) -> None:
    (tmp_path / "pid").write_text(content.format(own=os.getpid()), encoding="latin-1")
    pidfile = PidFile(tmp_path / "pid")
    pidfile.create()
    assert (tmp_path / "pid").read_text() == f"{os.getpid()}\n"
    pidfile.unlink()


def test_the_file_of_a_living_process_is_refused_and_kept(tmp_path: Path) -> None:
    parent = os.getppid()
    (tmp_path / "pid").write_text(f"{parent}\n")
    with pytest.raises(CircusError, match=re.escape(f"belongs to process {parent}, which is alive")):
        PidFile(tmp_path / "pid").create()
    assert (tmp_path / "pid").read_text() == f"{parent}\n"


def test_a_process_that_has_ended_holds_nothing_though_its_parent_has_not_looked(tmp_path: Path) -> None:
    with subprocess.Popen(["true"]) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        (tmp_path / "pid").write_text(f"{ended.pid}\n")
        pidfile = PidFile(tmp_path / "pid")
        assert pidfile.holder() is None
        pidfile.create()
        pidfile.unlink()


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


def test_of_two_that_start_at_once_one_is_refused(tmp_path: Path) -> None:
    first = PidFile(tmp_path / "pid")
    first.create()
    (tmp_path / "pid").write_text("")  # as if the first had not yet written
    with pytest.raises(CircusError, match=r"belongs to process \?, which is alive"):
        PidFile(tmp_path / "pid").create()
    first.unlink()
    again = PidFile(tmp_path / "pid")
    again.create()
    again.unlink()


def test_a_refused_one_keeps_no_descriptor(tmp_path: Path) -> None:
    (tmp_path / "pid").write_text(f"{os.getppid()}\n")
    before = len(os.listdir("/dev/fd"))
    for _ in range(3):
        with pytest.raises(CircusError):
            PidFile(tmp_path / "pid").create()
    assert len(os.listdir("/dev/fd")) == before


def test_what_is_no_file_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(CircusError, match=r"^pid file '/dev/null': invalid argument$"):
        PidFile("/dev/null").create()
    with pytest.raises(CircusError, match="is a directory"):
        PidFile(tmp_path).create()


def test_it_can_hold_the_pid_of_another_process(tmp_path: Path) -> None:
    pidfile = PidFile(tmp_path / "pid")
    pidfile.create(os.getppid())
    assert pidfile.holder() == os.getppid()
    pidfile.unlink()
    assert not (tmp_path / "pid").exists()
