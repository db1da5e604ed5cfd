"""What keeps circusd from starting: said in lines for people on standard error, with a status for scripts."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.integration.circusd_runs import Runs
from tests.integration.daemon import DEADLINE, free_port, until

SLEEPER = "[watcher:sleeper]\ncmd = sleep 1000\n"
ONE_OF_ALL = """\
[watcher:web]
cmd = sleep 1000
numprocesses = many
stdout_stream.class = FileStreem
backend = lokal
hooks.before_start = no_such_module.f
[watcher:other]
cmd = sleep 1000
stderr_stream.class = os.path
hooks.after_start = os.path
[plugin:watch]
use = flippity
[plugin:mine]
use = no_such_module.Plugin
[plugin:off]
use = not_installed_here
active = False
"""


def complaints(stderr: str) -> list[str]:
    """Return the lines for people; anything else but the log is not for them."""
    assert "Traceback" not in stderr, stderr
    lines = [line for line in stderr.splitlines() if not re.match(r"[\d-]+ [\d:]+ circus\[\d+\] ", line)]
    assert all(line.startswith("circusd: ") for line in lines), stderr
    return [line.removeprefix("circusd: ") for line in lines]


# -- the command line ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "what"),
    [
        ([], "name a configuration file"),
        (["--bogus", "circus.ini"], "unrecognized arguments: --bogus"),
        (["circus.ini", "other.ini"], "unrecognized arguments: other.ini"),
        (["--log-level", "loud", "circus.ini"], "invalid choice: 'loud'"),
        (["--pidfile"], "expected one argument"),
        (["--json", "circus.ini"], "--json goes with --check only"),
    ],
)
def test_a_wrong_command_line_shows_the_usage_and_is_status_2(runs: Runs, args: list[str], what: str) -> None:
    ended = runs.run(*args)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("usage: circusd ")
    assert f"circusd: error: {what}" in ended.stderr or what in ended.stderr.splitlines()[-1]


def test_the_version_is_one_word(runs: Runs) -> None:
    ended = runs.run("--version")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, version("circus-core") + "\n", "")


def test_the_help_has_every_exit_status(runs: Runs) -> None:
    ended = runs.run("--help")
    assert ended.returncode == 0
    assert re.findall(r"^  (\d)  ", ended.stdout, re.MULTILINE) == ["0", "1", "2", "3"]


# -- status 1 --------------------------------------------------------------------------------------


def test_a_missing_file_is_said_in_one_line(runs: Runs) -> None:
    ended = runs.run("nowhere.ini")
    assert ended.returncode == 1
    assert complaints(ended.stderr) == ["nowhere.ini: the configuration file does not exist"]


def test_a_folder_is_no_file(runs: Runs) -> None:
    ended = runs.run(runs.folder)
    assert ended.returncode == 1
    assert complaints(ended.stderr) == [f"{runs.folder}: can't be read: is a directory"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_the_right_to_read_it_is_refused(runs: Runs) -> None:
    runs.write(SLEEPER).chmod(0)
    ended = runs.run(runs.ini)
    assert ended.returncode == 1
    assert complaints(ended.stderr) == [f"{runs.ini}: can't be read: permission denied"]


def test_a_file_that_is_no_ini_file_is_refused_with_every_line(runs: Runs) -> None:
    runs.ini.write_text("[circus\nwhat is this\n")
    ended = runs.run("circus.ini")
    assert ended.returncode == 1
    assert [line.partition(" ")[0] for line in complaints(ended.stderr)] == ["circus.ini:1:", "circus.ini:2:"]


def test_everything_that_is_wrong_is_said_at_once_and_nothing_starts(runs: Runs) -> None:
    runs.write(ONE_OF_ALL, umask="9", pidfile="pid")
    ended = runs.run("circus.ini")
    assert ended.returncode == 1
    lines = [re.sub(r"^circus\.ini:\d+: ", "", line) for line in complaints(ended.stderr)]
    assert [re.match(r"(\S+ '\w+'|\[circus\]): (\S+)", line).group(0) for line in lines] == [  # type: ignore[union-attr]
        "[circus]: umask",
        "watcher 'web': numprocesses",
        "watcher 'web': stdout_stream.class:",
        "watcher 'web': backend:",
        "watcher 'web': hooks.before_start:",
        "watcher 'other': stderr_stream.class:",
        "watcher 'other': hooks.after_start:",
        "plugin 'watch': use:",
        "plugin 'mine': use:",
    ]
    assert not (runs.folder / "pid").exists()
    assert runs.alive() == []


def test_a_check_has_the_same_problems_as_a_start(runs: Runs) -> None:
    runs.write(ONE_OF_ALL)
    started = complaints(runs.run("circus.ini").stderr)
    checked = runs.run("--check", "circus.ini")
    assert checked.returncode == 1
    assert checked.stdout.splitlines() == [*started, "circus.ini: 8 errors"]
    document = json.loads(runs.run("--check", "--json", "circus.ini").stdout)
    assert [(p["option"], p["value"]) for p in document["problems"]] == [
        ("numprocesses", "many"),
        ("stdout_stream.class", "FileStreem"),
        ("backend", "lokal"),
        ("hooks.before_start", "no_such_module.f"),
        ("stderr_stream.class", "os.path"),
        ("hooks.after_start", "os.path"),
        ("use", "flippity"),
        ("use", "no_such_module.Plugin"),
    ]


def install_broken_hook_plugin(runs: Runs) -> None:
    info = runs.folder / "site" / "circus_broken-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: circus-broken\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[circus]\nbroken = broken_hooks\n")
    (runs.folder / "site" / "broken_hooks.py").write_text("import no_such_module\n")
    runs.env["PYTHONPATH"] = str(runs.folder / "site")


BROKEN = "plugin 'broken' of circus-broken 1.2 failed to load: No module named 'no_such_module'"


def test_a_hook_plugin_that_fails_is_named_with_its_distribution(runs: Runs) -> None:
    install_broken_hook_plugin(runs)
    ended = runs.run(runs.write(SLEEPER))
    assert (ended.returncode, complaints(ended.stderr)) == (1, [BROKEN])


def test_a_check_tells_of_it_as_of_any_problem(runs: Runs) -> None:
    install_broken_hook_plugin(runs)
    ended = runs.run("--check", "--json", runs.write(SLEEPER))
    assert (ended.returncode, ended.stderr) == (1, "")
    assert [problem["message"] for problem in json.loads(ended.stdout)["problems"]] == [BROKEN]


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"logoutput": "missing/log"}, "logoutput: can't open 'missing/log': no such file or directory"),
        ({"loggerconfig": "missing.json"}, "loggerconfig: can't read 'missing.json': "),
        ({"pidfile": "missing/pid"}, "pid file 'missing/pid': no such file or directory"),
        ({"endpoint_owner": "no-such-user"}, "endpoint_owner must be the name of a user, got 'no-such-user'"),
    ],
)
def test_what_the_daemon_itself_needs_must_be_there(runs: Runs, options: dict[str, str], what: str) -> None:
    ended = runs.run(runs.write(SLEEPER, **options))
    (line,) = complaints(ended.stderr)
    assert (ended.returncode, what in line) == (1, True), line


def test_a_broken_logger_configuration_is_named(runs: Runs) -> None:
    (runs.folder / "log.json").write_text('{"version": 1, "root": {"handlers": ["nobody"]}}')
    ended = runs.run(runs.write(SLEEPER), "--logger-config", "log.json")
    (line,) = complaints(ended.stderr)
    assert ended.returncode == 1
    assert line.startswith("loggerconfig: log.json: Unable to configure root logger: ")


def test_the_pid_file_of_a_living_process_is_respected(runs: Runs) -> None:
    pidfile = runs.folder / "pid"
    pidfile.write_text(f"{os.getpid()}\n")
    ended = runs.run(runs.write(SLEEPER), "--pidfile", "pid")
    assert ended.returncode == 1
    assert complaints(ended.stderr) == [
        f"pid file 'pid' belongs to process {os.getpid()}, which is alive; stop it first"
    ]
    assert pidfile.read_text() == f"{os.getpid()}\n"


def test_an_error_goes_to_standard_error_and_to_the_log(runs: Runs) -> None:
    ended = runs.run(runs.write(SLEEPER, logoutput="log", pidfile="missing/pid"))
    assert ended.returncode == 1
    assert complaints(ended.stderr) == ["pid file 'missing/pid': no such file or directory"]
    assert "[ERROR] pid file 'missing/pid': no such file or directory" in (runs.folder / "log").read_text()


def test_without_descriptors_it_says_so(runs: Runs) -> None:
    ended = runs.run(runs.write(SLEEPER), preexec_fn=_few_descriptors)
    assert ended.returncode in (1, 3)
    assert "too many open files" in complaints(ended.stderr)[-1]


def _few_descriptors() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_NOFILE, (8, 8))


# -- status 3 --------------------------------------------------------------------------------------


def test_a_second_daemon_finds_the_endpoint_taken(runs: Runs) -> None:
    runs.write(SLEEPER)
    runs.start(runs.ini)
    runs.wait_for("sleeper started")
    ended = runs.run(runs.ini)
    assert ended.returncode == 3
    assert complaints(ended.stderr) == [
        f"another circusd is probably running on {runs.endpoint} (address already in use); "
        f"ask it with 'circusctl --endpoint {runs.endpoint} status' or give another endpoint"
    ]
    assert len(runs.alive()) == 2
    end(runs)


def test_a_tcp_endpoint_that_is_taken_is_status_3_too(runs: Runs) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        endpoint = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        ended = runs.run(runs.write(SLEEPER, endpoint=endpoint))
    assert ended.returncode == 3
    assert endpoint in complaints(ended.stderr)[0]
    assert runs.alive() == []


def test_only_the_last_folder_of_an_endpoint_is_made(runs: Runs) -> None:
    ended = runs.run(runs.write(SLEEPER, endpoint=f"ipc://{runs.folder}/missing/too/ctl"))
    assert ended.returncode == 3
    assert complaints(ended.stderr) == [
        f"can't use endpoint ipc://{runs.folder}/missing/too/ctl: no such file or directory; "
        "make the folder first"
    ]


def test_a_port_that_is_taken_is_named_with_its_socket(runs: Runs) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = runs.run(runs.write(f"{SLEEPER}[socket:web]\nport = {port}\n"))
    assert ended.returncode == 3
    assert complaints(ended.stderr) == [
        f"socket 'web': 127.0.0.1:{port}: address already in use; "
        "stop the program that uses it or choose another port"
    ]


def test_a_file_in_the_way_of_a_unix_socket_is_kept(runs: Runs) -> None:
    path = runs.folder / "web.sock"
    path.write_text("precious")
    ended = runs.run(runs.write(f"{SLEEPER}[socket:web]\npath = {path}\n", pidfile="pid"))
    assert ended.returncode == 3
    assert complaints(ended.stderr) == [
        f"socket 'web': {str(path)!r} already exists; set replace = True if only circus uses it"
    ]
    assert path.read_text() == "precious"
    assert not (runs.folder / "pid").exists()


# -- a start that succeeds -------------------------------------------------------------------------


def end(runs: Runs) -> None:
    """End what runs and see that it ended well."""
    runs.started.send_signal(signal.SIGTERM)
    assert runs.started.wait(DEADLINE) == 0, runs.said()
    assert runs.alive() == []


def test_scripts_find_the_lines_of_0_19_in_the_log(runs: Runs) -> None:
    runs.write(f"{SLEEPER}[socket:web]\nport = {free_port()}\n")
    process = runs.start(runs.ini)
    runs.wait_for("sleeper started")
    end(runs)
    lines = runs.said().splitlines()
    form = re.compile(rf"\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d circus\[{process.pid}\] \[INFO\] (.*)")
    assert [form.fullmatch(line).group(1) for line in lines] == [  # type: ignore[union-attr]
        "Registering signals...",
        f"Starting master on pid {process.pid}",
        "sockets started",
        "Arbiter now waiting for commands",
        "sleeper started",
        "Got signal SIG_TERM",
        "Arbiter exiting",
        "sleeper stopped",
    ]


def test_the_pid_file_is_there_while_it_runs_and_readable_for_all(runs: Runs) -> None:
    runs.write(SLEEPER, pidfile="pid", umask="077")
    process = runs.start("circus.ini")
    runs.wait_for("sleeper started")
    pidfile = runs.folder / "pid"
    assert pidfile.read_text() == f"{process.pid}\n"
    assert stat.S_IMODE(pidfile.stat().st_mode) == 0o644
    end(runs)
    assert not pidfile.exists()


@pytest.mark.parametrize("content", ["", "garbage", "999999999999", "-1", "0"])
def test_a_stale_pid_file_is_taken_over(runs: Runs, content: str) -> None:
    (runs.folder / "pid").write_text(content)
    process = runs.start(runs.write(SLEEPER), "--pidfile", "pid")
    runs.wait_for("sleeper started")
    assert (runs.folder / "pid").read_text() == f"{process.pid}\n"
    end(runs)


def test_the_command_line_wins_over_the_file_also_for_plugins(runs: Runs) -> None:
    runs.write(
        f"{SLEEPER}[plugin:flap]\nuse = flapping\n",
        loglevel="critical",
        logoutput="no/such",
        pidfile="no/such",
    )
    runs.start(
        *(
            runs.ini,
            "--log-level",
            "DEBUG",
            "--log-output",
            "log",
            "--pidfile",
            "pid",
            "--logger-config",
            "default",
        )
    )
    log = runs.folder / "log"
    runs.wait_for("plugin:flap started", log)
    assert (runs.folder / "pid").exists()
    with runs.client() as client:
        (pid,) = client.send("list", name="plugin:flap")["pids"]
    cmdline = Path(f"/proc/{pid}/cmdline")
    until(cmdline.read_bytes)  # within execve(2) there is none for a moment
    words = cmdline.read_bytes().split(b"\0")
    assert words[words.index(b"--log-level") + 1] == b"debug"
    assert words[words.index(b"--log-output") + 1] == b"log"
    end(runs)
    assert runs.said() == ""


def test_the_umask_of_the_file_is_that_of_processes_and_of_unix_sockets(runs: Runs) -> None:
    umask = runs.folder / "umask"
    runs.write(
        f"[watcher:w]\ncmd = sh -c 'umask > {umask}; exec sleep 1000'\n"
        f"[socket:plain]\npath = {runs.folder}/plain\n[socket:own]\npath = {runs.folder}/own\numask = 0\n",
        umask="027",
        logoutput="log",
    )
    runs.start(runs.ini, umask=0o002)
    until(lambda: umask.exists() and umask.read_text())
    assert umask.read_text() == "0027\n"
    assert stat.S_IMODE((runs.folder / "plain").stat().st_mode) == 0o750
    assert stat.S_IMODE((runs.folder / "own").stat().st_mode) == 0o777
    assert stat.S_IMODE((runs.folder / "log").stat().st_mode) == 0o664  # opened before, as in 0.19
    end(runs)


def test_without_a_umask_that_of_the_caller_is_kept(runs: Runs) -> None:
    umask = runs.folder / "umask"
    runs.start(runs.write(f"[watcher:w]\ncmd = sh -c 'umask > {umask}; exec sleep 1000'\n"), umask=0o013)
    until(lambda: umask.exists() and umask.read_text())
    assert umask.read_text() == "0013\n"
    end(runs)


def test_leak_debugging_can_be_turned_on(runs: Runs) -> None:
    runs.write(SLEEPER, debug_gc="True")
    runs.start(runs.ini)
    runs.wait_for("sleeper started")
    end(runs)
    assert "Traceback" not in runs.said()


def test_doubts_are_warnings_and_no_hindrance(runs: Runs) -> None:
    runs.start(runs.write(SLEEPER + "numproceses = 2\n"))
    runs.wait_for("sleeper started")
    end(runs)
    assert re.search(
        r"\[WARNING\] .*/circus\.ini:7: watcher 'sleeper': numproceses is not an option", runs.said()
    )
