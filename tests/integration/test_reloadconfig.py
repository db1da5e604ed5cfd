"""`reloadconfig` with a real circusd: what changed is done, what did not change is not touched."""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from circus_core.clients.client import CircusClient
from circus_core.errors import CallError, RefusedError
from tests.integration.daemon import DEADLINE, Daemon, free_port, is_alive, until
from tests.load import Load, ask

Start = Callable[..., Daemon]

BASE = "[watcher:keeper]\ncmd = sleep 5000\n"

# Answers HTTP requests on a descriptor; ends by SIGTERM after the answer it is busy with.
SERVER = textwrap.dedent(
    """
    import os, select, signal, socket, sys

    listener = socket.socket(fileno=int(sys.argv[1]))
    listener.setblocking(False)
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    signal.set_wakeup_fd(tell)
    signal.signal(signal.SIGTERM, lambda *_: None)
    while told not in select.select([listener, told], [], [])[0]:
        try:
            client, _ = listener.accept()
        except BlockingIOError:
            continue
        client.setblocking(True)
        asked = b""
        while b"\\r\\n\\r\\n" not in asked and (part := client.recv(65536)):
            asked += part
        body = os.environ.get("TEXT", "").encode()
        head = f"HTTP/1.1 200 OK\\r\\nX-Worker-Pid: {os.getpid()}\\r\\nContent-Length: {len(body)}\\r\\n"
        client.sendall(head.encode() + b"Connection: close\\r\\n\\r\\n" + body)
        client.close()
    """
)

# Sends back what a client sends, as long as it stays.
ECHO = textwrap.dedent(
    """
    import socket, sys, threading

    def serve(client):
        with client:
            while data := client.recv(1000):
                client.sendall(data)

    listener = socket.socket(fileno=int(sys.argv[1]))
    listener.setblocking(True)
    while True:
        threading.Thread(target=serve, args=[listener.accept()[0]], daemon=True).start()
    """
)


def server(port: int, *, name: str = "web", more: str = "", script: str = "server.py") -> str:
    """A watcher that serves the socket `front`, and that socket."""
    return (
        f"[watcher:{name}]\ncmd = {sys.executable} {script} $(circus.sockets.front)\n"
        f"use_sockets = True\ncopy_env = True\n{more}\n[socket:front]\nhost = 127.0.0.1\nport = {port}\n"
    )


def reload(d: Daemon, sections: str) -> list[str]:
    """Write the file, have it put in force and return what was done."""
    d.write_ini(sections)
    return steps(d.call("reloadconfig", waiting=True))


def steps(reply: dict[str, object]) -> list[str]:
    plan = reply["plan"]
    assert isinstance(plan, dict)
    return [step["text"] for part in ("circus", "sockets", "watchers") for step in plan[part]]


def refused(d: Daemon, sections: str, **properties: object) -> str:
    """Write a file that is not put in force; returns the reason."""
    d.write_ini(sections)
    with pytest.raises(RefusedError) as caught:
        d.call("reloadconfig", **properties)
    return str(caught.value)


def set_circus(d: Daemon, **options: object) -> None:
    """Add options to [circus] of the file as it is."""
    lines = "".join(f"{name} = {value}\n" for name, value in options.items())
    d.ini.write_text(d.ini.read_text().replace("[circus]\n", f"[circus]\n{lines}", 1))


def commands(d: Daemon, name: str) -> list[bytes]:
    """Return the command lines of the processes of a watcher; one may end at any moment."""
    return [line for pid in d.watcher(name).pids() if (line := command_line(pid))]


def command_line(pid: int) -> bytes:
    """Return the words of a process, nothing if it has ended; within execve(2) it has none for a moment."""
    path, found = Path(f"/proc/{pid}/cmdline"), b""
    with suppress(FileNotFoundError, ProcessLookupError):
        while is_alive(pid) and not found:
            found = path.read_bytes()
    return found


