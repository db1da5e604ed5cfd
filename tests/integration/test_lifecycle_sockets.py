"""Processes that get sockets, real servers behind them, and watchers that wait for a connection."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.integration.daemon import Daemon, free_port, is_alive, until

Start = Callable[..., Daemon]

SERVER = """\
import os, socket, sys, time
number, lives = int(sys.argv[1]), int(sys.argv[2])
listener = socket.socket(fileno=number)
listener.setblocking(True)
while lives:
    connection, _ = listener.accept()
    connection.sendall(b"%d" % os.getpid())
    connection.close()
    lives -= 1
"""


@pytest.fixture
def server(tmp_path: Path) -> Path:
    """A program that answers on a socket it inherits: server.py NUMBER LIVES; it ends after so many."""
    path = tmp_path / "server.py"
    path.write_text(SERVER)
    return path


def serving(name: str, server: Path, number: str, lives: int = -1) -> str:
    return (
        f"[watcher:{name}]\ncmd = {sys.executable} -I -S {server} {number} {lives}\n"
        "copy_env = True\nuse_sockets = True\nautostart = False\n"
    )


def ask(port: int) -> int:
    """Return the pid of who answers, 0 if nobody does."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            return int(client.recv(100) or b"0")
    except ConnectionError:
        return 0


def tcp(name: str, port: int, *more: str) -> str:
    return f"[socket:{name}]\nhost = 127.0.0.1\nport = {port}\n" + "".join(f"{line}\n" for line in more)


def test_a_socket_is_passed_by_its_number_and_stays_over_restarts(circusd: Start, server: Path) -> None:
    port = free_port()
    daemon = circusd(serving("w", server, "$(circus.sockets.Web)") + "numprocesses = 2\n" + tcp("Web", port))
    w = daemon.watcher("w")
    w.do("start")
    assert ask(port) in w.pids()
    before = w.pids()
    w.do("restart")
    assert ask(port) in set(w.pids()) - set(before)
    w.do("reload")
    assert ask(port) in w.pids()


