"""`circusd --daemon`: whoever starts it waits until it runs, or learns why it does not."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.integration.circusd_runs import CIRCUSD, Runs
from tests.integration.daemon import DEADLINE, is_alive, until

SLEEPER = "[watcher:sleeper]\ncmd = sleep 1000\n"


def pid_of(runs: Runs) -> int:
    return int((runs.folder / "pid").read_text())


def end(runs: Runs) -> None:
    pid = pid_of(runs)
    os.kill(pid, signal.SIGTERM)
    until(lambda: not is_alive(pid), "the daemon to end")
    assert runs.alive() == []
    assert not (runs.folder / "pid").exists()


def started(runs: Runs, sections: str = SLEEPER, **options: object) -> psutil.Process:
    runs.write(sections, pidfile="pid", logoutput="log", **options)
    ended = runs.run("--daemon", "circus.ini")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    return psutil.Process(pid_of(runs))


def test_when_it_returns_the_daemon_can_be_talked_to(runs: Runs) -> None:
    started(runs)
    with runs.client() as client:
        assert client.send("numwatchers")["numwatchers"] == 1
    runs.wait_for("sleeper started", runs.folder / "log")
    end(runs)


def test_the_daemon_has_a_session_of_its_own_and_no_terminal(runs: Runs) -> None:
    daemon = started(runs)
    assert os.getsid(daemon.pid) not in (os.getsid(0), daemon.pid)
    assert os.getpgid(daemon.pid) == os.getsid(daemon.pid)
    assert daemon.terminal() is None
    assert daemon.ppid() != os.getpid()
    assert f"Starting master on pid {daemon.pid}" in (runs.folder / "log").read_text()
    end(runs)


def test_folder_and_umask_stay_so_relative_paths_go_on_working(runs: Runs) -> None:
    runs.write(
        "[watcher:w]\ncmd = sh -c 'umask > umask; exec sleep 1000'\n"
        "[watcher:streamed]\ncmd = sh -c 'echo hello; exec sleep 1000'\nstdout_stream.filename = output\n",
        pidfile="pid",
        logoutput="log",
    )
    ended = runs.run("--daemon", "circus.ini", umask=0o027)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert psutil.Process(pid_of(runs)).cwd() == str(runs.folder)
    for name, text in {"umask": "0027", "output": "hello"}.items():
        runs.wait_for(text, runs.folder / name)
    end(runs)


def test_no_descriptor_of_the_caller_is_kept(runs: Runs) -> None:
    runs.write(SLEEPER, pidfile="pid", logoutput="log")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        fds = (theirs.fileno(), os.dup2(theirs.fileno(), 200))
        ended = runs.run("--daemon", "circus.ini", pass_fds=fds)
        theirs.close()
        os.close(200)
        assert ended.returncode == 0
        ours.settimeout(DEADLINE)
        assert ours.recv(1) == b"", "somebody still holds the other end"
    assert all(os.readlink(f"/proc/{pid_of(runs)}/fd/{fd}") == os.devnull for fd in (0, 1, 2))
    end(runs)


@pytest.mark.parametrize("closed", [(0,), (0, 1), (0, 1, 2)])
def test_it_starts_with_standard_streams_closed(runs: Runs, closed: tuple[int, ...]) -> None:
    runs.write(SLEEPER, pidfile="pid", logoutput="log")
    redirections = " ".join(f"{fd}>&-" for fd in closed)
    command = f"{' '.join(CIRCUSD)} --daemon circus.ini {redirections}"
    assert subprocess.run(["sh", "-c", command], cwd=runs.folder, env=runs.environ(), check=True)
    assert os.readlink(f"/proc/{pid_of(runs)}/fd/2") == os.devnull
    end(runs)


@pytest.mark.parametrize(
    ("sections", "options", "status", "what"),
    [
        (
            "[watcher:w]\ncmd = x\nnumprocesses = y\n",
            {},
            1,
            "circus.ini:9: watcher 'w': numprocesses must be",
        ),
        (SLEEPER, {"logoutput": "missing/log"}, 1, "logoutput: can't open 'missing/log'"),
        (SLEEPER, {"pidfile": "missing/pid"}, 1, "pid file 'missing/pid': no such file or directory"),
        (SLEEPER, {"endpoint": "ipc://missing/folder/ctl"}, 3, "can't use endpoint ipc://missing/folder/ctl"),
        (f"{SLEEPER}[socket:s]\npath = circus.ini\n", {}, 3, "socket 's': 'circus.ini' already exists"),
    ],
)
def test_what_goes_wrong_is_said_where_it_was_started(
    runs: Runs, sections: str, options: dict[str, str], status: int, what: str
) -> None:
    runs.write(sections, **{"pidfile": "pid", "logoutput": "log", **options})
    ended = runs.run("--daemon", "circus.ini")
    assert (ended.returncode, ended.stdout) == (status, "")
    assert ended.stderr.startswith(f"circusd: {what}"), ended.stderr
    assert not (runs.folder / "pid").exists()
    assert runs.alive() == []


def test_a_wrong_command_line_stays_in_front(runs: Runs) -> None:
    assert runs.run("--daemon").returncode == 2


def test_a_second_one_is_refused(runs: Runs) -> None:
    first = started(runs)
    ended = runs.run("--daemon", "circus.ini")
    assert ended.returncode == 1
    assert f"pid file 'pid' belongs to process {first.pid}, which is alive" in ended.stderr
    ended = runs.run("--daemon", "circus.ini", "--pidfile", "other")
    assert ended.returncode == 3
    assert "another circusd is probably running" in ended.stderr
    assert pid_of(runs) == first.pid
    assert first.is_running()
    end(runs)


def test_it_can_be_ended_as_soon_as_it_returns(runs: Runs) -> None:
    for _ in range(5):
        started(runs)
        end(runs)


def blocked(runs: Runs) -> Callable[[], None]:
    """Start it in the background with a file that is not complete; return what completes it."""
    fifo = runs.folder / "more.ini"
    os.mkfifo(fifo)
    runs.write(SLEEPER, include="more.ini", pidfile="pid", logoutput="log")
    runs.start("--daemon", "circus.ini")
    writers: list[int] = []

    def is_read() -> bool:
        try:
            writers.append(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:  # ENXIO: nobody reads
            return False
        return True

    until(is_read, "the daemon to read the pipe")
    return lambda: os.close(writers[0])


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_who_does_not_want_to_wait_any_more_gets_no_daemon(runs: Runs, signum: int) -> None:
    complete = blocked(runs)
    runs.started.send_signal(signum)
    assert runs.started.wait(DEADLINE) == -signum
    complete()
    until(lambda: not runs.alive(), "the daemon to end")
    assert runs.said() == ""
    assert "sleeper started" not in (runs.folder / "log").read_text()
    assert not (runs.folder / "pid").exists()


def test_a_daemon_that_is_ended_before_it_is_ready_is_no_success(runs: Runs) -> None:
    complete = blocked(runs)
    starter = runs.started.pid
    until(lambda: len(runs.alive()) == 2, "what has started the daemon to be gone")
    (daemon,) = [pid for pid in runs.alive() if pid != starter]
    os.kill(daemon, signal.SIGTERM)
    assert runs.started.wait(DEADLINE) == 1
    complete()
    assert runs.said() == "circusd: the daemon ended before it was ready\n"
    assert runs.alive() == []


def test_the_starter_waits_until_sockets_are_bound(runs: Runs) -> None:
    path = Path(runs.folder / "web")
    started(runs, f"{SLEEPER}[socket:web]\npath = {path}\n")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    end(runs)