def environ(pid: int) -> set[bytes]:
    return set(Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"))


def listener(d: Daemon, name: str = "front") -> tuple[int, str]:
    """Return descriptor and kernel's name of a socket of the daemon."""
    (fd,) = (each["fd"] for each in d.call("listsockets")["sockets"] if each["name"] == name)
    return fd, os.readlink(f"/proc/{d.pid}/fd/{fd}")


def put(d: Daemon, **scripts: str) -> None:
    """Write Python programs into the folder of the daemon."""
    for name, text in scripts.items():
        (d.folder / f"{name}.py").write_text(text)


# -- watchers --------------------------------------------------------------------------------------


def test_a_file_that_did_not_change_touches_nothing(circusd: Start) -> None:
    sections = f"{BASE}autostart = False\n"
    d = circusd(sections)
    keeper = d.watcher("keeper")
    keeper.do("start")
    pids = keeper.pids()
    assert reload(d, sections) == []
    assert keeper.pids() == pids
    d.call("set", name="keeper", options={"max_retry": 9})
    d.events.wait("keeper", "updated")
    assert d.events.actions("keeper") == ["spawn", "start", "updated"]


def test_another_number_starts_or_stops_the_difference_and_back_again(circusd: Start) -> None:
    d = circusd(f"{BASE}numprocesses = 2")
    keeper = d.watcher("keeper")
    first = keeper.until_pids(2)
    assert reload(d, f"{BASE}numprocesses = 4") == ["watcher 'keeper': numprocesses 2 -> 4"]
    more = keeper.pids()
    assert more[:2] == first
    assert len(more) == 4
    assert reload(d, f"{BASE}numprocesses = 2") == ["watcher 'keeper': numprocesses 4 -> 2"]
    assert keeper.pids() == more[2:]  # the oldest go, as with decr


def test_another_environment_replaces_the_processes_of_that_watcher_alone(circusd: Start) -> None:
    other = "[watcher:other]\ncmd = sleep 6000\nnumprocesses = 2\n"
    d = circusd(BASE + other)
    kept, old = d.watcher("keeper").pids(), d.watcher("other").until_pids(2)
    done = reload(d, f"{BASE}{other}[env:other]\nCOLOUR = blue\n")
    assert done == ["watcher 'other': env: its processes are replaced"]
    new = d.watcher("other").pids()
    assert d.watcher("keeper").pids() == kept
    assert len(new) == 2
    assert not set(new) & set(old)
    until(lambda: all(b"COLOUR=blue" in environ(pid) for pid in new))
    d.events.wait("other", "updated")
    d.events.wait("other", "reload")
    assert d.watcher("other").status() == "active"


def test_an_option_that_applies_at_once_replaces_nothing(circusd: Start) -> None:
    d = circusd(BASE)
    keeper = d.watcher("keeper")
    pids = keeper.pids()
    done = reload(d, f"{BASE}graceful_timeout = 7\nstop_signal = INT\npriority = 5\nshop.colour = red\n")
    assert done == ["watcher 'keeper': graceful_timeout, priority, shop.colour, stop_signal: applied at once"]
    assert keeper.pids() == pids
    options = d.call("options", name="keeper")["options"]
    assert (options["graceful_timeout"], options["stop_signal"], options["shop.colour"]) == (7, 2, "red")


def test_an_age_that_is_over_counts_for_those_that_run(circusd: Start) -> None:
    d = circusd(BASE)
    (old,) = d.watcher("keeper").pids()
    reload(d, f"{BASE}max_age = 1\nmax_age_variance = 0\n")
    until(lambda: not is_alive(old))


def test_sections_that_come_and_go(circusd: Start) -> None:
    d = circusd(f"{BASE}[watcher:old]\ncmd = sleep 6000\n")
    kept, old = d.watcher("keeper").pids(), d.watcher("old").pid()
    new = "[watcher:new]\ncmd = sleep 7000\n[watcher:lazy]\ncmd = sleep 8000\nautostart = False\n"
    assert reload(d, BASE + new) == [
        "watcher 'lazy': added, not started: autostart is off",
        "watcher 'new': added, it is started",
        "watcher 'old': removed, it is stopped",
    ]
    assert d.call("status")["statuses"] == {
        "keeper": "active",
        "lazy": "stopped",
        "new": "active",
        "zz-beacon": "stopped",
    }
    assert not is_alive(old)
    assert d.watcher("keeper").pids() == kept
    assert {e.action for e in d.events.all()} & {"add", "remove"} == set()  # as in 0.19


def test_what_was_changed_at_run_time_stays_unless_the_file_changes_it(circusd: Start) -> None:
    d = circusd(BASE)
    keeper = d.watcher("keeper")
    keeper.do("incr", nb=2)
    keeper.do("set", options={"graceful_timeout": 3})
    pids = keeper.pids()
    assert len(reload(d, f"{BASE}max_retry = 9\n")) == 1
    assert keeper.pids() == pids
    options = d.call("options", name="keeper")["options"]
    assert (options["numprocesses"], options["graceful_timeout"], options["max_retry"]) == (3, 3, 9)
    reload(d, f"{BASE}max_retry = 9\nnumprocesses = 2\n")
    assert keeper.pids() == pids[1:]


def test_the_file_says_which_watchers_there_are(circusd: Start) -> None:
    d = circusd(BASE)
    d.call("add", name="guest", cmd="sleep 6000", start=True, waiting=True)
    d.call("rm", name="keeper", waiting=True)
    assert reload(d, BASE) == [
        "watcher 'guest': removed, it is stopped",
        "watcher 'keeper': added, it is started",
    ]
    assert d.call("list")["watchers"] == ["keeper", "zz-beacon"]


def test_a_watcher_that_was_added_and_is_written_down_later_stays(circusd: Start) -> None:
    d = circusd(BASE)
    d.call("add", name="guest", cmd="sleep 6000", start=True, waiting=True)
    pids = d.watcher("guest").pids()
    reload(d, f"{BASE}[watcher:Guest]\ncmd = sleep 6000\n")
    assert d.watcher("guest").pids() == pids
    assert "Guest" in d.call("status")["statuses"]


def test_a_watcher_that_was_stopped_stays_so_and_starts_with_its_new_options(circusd: Start) -> None:
    d = circusd(BASE)
    keeper = d.watcher("keeper")
    keeper.do("stop")
    done = reload(d, BASE.replace("5000", "5001"))
    assert done == ["watcher 'keeper': cmd: it is stopped and stays so"]
    assert keeper.status() == "stopped"
    keeper.do("start")
    assert commands(d, "keeper") == [b"sleep\x005001\0"]


def test_a_watcher_that_gave_up_tries_again_with_its_new_command(circusd: Start) -> None:
    broken = "[watcher:typo]\ncmd = slep 5000\nmax_retry = 1\n"
    d = circusd(BASE + broken)
    typo = d.watcher("typo")
    until(lambda: "could not be started" in typo.reason())
    assert reload(d, BASE + broken.replace("slep", "sleep")) == ["watcher 'typo': cmd: it is started"]
    assert typo.status() == "active"


def test_what_does_not_come_to_run_is_told_with_its_reason(circusd: Start) -> None:
    d = circusd(BASE)
    d.write_ini(f"{BASE}[watcher:typo]\ncmd = slep 5000\nmax_retry = 1\n")
    reply = d.call("reloadconfig", waiting=True)
    assert "slep" in reply["troubles"]["typo"]


def test_a_watcher_that_reloads_by_hangup_gets_new_processes_for_a_new_command(circusd: Start) -> None:
    d = circusd(f"{BASE}send_hup = True\n")
    (old,) = d.watcher("keeper").pids()
    reload(d, BASE.replace("5000", "5001") + "send_hup = True\n")
    assert not is_alive(old)
    assert len(d.watcher("keeper").pids()) == 1


def test_a_program_that_binds_its_own_address_is_stopped_before_its_successor_starts(circusd: Start) -> None:
    d = circusd(BASE)
    port = free_port()
    (d.folder / "own.py").write_text(
        "import socket, sys, time\nown = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n"
        "while True: own.accept()[0].close()\n"
    )
    own = f"[watcher:own]\ncmd = python3 {d.folder}/own.py {port}\ncopy_env = True\n"
    reload(d, BASE + own)
    (old,) = d.watcher("own").pids()
    until(lambda: _is_open(port))
    reload(d, f"{BASE}{own}[env:own]\nA = 1\n")
    (new,) = d.watcher("own").pids()
    assert new != old
    until(lambda: _is_open(port))
    assert d.watcher("own").pids() == [new]
    assert not d.events.all("own", "reap")[1:]


def test_a_section_renamed_in_case_only_keeps_its_processes(circusd: Start) -> None:
    d = circusd(BASE)
    pids = d.watcher("keeper").pids()
    assert reload(d, BASE.replace("keeper", "Keeper")) == ["watcher 'Keeper': name: applied at once"]
    assert d.watcher("keeper").pids() == pids
    assert "Keeper" in d.call("status")["statuses"]


def test_output_goes_to_another_file_without_losing_a_line(circusd: Start) -> None:
    pytest.importorskip("circus_streams")
    d = circusd(BASE)
    lines = "i=0; while :; do i=$((i+1)); echo $i; sleep 0.002; done"
    files = [d.folder / f"out{number}" for number in range(4)]
    ticker = f"{BASE}[watcher:ticker]\ncmd = {lines}\nshell = True\nstdout_stream.class = FileStream\n"
    reload(d, f"{ticker}stdout_stream.filename = {files[0]}\n")
    (pid,) = d.watcher("ticker").pids()
    for file in files[1:]:
        done = reload(d, f"{ticker}stdout_stream.filename = {file}\n")
        assert done == ["watcher 'ticker': stdout_stream.filename: applied at once"]
        until(lambda file=file: file.exists() and file.stat().st_size > 200)  # type: ignore[misc]
    assert d.watcher("ticker").pids() == [pid]
    d.watcher("ticker").do("stop")
    until(lambda: files[-1].read_bytes().endswith(b"\n"))
    numbers = [int(line) for file in files for line in file.read_text().split()]
    assert numbers == list(range(1, len(numbers) + 1))


# -- sockets ---------------------------------------------------------------------------------------


def test_a_socket_that_did_not_change_keeps_its_descriptor_and_who_waits_is_served(circusd: Start) -> None:
    port = free_port()
    lazy = server(port, more="autostart = False")
    d = circusd(BASE + lazy)
    put(d, server=SERVER)
    lazy = lazy.replace("server.py", f"{d.folder}/server.py")
    before = listener(d)
    with socket.create_connection(("127.0.0.1", port), DEADLINE) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        reload(d, BASE + lazy + "[watcher:web2]\ncmd = sleep 1\nautostart = False\n")
        assert listener(d) == before
        d.watcher("web").do("start")
        assert client.recv(100).startswith(b"HTTP/1.1 200")


def test_a_connection_survives_twenty_reloads_and_so_does_its_process(circusd: Start) -> None:
    port = free_port()
    d = circusd(BASE)
    put(d, echo=ECHO)
    web = server(port, script=f"{d.folder}/echo.py")
    reload(d, BASE + web)
    pids, before = d.watcher("web").pids(), listener(d)
    with socket.create_connection(("127.0.0.1", port), DEADLINE) as client:
        for number in range(20):
            keeper = BASE.replace("5000", str(5001 + number % 2)) + f"numprocesses = {1 + number % 3}\n"
            guest = f"[watcher:g{number}]\ncmd = sleep 6000\n[socket:s{number}]\nhost = 127.0.0.1\nport = 0\n"
            reload(d, keeper + web + guest)
            client.sendall(b"%d" % number)
            assert client.recv(100) == b"%d" % number
        assert d.watcher("web").pids() == pids
        assert listener(d) == before
    assert {each["name"] for each in d.call("listsockets")["sockets"]} == {"front", "s19"}


def test_a_busy_server_loses_nothing_while_others_change_and_while_it_is_replaced(circusd: Start) -> None:
    port = free_port()
    d = circusd(BASE)
    put(d, server=SERVER)
    web = server(port, more="numprocesses = 2", script=f"{d.folder}/server.py")
    reload(d, BASE + web)
    until(lambda: _is_open(port))
    with Load(port, clients=4) as load:
        load.wait_for_more(200)
        pids = d.watcher("web").until_pids(2)
        until(lambda: load.pids == set(pids), "both to serve")
        for number in range(5):
            reload(d, BASE.replace("5000", str(5001 + number)) + web)
            load.wait_for_more(100)
        assert d.watcher("web").pids() == pids
        assert load.pids == set(pids)
        for number in range(2):
            reload(d, f"{BASE}{web}[env:web]\nTEXT = {number}\n")
            load.wait_for_more(100)
    assert not load.failures, load
    assert ask(port).body == b"1"


def test_a_socket_of_another_port_is_bound_anew_and_its_users_are_replaced(circusd: Start) -> None:
    port, other = free_port(), free_port()
    d = circusd(BASE)
    put(d, server=SERVER)
    web = server(port, script=f"{d.folder}/server.py")
    reload(d, BASE + web)
    until(lambda: _is_open(port))
    kept, old = d.watcher("keeper").pids(), d.watcher("web").pids()
    assert reload(d, BASE + web.replace(f"port = {port}", f"port = {other}")) == [
        "socket 'front': port: it is bound anew",
        "watcher 'web': socket 'front': its processes are replaced",
    ]
    assert d.watcher("keeper").pids() == kept
    assert not set(d.watcher("web").pids()) & set(old)
    assert ask(other).status == 200
    assert not _is_open(port)


def test_a_new_address_that_can_not_be_bound_leaves_everything_as_it_was(circusd: Start) -> None:
    port = free_port()
    d = circusd(BASE)
    put(d, server=SERVER)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        web = server(port, script=f"{d.folder}/server.py")
        reload(d, BASE + web)
        until(lambda: _is_open(port))
        pids, before = d.watcher("web").pids(), listener(d)
        changed = BASE.replace("5000", "5001") + web.replace(
            f"port = {port}", f"port = {taken.getsockname()[1]}"
        )
        for _ in range(2):
            reason = refused(d, f"{changed}[socket:new]\nhost = 127.0.0.1\nport = 0\n")
            assert re.search(r"socket 'front': 127.0.0.1:\d+: address already in use", reason)
        assert (d.watcher("web").pids(), listener(d)) == (pids, before)
        assert [each["name"] for each in d.call("listsockets")["sockets"]] == ["front"]
        assert commands(d, "keeper") == [b"sleep\x005000\0"]
        assert ask(port).status == 200
        assert len(reload(d, BASE.replace("5000", "5001") + web)) == 1


def test_an_address_that_is_held_by_another_socket_of_the_daemon_is_named(circusd: Start) -> None:
    port = free_port()
    sections = f"[socket:front]\nhost = 127.0.0.1\nport = {port}\n"
    d = circusd(BASE + sections)
    reason = refused(d, BASE + sections.replace("front", "back"))
    assert f"socket 'back': 127.0.0.1:{port} is held by socket 'front' until circusd is restarted" in reason
    reason = refused(d, f"{BASE}{sections}so_reuseport = True\n")
    assert "is held by socket 'front'" in reason


def test_sockets_of_each_process_are_tried_before_anybody_needs_them(circusd: Start) -> None:
    port, other = free_port(), free_port()
    d = circusd(BASE)
    put(d, server=SERVER)
    web = server(port, script=f"{d.folder}/server.py") + "so_reuseport = True\n"
    reload(d, BASE + web)
    until(lambda: _is_open(port))
    old = d.watcher("web").pids()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        assert "address already in use" in refused(
            d, BASE + web.replace(f"port = {port}", f"port = {number}")
        )
    assert ask(port).status == 200
    assert d.watcher("web").pids() == old
    reload(d, BASE + web.replace(f"port = {port}", f"port = {other}"))
    until(lambda: _is_open(other))
    assert not set(d.watcher("web").pids()) & set(old)
    assert not _is_open(port)


def test_sockets_that_come_and_go(circusd: Start) -> None:
    port = free_port()
    d = circusd(BASE)
    path = d.folder / "s.sock"
    sockets = f"[socket:tcp]\nhost = 127.0.0.1\nport = {port}\n[socket:unix]\npath = {path}\numask = 077\n"
    pids = d.watcher("keeper").pids()
    assert reload(d, BASE + sockets) == ["socket 'tcp': added", "socket 'unix': added"]
    assert _is_open(port)
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    before = listener(d, "unix"), listener(d, "tcp")
    assert reload(d, BASE + sockets.replace("umask = 077", "umask = 007\nbacklog = 7")) == [
        "socket 'unix': backlog, umask: applied at once"
    ]
    assert stat.S_IMODE(path.stat().st_mode) == 0o770
    assert (listener(d, "unix"), listener(d, "tcp")) == before
    assert reload(d, BASE) == [
        "socket 'tcp': removed, it is closed",
        "socket 'unix': removed, it is closed",
    ]
    assert not _is_open(port)
    assert not path.exists()
    assert d.watcher("keeper").pids() == pids


def test_a_watcher_on_demand_waits_at_the_new_address(circusd: Start) -> None:
    port, other = free_port(), free_port()
    d = circusd(BASE)
    put(d, server=SERVER)
    web = server(port, more="on_demand = True", script=f"{d.folder}/server.py")
    reload(d, BASE + web)
    assert "waits for a connection" in d.watcher("web").reason()
    reload(d, BASE + web.replace(f"port = {port}", f"port = {other}"))
    assert d.watcher("web").status() == "stopped"
    assert ask(other).status == 200
    d.watcher("web").until("active")


# -- plugins and the daemon itself -----------------------------------------------------------------

PLUGIN = """
from circus_core import CircusPlugin

class Quiet(CircusPlugin):
    name = "quiet"
    def handle_recv(self, data):
        pass
"""


def test_plugins_are_replaced_only_when_their_section_changed(circusd: Start, tmp_path: Path) -> None:
    (tmp_path / "quiet.py").write_text(PLUGIN)
    plugin = "[plugin:quiet]\nuse = quiet.Quiet\ncolour = red\n"
    hooked = "[watcher:hooked]\ncmd = sleep 7000\nhooks.after_start = checks.fine\n"
    hooked += f"[env:hooked]\nPYTHONPATH = {tmp_path}/more\n"
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "checks.py").write_text("def fine(**_):\n    return True\n")
    sections = BASE + plugin + hooked
    d = circusd(sections, circus={"loglevel": "info"}, env={"PYTHONPATH": str(tmp_path)})
    quiet = d.watcher("plugin:quiet")
    quiet.until("active")
    pids = quiet.pids()
    assert reload(d, sections) == []
    assert reload(d, sections.replace("5000", "5001")) == [
        "watcher 'keeper': cmd: its processes are replaced"
    ]
    assert quiet.pids() == pids
    assert reload(d, sections.replace("red", "blue").replace("5000", "5001")) == [
        "plugin 'quiet': colour: its processes are replaced"
    ]
    assert quiet.pids() != pids
    moved = sections.replace("red", "blue\nrun_in = daemon").replace("5000", "5001")
    assert reload(d, moved) == ["plugin 'quiet': run_in: its processes are replaced"]
    quiet.until("active")
    assert reload(d, BASE.replace("5000", "5001") + hooked) == ["plugin 'quiet': removed, it is stopped"]
    assert reload(d, sections.replace("5000", "5001")) == ["plugin 'quiet': added, it is started"]


