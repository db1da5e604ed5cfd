"""What a command finds when it starts: environment, descriptors, limits, niceness, identity."""

from __future__ import annotations

import json
import os
import pwd
import resource
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from circus_core.errors import SpawnError

from .backend_runs import blocking_backend, output_of, request

NOBODY = 65534
LOOK = (
    "import json, os, resource, signal, sys; print(json.dumps(dict("
    "argv0=open('/proc/self/cmdline').read().split(chr(0))[0], sid=os.getsid(0), pid=os.getpid(),"
    " ids=[os.getresuid(), os.getresgid(), sorted(os.getgroups())], nice=os.nice(0),"
    " nofile=resource.getrlimit(resource.RLIMIT_NOFILE), core=resource.getrlimit(resource.RLIMIT_CORE),"
    " fds=sorted(int(f) for f in os.listdir('/proc/self/fd') if os.path.exists('/proc/self/fd/' + f)),"
    " stdin=os.readlink('/proc/self/fd/0'), cwd=os.getcwd(),"
    " env=dict(e.split('=', 1) for e in open('/proc/self/environ').read().split(chr(0)) if e),"
    " ignored=[l.split()[1] for l in open('/proc/self/status') if l.startswith('SigIgn')][0])))"
)
PROGRAM = (sys.executable, "-I", "-S", "-c", LOOK)

root = pytest.mark.root


def _looked(*argv: str, **options: Any) -> dict[str, Any]:
    code, text = output_of(*(argv or PROGRAM), **options)
    assert code == 0, text
    found: dict[str, Any] = json.loads(text)
    return found


def _env_without_mark(found: dict[str, Any]) -> dict[str, str]:
    env = dict(found["env"])
    assert env.pop("CIRCUS_MARK")
    env.pop("LC_CTYPE", None)  # the looking Python's own doing: PEP 538
    return env


def test_a_process_leads_its_session_and_has_three_descriptors() -> None:
    found = _looked()
    assert found["sid"] == found["pid"]
    assert found["fds"] == [0, 1, 2]
    assert found["stdin"] == "/dev/null"


def test_the_environment_is_the_request_and_the_mark_and_nothing_else() -> None:
    wanted = {"PATH": os.defpath, "A": "ü = 1", "with.dot": "2"}
    found = _looked(env=wanted)
    assert _env_without_mark(found) == wanted
    token, label, serial = found["env"]["CIRCUS_MARK"].split(":")
    assert (len(token), label, serial) == (16, "test.1", "1")


@pytest.mark.parametrize(
    "extra",
    [{}, {"PWD": "/elsewhere", "OLDPWD": "/x", "SHLVL": "7", "_": "y"}, {"with.dot": "x", "IFS": "a"}],
    ids=["plain", "what shells set", "what shells drop"],
)
@pytest.mark.parametrize("nofile", [12, 99], ids=["shim", "gate"])
def test_limits_do_not_change_the_environment(extra: dict[str, str], nofile: int) -> None:
    wanted = {"PATH": os.environ["PATH"], **extra}
    assert _env_without_mark(_looked(env=wanted, rlimits={"nofile": nofile})) == wanted


def test_a_stack_limit_is_never_lost() -> None:
    for _ in range(10):
        code, text = output_of("sh", "-c", "ulimit -s; ulimit -Hs", rlimits={"stack": 1 << 20})
        assert (code, text) == (0, "1024\n1024\n")


@pytest.mark.parametrize("nofile", [12, 4096], ids=["shim", "gate"])
def test_limits_and_niceness_are_in_force_at_the_first_instruction(nofile: int) -> None:
    found = _looked(rlimits={"nofile": nofile, "core": 0}, nice=7)
    assert found["nofile"] == [nofile, nofile]
    assert found["core"] == [0, 0]
    assert found["nice"] == 7
    assert found["fds"] == [0, 1, 2]
    assert found["stdin"] == "/dev/null"
    assert found["sid"] == found["pid"]


@pytest.mark.parametrize("stdin", [subprocess.DEVNULL, None], ids=["gate", "shim"])
def test_infinite_nofile_falls_back_to_the_hard_limit(stdin: int | None) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert _looked(rlimits={"nofile": None}, stdin=stdin)["nofile"] == [hard, hard]


def test_a_gated_command_with_its_own_stdin_gets_it_through_the_shim() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(b"hello\n")
        code, text = output_of(
            "sh", "-c", "read x; echo $x; ulimit -c", stdin=theirs.fileno(), rlimits={"core": 0}
        )
    assert (code, text) == (0, "hello\n0\n")


@pytest.mark.parametrize("options", [{}, {"rlimits": {"core": 0}}], ids=["direct", "shim"])
def test_executable_is_run_under_the_name_of_the_first_word(options: dict[str, Any]) -> None:
    found = _looked("some-name", *PROGRAM[1:], executable=sys.executable, **options)
    assert found["argv0"] == "some-name"


