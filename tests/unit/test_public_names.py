"""The promised names exist, and nothing is imported before it is used."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil
import pytest

import circus_core
from circus_core import commands, proc_files
from tests.controlled import find_command, kernel_commands


@pytest.mark.parametrize("name", circus_core.__all__)
def test_a_promised_name_can_be_imported(name: str) -> None:
    assert getattr(circus_core, name) is not None


def test_every_promised_name_has_a_home() -> None:
    assert len(set(circus_core.__all__)) == len(circus_core.__all__)
    assert set(circus_core.__all__) == set(circus_core._HOMES)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        circus_core.nothing  # noqa: B018


def test_importing_the_package_imports_no_other_module_of_it() -> None:
    code = "import sys, circus_core; print([m for m in sys.modules if m.startswith('circus_core.')])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_the_readers_of_proc_tell_what_is_known_of_this_process() -> None:
    """All that `proc_files` promises; on Linux, where there is /proc."""
    pid = os.getpid()
    stat = dict(proc_files.all_stats())[pid]
    status = proc_files.read(f"/proc/{pid}/status")
    assert proc_files.state(stat) in b"RSD"
    assert proc_files.parent(stat) == proc_files.number(status, b"\nPPid:") == os.getppid()
    assert proc_files.number(status, b"\nNothing:") is None
    assert proc_files.command(pid, stat) == psutil.Process().cmdline()[0].rpartition("/")[2]
    assert proc_files.name_of("nginx: worker process") == "nginx:"
    assert proc_files.read("/proc/0/stat") == b""
    assert not proc_files.is_hidden(pid)
    assert not proc_files.is_hidden(10**10)


@pytest.mark.parametrize("name", commands.__all__)
def test_a_promised_name_of_the_commands_can_be_imported(name: str) -> None:
    assert getattr(commands, name) is not None


def test_every_command_and_what_it_answers_is_promised() -> None:
    found = {type(find_command(name)) for name in kernel_commands()}
    wanted = {command.__name__ for command in found} | {command.result.__name__ for command in found}
    assert wanted <= set(commands.__all__)
    assert set(commands.__all__) == set(commands._HOMES)


def test_importing_the_commands_imports_none_of_them() -> None:
    code = (
        "import sys, circus_core.commands as c; "
        "print([module for module in sys.modules if module.startswith(c.__name__ + '.')])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