def test_options_of_the_daemon_are_applied_or_named(circusd: Start) -> None:
    d = circusd(BASE)
    pids = d.watcher("keeper").pids()
    set_circus(d, check_delay=2.5, loglevel="debug", umask="077", pidfile=d.folder / "pid")
    for _ in range(2):
        done = steps(d.call("reloadconfig", waiting=True))
        assert [line for line in done if "restart" in line] == [
            "[circus] pidfile: needs a restart of circusd",
            "[circus] umask: needs a restart of circusd",
        ]
    assert len(done) == 2
    assert d.call("globaloptions", option="check_delay")["options"] == {"check_delay": 2.5}
    assert d.watcher("keeper").pids() == pids
    assert d.call("numwatchers")["numwatchers"] == 2


def test_the_level_of_the_log_is_taken_over(circusd: Start) -> None:
    d = circusd(BASE, circus={"loglevel": "error"})
    assert "reload of the configuration" not in d.log()
    d.ini.write_text(d.ini.read_text().replace("loglevel = error", "loglevel = info"))
    d.call("reloadconfig", waiting=True)
    d.watcher("keeper").do("restart")
    until(lambda: "keeper started" in d.log())


# -- files that can't be used ----------------------------------------------------------------------


@pytest.mark.parametrize("properties", [{}, {"waiting": True}, {"dry_run": True}])
def test_a_broken_file_changes_nothing_and_every_reason_is_told(
    circusd: Start, properties: dict[str, bool]
) -> None:
    d = circusd(BASE)
    pids = d.watcher("keeper").pids()
    broken = "[watcher:keeper]\ncmd = sleep 5001\nnumprocesses = many\n[watcher:b]\ncmd = 'x\nmax_age = y\n"
    reason = refused(d, broken, **properties)
    assert f"{d.ini}:7: watcher 'keeper': numprocesses must be" in reason
    assert f"{d.ini}:10: watcher 'b': max_age must be" in reason
    d.ini.unlink()
    with pytest.raises(RefusedError, match="the configuration file does not exist"):
        d.call("reloadconfig", **properties)
    assert d.watcher("keeper").pids() == pids