def test_a_gated_command_keeps_its_first_word() -> None:
    env = {"PATH": os.path.dirname(sys.executable)}
    found = _looked(os.path.basename(sys.executable), *PROGRAM[1:], env=env, rlimits={"core": 0})
    assert found["argv0"] == os.path.basename(sys.executable)


@pytest.mark.parametrize("options", [{}, {"rlimits": {"core": 0}}, {"rlimits": {"nofile": 12}}])
def test_signals_that_python_ignores_are_not_ignored(options: dict[str, Any]) -> None:
    code, text = output_of("sh", "-c", "grep SigIgn /proc/$$/status", **options)
    ignored = int(text.split()[1], 16)
    assert code == 0
    for signum in (signal.SIGPIPE, signal.SIGXFSZ):
        assert not ignored & (1 << (signum - 1))


@pytest.mark.parametrize("options", [{}, {"rlimits": {"core": 0}}, {"rlimits": {"nofile": 12}}])
def test_passed_descriptors_keep_their_number_and_no_other_one_leaks(options: dict[str, Any]) -> None:
    with socket.socket() as passed, socket.socket() as other:
        other.set_inheritable(True)
        found = _looked(pass_fds=(passed.fileno(),), **options)
        assert found["fds"] == sorted([0, 1, 2, passed.fileno()])


def test_sockets_are_handed_over_as_sd_listen_fds_wants() -> None:
    with socket.socket() as web, socket.socket() as api:
        web.bind(("127.0.0.1", 0))
        api.bind(("127.0.0.1", 0))
        ports = [web.getsockname()[1], api.getsockname()[1]]
        look = (
            "import json, os, socket; print(json.dumps(["
            " os.environ['LISTEN_FDNAMES'], os.environ['LISTEN_FDS'],"
            " os.environ['LISTEN_PID'] == str(os.getpid()),"
            " [socket.socket(fileno=os.dup(fd)).getsockname()[1] for fd in (3, 4)],"
            " sorted(int(f) for f in os.listdir('/proc/self/fd') if os.path.exists('/proc/self/fd/' + f))]))"
        )
        code, text = output_of(
            sys.executable, "-c", look, listen_fds=(("web", web.fileno()), ("api", api.fileno()))
        )
    assert code == 0, text
    assert json.loads(text) == ["web:api", "2", True, ports, [0, 1, 2, 3, 4]]


def test_sockets_may_already_be_at_each_others_places() -> None:
    script = (
        "import os, socket, subprocess, sys\n"
        "from tests.integration.backend_runs import output_of\n"
        "a, b = socket.socket(), socket.socket(socket.AF_UNIX)\n"
        "assert (a.fileno(), b.fileno()) == (3, 4)\n"
        "look = 'import socket; print([socket.socket(fileno=f).family.name for f in (3, 4)])'\n"
        "sockets = (('b', 4), ('a', 3))\n"
        "print(output_of(sys.executable, '-W', 'ignore', '-c', look, listen_fds=sockets)[1], end='')\n"
    )
    top = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=top, capture_output=True, text=True, check=False
    )
    assert done.stdout == "['AF_UNIX', 'AF_INET']\n", done.stderr


@root
class TestIdentity:
    """Only root can change it. Each way of starting does the same."""

    WAYS: tuple[dict[str, Any], ...] = ({}, {"rlimits": {"core": 0}}, {"rlimits": {"nofile": 15}})

    @pytest.mark.parametrize("options", WAYS)
    def test_a_user_gets_the_primary_group_and_the_supplementary_ones(self, options: dict[str, Any]) -> None:
        group = pwd.getpwuid(NOBODY).pw_gid
        groups = set(os.getgrouplist("nobody", group))
        assert _identity(uid=NOBODY, **options) == ({NOBODY}, {group}, groups)

    @pytest.mark.parametrize("options", WAYS)
    def test_a_group_with_a_user_replaces_the_primary_one(self, options: dict[str, Any]) -> None:
        assert _identity(uid=NOBODY, gid=12, **options)[:2] == ({NOBODY}, {12})

    @pytest.mark.parametrize("options", WAYS)
    def test_a_group_alone_keeps_the_supplementary_ones(self, options: dict[str, Any]) -> None:
        assert _identity(gid=12, **options) == ({0}, {12}, set(os.getgroups()))

    @pytest.mark.parametrize("options", WAYS)
    def test_a_user_not_in_the_database_has_no_supplementary_groups(self, options: dict[str, Any]) -> None:
        assert _identity(uid=65531, gid=65530, **options) == ({65531}, {65530}, set())

    def test_the_own_user_is_no_change(self) -> None:
        assert _identity(uid=0, gid=0) == ({0}, {0}, set(os.getgroups()))

    @pytest.mark.parametrize("nofile", [15, 100])
    def test_limits_and_niceness_are_set_with_the_rights_of_root(self, nofile: int) -> None:
        script = "ulimit -n; nice; id -u"
        code, text = output_of("sh", "-c", script, uid=NOBODY, nice=-3, rlimits={"nofile": nofile})
        assert (code, text.split()) == (0, [str(nofile), "-3", str(NOBODY)])

    def test_an_unknown_user_without_a_group_is_refused(self) -> None:
        with blocking_backend() as made, pytest.raises(SpawnError, match="uid 65531 is no known user"):
            made.spawn(request("true", uid=65531), None)


