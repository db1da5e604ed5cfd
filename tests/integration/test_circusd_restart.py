"""`restart` without a name: the same process, everything else made anew from the file - or nothing at all."""

from __future__ import annotations

import os
import signal
import socket
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from circus_core.errors import RefusedError
from tests.integration.circusd_runs import Runs
from tests.integration.daemon import DEADLINE, free_port, until

SLEEPER = "[watcher:sleeper]\ncmd = sleep 1000\n"


def start(runs: Runs, sections: str = SLEEPER, **options: object) -> int:
    """Start it with a log and a pid file; return its pid."""
    runs.write(sections, **{"logoutput": "log", "pidfile": "pid", **options})
    process = runs.start("circus.ini")
    runs.wait_for("sleeper started", runs.folder / "log")
    return process.pid


def end(runs: Runs) -> None:
    runs.started.terminate()
    assert runs.started.wait(DEADLINE) == 0, runs.said()
    assert runs.alive() == []
    assert "Traceback" not in runs.said()


def ask(runs: Runs, command: str, **properties: Any) -> dict[str, Any]:
    """Ask on a connection of its own; between two arbiters that waits."""
    with runs.client() as client:
        return client.send(command, **properties)


def refused(runs: Runs) -> str:
    with runs.client() as client, pytest.raises(RefusedError) as caught:
        client.send("restart", waiting=False)
    return str(caught.value)


def restart(runs: Runs, text: str = "sleeper started", path: str = "log") -> None:
    """Restart and wait until the log has `text` once more often than before."""
    log = runs.folder / path
    before = log.read_text().count(text) if log.exists() else 0
    ask(runs, "restart")
    until(
        lambda: log.exists() and log.read_text().count(text) > before, lambda: runs.said() + log.read_text()
    )


def test_the_process_and_its_pid_file_stay_and_the_rest_is_new(runs: Runs) -> None:
    port = free_port()
    pid = start(runs, f"{SLEEPER}[socket:web]\nport = {port}\n")
    inode = (runs.folder / "pid").stat().st_ino
    before = ask(runs, "list", name="sleeper")["pids"]
    restart(runs)
    assert ask(runs, "list", name="sleeper")["pids"] != before
    assert len(runs.alive()) == 2
    assert (runs.folder / "pid").read_text() == f"{pid}\n"
    assert (runs.folder / "pid").stat().st_ino == inode
    with socket.create_connection(("127.0.0.1", port)):
        pass
    assert (runs.folder / "log").read_text().count(f"Starting master on pid {pid}") == 2
    end(runs)


def test_the_daemon_answers_while_its_file_is_read(runs: Runs) -> None:
    start(runs)
    path = runs.folder / "circus.ini"
    text = path.read_text()
    path.unlink()
    os.mkfifo(path)  # read until somebody has written to it
    with runs.client() as client, ThreadPoolExecutor() as pool:
        restarted = pool.submit(ask, runs, "restart")
        with path.open("w") as pipe:  # waits until it is being read
            assert client.send("status", name="sleeper")["status"] == "active"
            pipe.write(text)
        assert restarted.result(DEADLINE)["status"] == "ok"
    log = runs.folder / "log"
    until(lambda: log.read_text().count("sleeper started") == 2, lambda: runs.said() + log.read_text())
    end(runs)


def test_the_file_is_read_again_and_what_was_set_since_is_forgotten(runs: Runs) -> None:
    old, new = free_port(), free_port()
    start(runs, f"{SLEEPER}numprocesses = 2\n[socket:web]\nport = {old}\n")
    with runs.client() as client:
        client.send("incr", name="sleeper", nb=3, waiting=True)
        client.send("add", name="extra", cmd="sleep 1000", start=True, waiting=True)
    runs.write(
        f"{SLEEPER}[watcher:second]\ncmd = sleep 1000\n[socket:web]\nport = {new}\n",
        logoutput="log",
        pidfile="pid",
    )
    restart(runs, "second started")
    assert ask(runs, "list")["watchers"] == ["second", "sleeper"]
    assert ask(runs, "numprocesses", name="sleeper")["numprocesses"] == 1
    with socket.create_connection(("127.0.0.1", new)):
        pass
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", old))
    end(runs)


def test_it_can_be_done_again_and_again(runs: Runs) -> None:
    pid = start(runs)
    descriptors = len(os.listdir(f"/proc/{pid}/fd"))
    for _ in range(5):
        restart(runs)
    until(lambda: len(os.listdir(f"/proc/{pid}/fd")) <= descriptors)
    assert len(runs.alive()) == 2
    end(runs)