def test_a_hook_that_can_not_be_found_changes_nothing(circusd: Start) -> None:
    d = circusd(BASE)
    pids = d.watcher("keeper").pids()
    hooked = "hooks.before_start = nowhere.at_all\n"
    reason = refused(d, f"{BASE.replace('5000', '5001')}{hooked}[watcher:b]\ncmd = sleep 1000\n")
    assert "nowhere.at_all can't be imported" in reason
    assert d.watcher("keeper").pids() == pids
    assert d.call("numwatchers")["numwatchers"] == 2


PICKY = """
class Picky:
    def __init__(self, colour):
        if colour != "red":
            raise ValueError("colour must be red")
    def __call__(self, chunk):
        pass
"""


@pytest.mark.parametrize("name", ["keeper", "new"])
def test_a_stream_that_can_not_be_made_changes_nothing(circusd: Start, name: str) -> None:
    d = circusd(BASE)
    put(d, picky=PICKY)
    pids = d.watcher("keeper").pids()
    sections = f"[watcher:a]\ncmd = sleep 1000\n[watcher:{name}]\ncmd = sleep 5000\n"
    if name != "keeper":
        sections += BASE
    stream = f"[watcher:{name}]\nstdout_stream.class = picky.Picky\nstdout_stream.colour = blue\n"
    reason = refused(d, sections + stream)
    assert f"watcher '{name}': stdout_stream" in reason
    assert "colour must be red" in reason
    assert d.watcher("keeper").pids() == pids
    assert d.call("numwatchers")["numwatchers"] == 2
    assert len(reload(d, sections + stream.replace("blue", "red"))) == 2


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("cmd = slep 5000", "watcher 'keeper': no such program 'slep' in PATH"),
        ("cmd = sleep 5000\nworking_dir = /no/folder", "working_dir '/no/folder' does not exist"),
    ],
)
def test_nothing_is_stopped_for_a_program_that_can_not_be_started(
    circusd: Start, option: str, reason: str
) -> None:
    d = circusd(BASE)
    pids = d.watcher("keeper").pids()
    assert reason in refused(d, f"[watcher:keeper]\n{option}\n")
    assert d.watcher("keeper").pids() == pids
    assert reload(d, BASE) == []


