"""What a process finds when it starts: environment, identity, limits, descriptors, command line."""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.daemon import Daemon, until

Start = Callable[..., Daemon]

REPORT = """\
import json, os, resource, sys
found = {
    "argv": sys.argv[2:],
    "env": dict(os.environ),
    "cwd": os.getcwd(),
    "ids": [os.getresuid(), os.getresgid(), sorted(os.getgroups())],
    "nice": os.nice(0),
    "limits": {n: resource.getrlimit(getattr(resource, n)) for n in dir(resource) if n.startswith("RLIMIT_")},
    "fds": {n: os.readlink(f"/proc/self/fd/{n}") for n in range(3)},
    "umask": os.umask(0),
    "session": os.getsid(0) == os.getpid() == os.getpgrp(),
}
with open(sys.argv[1] + ".part", "w") as file:
    json.dump(found, file)
os.rename(sys.argv[1] + ".part", sys.argv[1])
os.execv("/bin/sleep", ["sleep", "1000"])
"""
NOBODY = 65534


class Reporter:
    """Runs a watcher whose process tells what it finds."""

    def __init__(self, folder: Path, start: Start) -> None:
        folder.chmod(0o755)
        self.script = folder / "report.py"
        self.script.write_text(REPORT)
        self.out = folder / "out"
        self.out.mkdir()
        self.out.chmod(0o777)
        self.start = start
        self.daemon: Daemon

    def __call__(self, options: str = "", more: str = "", **settings: Any) -> dict[str, Any]:
        result = self.out / "result.json"
        python = "/usr/bin/env python3" if "uid" in options else sys.executable  # one that any user may run
        sections = f"[watcher:w]\ncmd = {python} -I -S {self.script} {result}\n{options}\n{more}"
        self.daemon = self.start(sections, **settings)
        until(result.exists, self.daemon.log)
        found: dict[str, Any] = json.loads(result.read_text())
        return found


@pytest.fixture
def report(tmp_path: Path, circusd: Start) -> Reporter:
    return Reporter(tmp_path, circusd)


def test_the_environment_is_what_the_file_says_and_nothing_more(report: Reporter) -> None:
    found = report(more="[env]\nONE = 1\nboth = all\n[env:w,x]\nboth = mine\nhttp_proxy = a b\n")
    assert set(found["env"]) - {"LC_CTYPE"} == {"ONE", "both", "http_proxy", "CIRCUS_MARK"}
    assert (found["env"]["both"], found["env"]["http_proxy"]) == ("mine", "a b")


def test_copy_env_gives_the_environment_of_the_daemon(report: Reporter) -> None:
    found = report("copy_env = True\n", "[env:w]\nADDED = 1\n", env={"SECRET": " $HOME and blanks "})
    assert found["env"]["SECRET"] == " $HOME and blanks "
    assert found["env"]["ADDED"] == "1"
    assert found["env"]["PATH"] == os.environ["PATH"]


def test_each_process_leads_its_own_session_with_plain_descriptors(report: Reporter) -> None:
    found = report("close_child_stdout = True\nclose_child_stderr = False\n")
    assert found["session"]
    assert found["fds"]["0"] == found["fds"]["1"] == "/dev/null"
    assert found["fds"]["2"] == str(report.daemon.log_path)


def test_the_working_directory_and_the_words_of_the_command(report: Reporter, tmp_path: Path) -> None:
    found = report(
        f"working_dir = {tmp_path}\nargs = --slot $(circus.wid) 'two words' $(CIRCUS.ENV.REGION)\n",
        "[env:w]\nREGION = eu\n",
    )
    assert found["cwd"] == str(tmp_path)
    assert found["argv"] == ["--slot", "1", "two words", "eu"]


def test_the_umask_of_the_daemon_is_inherited(report: Reporter) -> None:
    assert report(circus={"umask": "027"})["umask"] == 0o027


def test_nice_and_limits_are_in_force(report: Reporter) -> None:
    found = report("rlimit_nofile = 77\nrlimit_core = 0\nrlimit_stack = 4194304\nnice = 5\n")
    assert found["limits"]["RLIMIT_NOFILE"] == [77, 77]
    assert found["limits"]["RLIMIT_CORE"] == [0, 0]
    assert found["limits"]["RLIMIT_STACK"] == [4194304, 4194304]
    assert found["nice"] == os.nice(0) + 5


