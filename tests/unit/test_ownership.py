"""With endpoint_owner, clients have processes run as that user and get nothing else done."""

from __future__ import annotations

import pwd
from dataclasses import replace
from typing import Any

import pytest

from circus_core.commands import ownership
from circus_core.commands.watcher_options import _CHECKS, _FAMILIES
from circus_core.config.model import ArbiterConfig
from circus_core.errors import MessageError
from tests.controlled import FakeArbiter
from tests.unit.test_commands import carry_out

NOBODY = 65534
OWNER = pwd.getpwuid(NOBODY).pw_name


@pytest.fixture
def arbiter() -> FakeArbiter:
    """Has a watcher `sleeper` of circusd's user and a watcher `own` of the owner."""
    arbiter = FakeArbiter(ArbiterConfig(endpoint_owner=OWNER))
    carry_out("add", arbiter, name="own", cmd="x", options={"uid": OWNER})
    return arbiter


@pytest.mark.parametrize("options", [{}, {"uid": "root"}, {"uid": NOBODY}, {"uid": None}])
def test_a_new_watcher_runs_as_the_owner(arbiter: FakeArbiter, options: dict[str, Any]) -> None:
    with pytest.raises(MessageError, match=r"^uid does not match endpoint_owner$"):
        carry_out("add", arbiter, name="n", cmd="x", options=options)


@pytest.mark.parametrize("uid", ["root", 0, None, NOBODY])
@pytest.mark.parametrize("name", ["own", "sleeper"])
def test_no_watcher_becomes_another_users(arbiter: FakeArbiter, name: str, uid: object) -> None:
    with pytest.raises(MessageError, match=r"^uid does not match endpoint_owner$"):
        carry_out("set", arbiter, name=name, options={"uid": uid})


REFUSED: list[tuple[str, Any]] = [
    ("hooks", {"before_start": "os.getpid"}),
    ("hooks.before_start", "os.getpid"),
    ("stdout_stream", {"class": "FileStream", "filename": "/etc/passwd"}),
    ("stderr_stream", {"class": "x"}),
    ("stdout_stream.filename", "/etc/passwd"),
    ("stderr_stream.class", "os.system"),
    ("gid", "root"),
    ("gid", 0),
    ("rlimit_nofile", 1000),
    ("nice", -5),
    ("copy_env", True),
    ("copy_path", True),
    ("use_sockets", True),
    ("on_demand", True),
    ("stdin_socket", "web"),
    ("close_child_stdin", False),
    ("backend", "mine.Backend"),
    ("virtualenv", "/tmp/evil"),
    ("virtualenv_py_ver", "3.12"),
    ("env", {"LD_PRELOAD": "/tmp/evil.so"}),
    ("env", {"A": "1", "GCONV_PATH": "/tmp"}),
    ("env", {"ENV": "/tmp/evil"}),
    ("env", {"BASH_FUNC_read%%": "() { :; }"}),
]


@pytest.mark.parametrize(("key", "value"), REFUSED)
def test_circusd_does_nothing_but_run_the_process(arbiter: FakeArbiter, key: str, value: Any) -> None:
    wanted = rf"^'{key}' can't be set with endpoint_owner: "
    with pytest.raises(MessageError, match=wanted):
        carry_out("set", arbiter, name="own", options={key: value})
    with pytest.raises(MessageError, match=wanted):
        carry_out("add", arbiter, name="n", cmd="x", options={"uid": OWNER, key: value})


ALLOWED: list[tuple[str, Any]] = [
    ("cmd", "true"),
    ("args", ["a"]),
    ("executable", "/bin/sh"),
    ("shell", True),
    ("shell_args", "a"),
    ("working_dir", "/tmp"),
    ("env", {"PATH": "/bin", "LANG": "C"}),
    ("uid", OWNER),
    ("gid", pwd.getpwuid(NOBODY).pw_gid),
    ("gid", None),
    ("nice", 5),
    ("close_child_stdout", True),
    ("copy_env", False),
    ("use_sockets", False),
    ("stdin_socket", None),
]


@pytest.mark.parametrize(("key", "value"), ALLOWED)
def test_the_owner_changes_processes_of_its_own_and_of_nobody_else(
    arbiter: FakeArbiter, key: str, value: Any
) -> None:
    assert carry_out("set", arbiter, name="own", options={key: value}) == {}
    with pytest.raises(MessageError, match=rf"^'{key}' can't be set .*: the watcher does not run as {OWNER}"):
        carry_out("set", arbiter, name="sleeper", options={key: value})


@pytest.mark.parametrize(("key", "value"), REFUSED)
def test_nothing_of_others_is_changed(arbiter: FakeArbiter, key: str, value: Any) -> None:
    with pytest.raises(MessageError, match=rf"^'{key}' can't be set with endpoint_owner: "):
        carry_out("set", arbiter, name="sleeper", options={key: value})


@pytest.mark.parametrize(("key", "value"), [("numprocesses", 3), ("graceful_timeout", 1.5), ("max_age", 9)])
def test_the_number_of_processes_and_delays_can_be_set_everywhere(
    arbiter: FakeArbiter, key: str, value: Any
) -> None:
    for name in ("own", "sleeper"):
        assert carry_out("set", arbiter, name=name, options={key: value}) == {}


@pytest.mark.parametrize("uid", [OWNER, NOBODY, str(NOBODY)])
def test_a_watcher_of_the_owner_is_known_by_name_and_number(arbiter: FakeArbiter, uid: str | int) -> None:
    watcher = arbiter.get_watcher("sleeper")
    watcher.config = replace(watcher.config, uid=uid)
    assert carry_out("set", arbiter, name="sleeper", options={"cmd": "x"}) == {}


def test_circusd_reads_no_file_of_the_owner(arbiter: FakeArbiter) -> None:
    with pytest.raises(MessageError, match=r"^'path' can't be given with endpoint_owner"):
        carry_out("check", arbiter, path="/home/me/circus.ini")


def test_every_option_has_been_thought_about() -> None:
    thought = (
        ownership.HARMLESS | ownership.OWN | ownership.OWN_IF.keys() | ownership._CHECKS.keys() | {"uid"}
    )
    refused = {"hooks", "stdout_stream", "stderr_stream", "backend", "virtualenv", "virtualenv_py_ver"}
    assert set(_CHECKS) - thought == refused
    assert set(_FAMILIES) == {"rlimit_", "hooks.", "stdout_stream.", "stderr_stream."}