def _identity(**options: Any) -> tuple[set[int], ...]:
    """All users, all groups (real, effective, saved, of files) and the supplementary groups."""
    code, text = output_of("sh", "-c", "grep -E '^(Uid|Gid|Groups):' /proc/$$/status", **options)
    assert code == 0, text
    return tuple({int(number) for number in line.split()[1:]} for line in text.splitlines())


@pytest.mark.parametrize(
    ("argv", "options", "reason"),
    [
        (("no-such-program",), {}, "no such program 'no-such-program' in PATH"),
        (("/no/such/program",), {}, "no such program '/no/such/program'"),
        (("",), {}, "the command is empty"),
        ((), {}, "the command is empty"),
        (("a\0b",), {}, "null byte"),
        (("true", "a\0b"), {}, "null byte"),
        (("/etc/passwd",), {}, "'/etc/passwd' is not executable"),
        (("/etc",), {}, "'/etc' is a directory"),
        (("true",), {"working_dir": "/no/such/dir"}, "working_dir '/no/such/dir' does not exist"),
        (("true",), {"working_dir": "/etc/passwd"}, "working_dir '/etc/passwd' is not a directory"),
        (("true",), {"env": {"PATH": os.defpath, "a=b": "c"}}, "illegal environment variable name"),
        (("true",), {"rlimits": {"nosuch": 1}}, "rlimit_nosuch is unknown here; there are: "),
        (("true",), {"executable": "no-such"}, "no such program 'no-such'"),
        (("true", "x" * 3_000_000), {}, "too long"),
    ],
)
def test_what_can_not_start_is_told_before_anything_runs(
    argv: tuple[str, ...], options: dict[str, Any], reason: str
) -> None:
    with blocking_backend() as made, pytest.raises(SpawnError, match=reason) as caught:
        made.spawn(request(*argv, **options), None)
    assert not caught.value.shortage
    _assert_no_children()


def test_a_script_without_its_interpreter_is_told(tmp_path: Path) -> None:
    script = tmp_path / "run"
    script.write_text("#!/no/such/python\n")
    script.chmod(0o755)
    with blocking_backend() as made, pytest.raises(SpawnError, match="interpreter '/no/such/python'"):
        made.spawn(request(str(script)), None)


def test_a_file_that_is_no_program_is_told(tmp_path: Path) -> None:
    script = tmp_path / "run"
    script.write_text("hello\n")
    script.chmod(0o755)
    with blocking_backend() as made, pytest.raises(SpawnError, match="does its first line lack #!"):
        made.spawn(request(str(script)), None)


def test_a_relative_program_is_found_from_the_working_dir(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "run"
    script.write_text("#!/bin/sh\npwd\n")
    script.chmod(0o755)
    for options in ({}, {"rlimits": {"core": 0}}):
        assert output_of("bin/run", working_dir=str(tmp_path), **options) == (0, f"{tmp_path}\n")
    env = {"PATH": f"bin:{os.defpath}"}
    assert output_of("run", working_dir=str(tmp_path), env=env) == (0, f"{tmp_path}\n")


def test_path_of_the_request_counts_and_not_the_own_one(tmp_path: Path) -> None:
    with (
        blocking_backend() as made,
        pytest.raises(SpawnError, match=f"no such program 'true' in PATH '{tmp_path}'"),
    ):
        made.spawn(request("true", env={"PATH": str(tmp_path)}), None)
    assert output_of("true", env={}) == (0, "")
    assert output_of("true", env={}, rlimits={"core": 0}) == (0, "")


def test_a_limit_that_is_refused_is_named_with_its_value_and_the_hard_limit() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with open("/proc/sys/fs/nr_open") as nr_open:
        too_many = int(nr_open.read()) + 1
    with blocking_backend() as made:
        with pytest.raises(
            SpawnError, match=f"rlimit_nofile {too_many} is refused: .*; the hard limit.* is {hard}"
        ):
            made.spawn(request("true", rlimits={"nofile": too_many}), None)
        with pytest.raises(SpawnError, match="rlimit_core must be >= 0 or infinity, got -5"):
            made.spawn(request("true", rlimits={"core": -5}), None)
    _assert_no_children()


def test_the_shim_reports_what_it_can_not_do_as_a_shell_would() -> None:
    with open("/proc/sys/fs/nr_open") as nr_open:
        too_many = int(nr_open.read()) + 1
    code, text = output_of("true", rlimits={"nofile": too_many}, stdin=None)
    assert code == 126
    assert text.startswith(f"circus: cannot set limits: rlimit_nofile {too_many}: ")
    assert text.count("\n") == 1


def _assert_no_children() -> None:
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