def test_a_file_that_was_cut_off_is_refused_unless_forced(circusd: Start) -> None:
    names = ["a", "b", "c", "d", "e"]
    sections = "".join(f"[watcher:{name}]\ncmd = sleep 1000\n" for name in names)
    d = circusd(sections)
    d.ini.write_text(d.ini.read_text().partition("[watcher:c]")[0])
    with pytest.raises(RefusedError, match="3 of 5 running watchers are not in the file any more"):
        d.call("reloadconfig")
    assert d.call("reloadconfig", dry_run=True)["refused"].startswith("3 of 5")
    assert d.call("numwatchers")["numwatchers"] == 6
    d.ini.write_text("")
    with pytest.raises(RefusedError, match="5 of 5"):
        d.call("reloadconfig", waiting=True)
    d.write_ini("".join(f"[watcher:{name}]\ncmd = sleep 1000\n" for name in names[:2]))
    d.call("reloadconfig", waiting=True, force=True)
    assert d.call("list")["watchers"] == ["a", "b", "zz-beacon"]


# -- at the same time ------------------------------------------------------------------------------


def test_many_reloads_at_once_all_succeed_and_the_last_file_is_in_force(circusd: Start) -> None:
    d = circusd(BASE)
    answers: list[object] = []

    def client() -> None:
        with d.client() as own:
            for _ in range(5):
                answers.append(own.send("reloadconfig", waiting=True)["status"])

    threads = [threading.Thread(target=client) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(20):
        temporary = d.folder / "new.ini"
        text = d.ini.read_text()
        temporary.write_text(re.sub(r"sleep \d+", f"sleep {6000 + number}", text))
        temporary.replace(d.ini)
        time.sleep(0.02)
    for thread in threads:
        thread.join()
    assert answers == ["ok"] * 20
    d.call("reloadconfig", waiting=True)
    assert commands(d, "keeper") == [b"sleep\x006019\0"]


STUBBORN = """
[watcher:stubborn]
cmd = trap '' TERM; : > deaf; exec sleep 6000
shell = True
graceful_timeout = 30
"""
"""It does not end by itself while a test looks."""


def with_stubborn(circusd: Start, folder: Path) -> tuple[Daemon, str, int]:
    """Start `keeper` and one that is deaf to SIGTERM; returns the daemon, its sections, that one's pid."""
    sections = f"{BASE}{STUBBORN}working_dir = {folder}\n"
    d = circusd(sections)
    until((folder / "deaf").exists, d.log)
    return d, sections, d.watcher("stubborn").pid()


def test_a_slow_stop_holds_up_neither_this_reload_nor_the_next(circusd: Start, tmp_path: Path) -> None:
    d, _, old = with_stubborn(circusd, tmp_path)
    d.call("stop", name="stubborn")
    d.write_ini(f"{BASE.replace('5000', '5001')}[watcher:new]\ncmd = sleep 7000\n")
    d.call("reloadconfig")  # stubborn goes
    d.write_ini(f"{BASE.replace('5000', '5002')}[watcher:new]\ncmd = sleep 7000\nnumprocesses = 2\n")
    d.call("reloadconfig")
    until(lambda: commands(d, "keeper") == [b"sleep\x005002\0"])
    assert is_alive(old)
    os.kill(old, signal.SIGKILL)
    assert len(d.watcher("new").until_pids(2)) == 2


def test_a_watcher_that_comes_back_starts_when_the_old_one_has_stopped(
    circusd: Start, tmp_path: Path
) -> None:
    d, sections, old = with_stubborn(circusd, tmp_path)
    d.write_ini(BASE)
    d.call("reloadconfig")
    d.write_ini(sections)
    d.call("reloadconfig")
    for _ in range(20):
        assert d.watcher("stubborn").pids() == []
    assert is_alive(old)
    os.kill(old, signal.SIGKILL)
    (new,) = d.watcher("stubborn").until_pids(1)
    assert not is_alive(old)
    d.call("stop", name="stubborn")
    with suppress(ProcessLookupError):  # it was not deaf yet
        os.kill(new, signal.SIGKILL)


def test_quit_wins_over_a_reload(circusd: Start, tmp_path: Path) -> None:
    d, _, old = with_stubborn(circusd, tmp_path)
    outcome: list[str] = []

    def client() -> None:
        with d.client() as own:
            try:
                own.send("reloadconfig", waiting=True)
                outcome.append("ok")
            except CallError as error:
                outcome.append(str(error))

    d.write_ini(f"{BASE}[watcher:new]\ncmd = sleep 7000\n")
    thread = threading.Thread(target=client)
    thread.start()
    until(lambda: "new" in d.call("list")["watchers"])
    d.call("quit")
    os.kill(old, signal.SIGKILL)
    assert d.wait() == 0
    thread.join()
    assert outcome
    assert not d.events.all("new", "spawn")


def test_a_stop_wins_over_a_reload_that_has_not_started_it_yet(circusd: Start, tmp_path: Path) -> None:
    d, _, old = with_stubborn(circusd, tmp_path)
    d.write_ini(f"{BASE}[watcher:new]\ncmd = sleep 7000\n")
    with CircusClient(d.endpoint, timeout=DEADLINE) as other:
        thread = threading.Thread(target=lambda: other.send("reloadconfig", waiting=True))
        thread.start()
        until(lambda: "new" in d.call("list")["watchers"])
        d.watcher("new").do("stop")
        os.kill(old, signal.SIGKILL)
        thread.join()
    assert d.watcher("new").status() == "stopped"


# -- the commands ----------------------------------------------------------------------------------


def test_circusctl_shows_the_plan_checks_the_file_and_says_how_to_force(circusd: Start) -> None:
    d = circusd(BASE)
    assert d.ctl("plan").stdout == "nothing has changed\n"
    d.write_ini(f"{BASE}numprocesses = 2\n")
    for words in (["plan"], ["reloadconfig", "--dry-run"]):
        assert d.ctl(*words).stdout == "watcher 'keeper': numprocesses 1 -> 2\n"
    assert len(d.watcher("keeper").pids()) == 1
    assert d.ctl("reloadconfig").stdout == "ok\n"
    assert len(d.watcher("keeper").until_pids(2)) == 2
    d.write_ini(BASE)
    told = d.ctl("reloadconfig", "--waiting").stdout.splitlines()
    assert told == ["watcher 'keeper': numprocesses 2 -> 1", "ok"]
    d.write_ini("[watcher:other]\ncmd = sleep 1\nnmprocesses = 2\n")
    checked = d.ctl("check")
    assert (checked.returncode, checked.stderr) == (1, "error: the file should be mended\n")
    assert "did you mean numprocesses?" in checked.stdout
    fine = d.folder / "fine.ini"
    fine.write_text(BASE)
    assert d.ctl("check", str(fine)).stdout == f"{fine}: ok, 1 watcher, 0 sockets, 0 plugins\n"
    d.ini.write_text("")
    assert "--force" in d.ctl("reloadconfig").stderr


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