def test_a_unix_socket_is_served_and_removed_at_the_end(circusd: Start, server: Path, tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    daemon = circusd(serving("w", server, "$(circus.sockets.web)") + f"[socket:web]\npath = {path}\n")
    w = daemon.watcher("w")
    w.do("start")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        assert int(client.recv(100)) == w.pid()
    daemon.stop()
    assert not path.exists()


def test_stdin_socket_is_descriptor_zero(circusd: Start, server: Path) -> None:
    port = free_port()
    daemon = circusd(
        serving("w", server, "0").replace("use_sockets = True\n", "stdin_socket = WEB\n") + tcp("web", port)
    )
    w = daemon.watcher("w")
    w.do("start")
    assert ask(port) == w.pid()


def test_so_reuseport_gives_each_process_a_socket_of_its_own(circusd: Start, server: Path) -> None:
    port = free_port()
    daemon = circusd(
        serving("w", server, "$(circus.sockets.web)") + "numprocesses = 3\n"
        + tcp("web", port, "so_reuseport = True")
    )  # fmt: skip
    w = daemon.watcher("w")
    w.do("start")
    until(lambda: all(str(server) in _words(pid) for pid in w.pids()))
    inodes = {os.readlink(f"/proc/{pid}/fd/{_words(pid)[-3]}") for pid in w.pids()}
    assert len(inodes) == 3
    assert ask(port) in w.pids()


def _words(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")


def _sockets(pid: int) -> set[str]:
    links = (os.readlink(f"/proc/{pid}/fd/{number}") for number in os.listdir(f"/proc/{pid}/fd"))
    return {link for link in links if link.startswith("socket:")}


def test_without_use_sockets_no_socket_is_inherited(circusd: Start) -> None:
    daemon = circusd("[watcher:w]\ncmd = sleep 1000\n" + tcp("web", free_port()))
    w = daemon.watcher("w")
    w.until("active")
    assert _sockets(w.pid()) == set()
    assert set(os.listdir(f"/proc/{w.pid()}/fd")) == {"0", "1", "2"}


# On demand


def on_demand(name: str, server: Path, lives: int = -1) -> str:
    return serving(name, server, f"$(circus.sockets.{name})", lives).replace(
        "autostart = False", "on_demand = True"
    )


def test_the_first_connection_starts_only_the_watcher_of_its_socket(circusd: Start, server: Path) -> None:
    one, two = free_port(), free_port()
    daemon = circusd(
        on_demand("one", server) + on_demand("two", server)
        + "[watcher:plain]\ncmd = sleep 1000\npriority = 9\n[watcher:halted]\ncmd = sleep 1000\n"
        + tcp("one", one) + tcp("two", two)
    )  # fmt: skip
    daemon.watcher("plain").until("active")
    daemon.watcher("halted").do("stop")
    plain = daemon.watcher("plain").pid()
    until(lambda: daemon.watcher("two").reason() == "on demand: waits for a connection")
    assert daemon.watcher("two").status() == "stopped"
    pid = ask(two)
    assert daemon.watcher("two").pids() == [pid]
    daemon.watcher("two").until("active")
    assert daemon.watcher("one").status() == "stopped"
    assert daemon.watcher("halted").status() == "stopped"
    assert daemon.watcher("plain").pid() == plain


def test_after_a_death_it_waits_for_the_next_connection(circusd: Start, server: Path) -> None:
    port = free_port()
    daemon = circusd(on_demand("one", server, lives=1) + tcp("one", port))
    one = daemon.watcher("one")
    first = ask(port)
    one.until("stopped")
    assert not is_alive(first)
    second = ask(port)
    assert second not in (0, first)


def test_its_other_processes_go_on_after_a_death_and_end_with_the_daemon(
    circusd: Start, server: Path
) -> None:
    port = free_port()
    daemon = circusd(on_demand("one", server) + "numprocesses = 2\n" + tcp("one", port))
    one = daemon.watcher("one")
    assert ask(port)
    first, second = one.until_pids(2)
    os.kill(first, signal.SIGKILL)
    daemon.events.wait("one", "reap")
    assert is_alive(second)
    assert second in one.pids()
    daemon.stop()
    assert daemon.descendants() == []


def test_a_manual_stop_keeps_it_stopped_and_a_start_has_it_wait_again(circusd: Start, server: Path) -> None:
    port = free_port()
    daemon = circusd(on_demand("one", server) + tcp("one", port))
    one = daemon.watcher("one")
    one.do("stop")
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        time.sleep(0.2)  # time in which it must not start
        assert one.status() == "stopped"
        one.do("start")
        assert int(client.recv(100)) == one.pid()
    one.do("stop")
    assert one.status() == "stopped"
    one.do("start")
    assert one.status() == "stopped"
    assert ask(port) == one.pid()


def test_a_process_that_dies_without_answering_is_not_started_in_a_spin(circusd: Start, server: Path) -> None:
    port = free_port()
    daemon = circusd(
        "[watcher:one]\ncmd = sh -c 'exit 3' $(circus.sockets.one)\nuse_sockets = True\non_demand = True\n"
        + tcp("one", port)
    )
    with socket.create_connection(("127.0.0.1", port), timeout=10):
        daemon.events.wait("one", "reap", count=3)
        time.sleep(1.5)  # how much it does in this time is the question
        spawns = len(daemon.events.all("one", "spawn"))
        usage = psutil.Process(daemon.pid).cpu_times()
        assert spawns < 12
        assert usage.user + usage.system < 3
    daemon.watcher("one").do("stop")


def test_ending_a_daemon_that_waits_for_connections_is_quick(circusd: Start, server: Path) -> None:
    daemon = circusd(on_demand("one", server) + tcp("one", free_port()))
    assert daemon.stop(deadline=15) == 0