@pytest.mark.parametrize(
    ("sections", "options", "reason"),
    [
        (
            "[watcher:sleeper]\nnumprocesses = x\n",
            {},
            "circus.ini:8: watcher 'sleeper': numprocesses must be",
        ),
        ("[watcher\n", {}, "not a section header"),
        (f"{SLEEPER}hooks.before_start = no_such_module.f\n", {}, "there is no module 'no_such_module'"),
        (f"{SLEEPER}stdout_stream.class = FileStream\n", {}, "stdout_stream.filename is missing"),
        (SLEEPER, {"logoutput": "missing/log"}, "logoutput: can't open 'missing/log'"),
        (SLEEPER, {"loggerconfig": "log.json"}, "loggerconfig: log.json: Unable to configure"),
        (SLEEPER, {"pidfile": "missing/pid"}, "pid file 'missing/pid': no such file or directory"),
        (SLEEPER, {"pidfile": "taken"}, "pid file 'taken' belongs to process {own}, which is alive"),
    ],
)
def test_a_file_that_can_not_be_used_is_refused_and_nothing_is_lost(
    runs: Runs, sections: str, options: dict[str, str], reason: str
) -> None:
    start(runs)
    (runs.folder / "taken").write_text(f"{os.getpid()}\n")
    (runs.folder / "log.json").write_text('{"version": 1, "root": {"handlers": ["nobody"]}}')
    before = runs.alive()
    runs.write(sections, **{"logoutput": "log", "pidfile": "pid", **options})
    assert reason.format(own=os.getpid()) in refused(runs)
    assert runs.alive() == before
    assert (runs.folder / "pid").exists()
    with runs.client() as client:
        assert client.send("status")["statuses"] == {"sleeper": "active"}
    runs.started.send_signal(signal.SIGUSR1)
    runs.wait_for("Got signal SIG_USR1", runs.folder / "log")  # it still logs where it did
    runs.write(SLEEPER, logoutput="log", pidfile="pid")
    restart(runs)
    end(runs)


def test_a_missing_file_is_refused_too(runs: Runs) -> None:
    start(runs)
    runs.ini.unlink()
    assert refused(runs) == "circus.ini: the configuration file does not exist"
    end(runs)


def test_what_was_read_when_it_was_asked_for_counts(runs: Runs) -> None:
    stubborn = f"{SLEEPER}[watcher:stubborn]\ncmd = sh -c 'trap \"\" TERM; : > ready; exec sleep 1000'\n"
    start(runs, f"{stubborn}graceful_timeout = 1\n")
    until((runs.folder / "ready").exists)
    ask(runs, "restart")
    runs.ini.write_text("broken while everything stops")
    until(lambda: (runs.folder / "log").read_text().count("stubborn started") == 2)
    end(runs)


@pytest.mark.parametrize("kind", ["socket", "endpoint"])
def test_an_address_that_is_taken_brings_back_what_ran_before(runs: Runs, kind: str) -> None:
    pid = start(runs)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        if kind == "socket":
            runs.write(f"{SLEEPER}[socket:web]\nport = {port}\n", logoutput="other", pidfile="other.pid")
        else:
            runs.write(
                SLEEPER, logoutput="other", pidfile="other.pid", pubsub_endpoint=f"tcp://127.0.0.1:{port}"
            )
        restart(runs)
    assert str(port) in (runs.folder / "other").read_text()
    assert "going on with the configuration of before" in (runs.folder / "other").read_text()
    assert (runs.folder / "pid").read_text() == f"{pid}\n"
    assert not (runs.folder / "other.pid").exists()
    assert ask(runs, "status")["statuses"] == {"sleeper": "active"}
    assert len(runs.alive()) == 2
    end(runs)


def test_log_pid_file_and_umask_are_those_of_the_new_file(runs: Runs) -> None:
    worker = "[watcher:sleeper]\ncmd = sh -c 'umask > umask; exec sleep 1000'\n"
    pid = start(runs, worker, umask="077")
    runs.wait_for("0077", runs.folder / "umask")
    runs.write(worker, logoutput="log2", pidfile="pid2", umask="027", loglevel="debug")
    restart(runs, path="log2")
    runs.wait_for("0027", runs.folder / "umask")
    assert not (runs.folder / "pid").exists()
    assert (runs.folder / "pid2").read_text() == f"{pid}\n"
    assert stat.S_IMODE((runs.folder / "pid2").stat().st_mode) == 0o644
    assert "Starting master" not in (runs.folder / "log").read_text().split("sleeper started", 1)[1]
    end(runs)
    assert not (runs.folder / "pid2").exists()


def test_without_a_umask_that_of_the_caller_is_back(runs: Runs) -> None:
    worker = "[watcher:sleeper]\ncmd = sh -c 'umask > umask; exec sleep 1000'\n"
    runs.write(worker, logoutput="log", umask="077")
    runs.start("circus.ini", umask=0o013)
    runs.wait_for("0077", runs.folder / "umask")
    runs.write(worker, logoutput="log")
    restart(runs)
    runs.wait_for("0013", runs.folder / "umask")
    end(runs)


def test_the_command_line_still_wins(runs: Runs) -> None:
    runs.write(SLEEPER, logoutput="unused", pidfile="unused")
    runs.start("circus.ini", "--log-output", "log", "--pidfile", "pid")
    runs.wait_for("sleeper started", runs.folder / "log")
    restart(runs)
    assert not Path(runs.folder / "unused").exists()
    end(runs)
