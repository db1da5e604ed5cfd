"""Marks, and what /proc says."""

from __future__ import annotations

import os
import sys

import pytest

from circus_core.backends.descendants import Mark, own_children, read_environ, read_stat

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def test_a_mark_names_its_backend_its_label_and_its_serial() -> None:
    token, label, serial = Mark(outer=None).value("web.2", 17).split(":")
    assert len(token) == 16
    assert (label, serial) == ("web.2", "17")


@pytest.mark.parametrize("label", ["web.1", "", "a:5", "with space", "x:1:2", "ü", "a\nb"])
def test_a_serial_is_read_back_whatever_the_label_is(label: str) -> None:
    mark = Mark(outer=None)
    environ = f"A=1\0CIRCUS_MARK={mark.value(label, 42)}\0B=2\0".encode()
    assert mark.serial_in(environ) == 42


def test_a_mark_of_another_backend_is_not_ours() -> None:
    mark = Mark(outer=None)
    assert mark.serial_in(f"CIRCUS_MARK={Mark(outer=None).value('web.1', 1)}\0".encode()) is None
    assert mark.serial_in(b"") is None
    assert mark.serial_in(b"PATH=/bin\0") is None


def test_the_mark_of_an_outer_daemon_stays_readable_for_it() -> None:
    outer = Mark(outer=None)
    middle = Mark(outer=outer.value("daemon.1", 3))
    innermost = Mark(outer=middle.value("daemon.2", 4))
    environ = f"CIRCUS_MARK={innermost.value('web.1', 5)}\0".encode()
    assert (outer.serial_in(environ), middle.serial_in(environ), innermost.serial_in(environ)) == (3, 4, 5)


def test_stat_of_this_process() -> None:
    stat = read_stat(os.getpid())
    assert stat is not None
    assert (stat.pid, stat.parent, stat.group) == (os.getpid(), os.getppid(), os.getpgrp())
    assert stat.session == os.getsid(0)
    assert not stat.is_zombie


def test_a_process_that_is_gone_has_no_stat_and_no_environment() -> None:
    pid = os.posix_spawn("/bin/true", ["true"], {"A": "1"})
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert pid in own_children()
    stat = read_stat(pid)
    assert stat is not None
    assert stat.is_zombie
    assert read_environ(pid) == b""
    os.waitpid(pid, 0)
    assert read_stat(pid) is None
    assert pid not in own_children()