def test_an_empty_limit_is_infinity(report: Reporter) -> None:
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    if hard != resource.RLIM_INFINITY and os.geteuid() != 0:
        pytest.skip("the hard limit can't be raised")
    assert report("rlimit_core =\n")["limits"]["RLIMIT_CORE"] == [-1, -1]


@pytest.mark.root
def test_a_user_brings_its_group(report: Reporter) -> None:
    found = report("uid = nobody\nrlimit_nofile = 77\nnice = 5\n")
    uids, gids, groups = found["ids"]
    assert set(uids) == {NOBODY}
    assert len(set(gids)) == 1
    assert gids[0] != 0
    assert 0 not in groups
    assert found["nice"] == os.nice(0) + 5


@pytest.mark.root
def test_a_user_and_a_group_by_number(report: Reporter) -> None:
    uids, gids, groups = report("uid = 65534\ngid = 1\n")["ids"]
    assert (set(uids), set(gids)) == ({NOBODY}, {1})
    assert 0 not in groups


@pytest.mark.root
def test_an_unknown_user_is_told_and_not_retried_for_ever(circusd: Start) -> None:
    daemon = circusd("[watcher:w]\ncmd = sleep 1000\nuid = nosuchuser\nautostart = False\nmax_retry = 1\n")
    w = daemon.watcher("w")
    w.do("start")
    assert w.status() == "stopped"
    assert "nosuchuser" in w.reason()


def test_a_shell_understands_pipes_and_gets_its_arguments(circusd: Start, tmp_path: Path) -> None:
    out = tmp_path / "out"
    daemon = circusd(
        "[watcher:w]\nshell = True\nshell_args = zero 'first word' second\nrespawn = False\n"
        f'cmd = echo "$0-$1-$2" | tr a-z A-Z > {out}.part; mv {out}.part {out}; exec sleep 1000\n'
    )
    until(out.exists, daemon.log)
    assert out.read_text() == "ZERO-FIRST WORD-SECOND\n"


def test_an_executable_is_run_with_the_name_of_the_command(circusd: Start) -> None:
    daemon = circusd("[watcher:w]\ncmd = fancy-name 1000\nexecutable = /bin/sleep\n")
    w = daemon.watcher("w")
    w.until("active")
    until(lambda: Path(f"/proc/{w.pid()}/cmdline").read_bytes() == b"fancy-name\x001000\0")


def test_a_missing_working_directory_is_told(circusd: Start, tmp_path: Path) -> None:
    daemon = circusd(
        f"[watcher:w]\ncmd = sleep 1000\nworking_dir = {tmp_path}/none\nautostart = False\nmax_retry = 1\n"
    )
    w = daemon.watcher("w")
    w.do("start")
    assert w.status() == "stopped"
    assert f"{tmp_path}/none" in w.reason()


def test_a_virtualenv_comes_first_in_the_path(report: Reporter, tmp_path: Path) -> None:
    root = tmp_path / "venv"
    packages = root / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    packages.mkdir(parents=True)
    (root / "bin").mkdir()
    found = report(f"copy_env = True\nvirtualenv = {root}\n")
    assert found["env"]["PATH"].split(":")[0] == str(root / "bin")
    assert found["env"]["PYTHONPATH"].split(":")[-1] == str(packages)


def test_a_refused_limit_stops_only_its_own_watcher(circusd: Start) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    daemon = circusd(
        f"[watcher:w]\ncmd = sleep 1000\npriority = 9\nrlimit_nofile = {hard * 100000}\nmax_retry = 2\n"
        "copy_env = True\n"
        "[watcher:v]\ncmd = sleep 1000\n"
    )
    daemon.watcher("v").until("active")
    w = daemon.watcher("w")
    until(lambda: w.status() == "stopped" and w.reason())
    assert "rlimit_nofile" in w.reason()


@pytest.mark.parametrize("option", ["stdout_stream", "stderr_stream"])
def test_a_stream_that_can_not_be_opened_is_told_and_delays_nobody(
    circusd: Start, tmp_path: Path, option: str
) -> None:
    daemon = circusd(
        "[watcher:w]\ncmd = sleep 1000\npriority = 9\nmax_retry = 2\n"
        f"{option}.class = FileStream\n{option}.filename = {tmp_path}/none/out.log\n"
        "[watcher:v]\ncmd = sleep 1000\n"
    )
    daemon.watcher("v").until("active")
    until(lambda: f"{tmp_path}/none" in daemon.log(), daemon.log)
    (tmp_path / "none").mkdir()
    until(lambda: "works again" in daemon.log(), daemon.log)
