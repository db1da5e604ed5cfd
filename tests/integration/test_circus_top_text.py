"""circus-top as a program that prints: tables and JSON, of our daemon and of Circus 0.19, near and far."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from circus_core.testing import Daemon, until
from circus_stats.top.session import Session
from circus_stats.top.settings import Settings
from circus_stats.top.status import State
from tests.integration.daemon import free_port
from tests.integration.sshd import SSHD, SshServer, ssh_programs
from tests.integration.terminal import TMUX, Terminal
from tests.peers.circus019 import House, Network, needs_peer, network

# Takes a fifth of a core.
BUSY = """\
import time
while True:
    end = time.monotonic() + 0.02
    while time.monotonic() < end:
        pass
    time.sleep(0.08)
"""

PROGRAM = [sys.executable, "-m", "circus_stats.top.main"]

SECTIONS = """
[watcher:web one]
cmd = sleep 1000
numprocesses = 2

[watcher:a.b]
cmd = {python} {folder}/busy.py

[watcher:off]
cmd = sleep 1
autostart = False

[socket:http]
host = 127.0.0.1
port = 0
"""

SECTIONS_ALONE = """
[watcher:alone]
cmd = sleep 1000
"""

OLD = """\
[circus]
statsd = True
check_delay = 1

[watcher:web]
cmd = sleep 1000
numprocesses = 2

[watcher:with blank]
cmd = sleep 1000
"""


def sections(folder: Path) -> str:
    """Return SECTIONS, what they run being in the folder."""
    (folder / "busy.py").write_text(BUSY)
    return SECTIONS.format(python=sys.executable, folder=folder)


def run(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run circus-top, with patience: a daemon that answers slowly is asked seldom."""
    kept = {name: value for name, value in os.environ.items() if name != "CIRCUSCTL_ENDPOINT"}
    return subprocess.run(
        [*PROGRAM, "--timeout", "60", *words],
        capture_output=True,
        text=True,
        env={**kept, **env},
        timeout=80,
        check=False,
    )


def document(*words: str, **env: str) -> dict[str, Any]:
    done = run("--once", "--json", *words, **env)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    (line,) = done.stdout.splitlines()
    found = json.loads(line)
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module", params=[True, False], ids=["published", "asked"])
def daemon(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon whose statistics are published, or have to be asked for."""
    folder = tmp_path_factory.mktemp("daemon")
    circus = {"statsd": True, "stats_endpoint": f"ipc://{folder}/s"} if request.param else {}
    with Daemon(folder / "d", sections(folder), circus=circus) as running:
        wait_for_figures(running, "stream" if request.param else "stats")
        yield running


def wait_for_figures(daemon: Daemon, source: str, **env: str) -> None:
    """Wait until they come from there, and are those of all that runs."""

    def have_come() -> bool:
        told = document("--control", daemon.endpoint, **env)
        return told["source"] == source and len(told["watchers"]["web one"]["processes"]) == 2

    until(have_come, daemon.log)


only_published = pytest.mark.parametrize("daemon", [True], ids=["published"], indirect=True, scope="module")


def is_published(daemon: Daemon) -> bool:
    return "stats_endpoint" in daemon.ini.read_text()


def test_one_table_has_all_that_runs_and_does_not_need_textual(daemon: Daemon) -> None:
    done = run("--once", "--control", daemon.endpoint, PYTHONPROFILEIMPORTTIME="1")
    assert done.returncode == 0
    assert "| textual" not in done.stderr
    lines = done.stdout.splitlines()
    said = r"live(, every \d+\.\ds)?" if is_published(daemon) else "statsd is off: asking the daemon"
    assert re.fullmatch(
        rf"circus-top  \d watchers  3 processes  cpu [\d.]+%  mem [\d.]+%  \({said}\)", lines[0]
    )
    assert lines[1].split() == ["NAME", "STATE", "PID", "CPU%", "MEM%", "RSS", "AGE", "RST", "LAST", "EXIT"]
    names = [line.strip().partition("  ")[0] for line in lines]
    for name in ("web one", "web one.1", "web one.2", "a.b", "a.b.1", "off", "circus", "circusd", "sockets"):
        assert name in names
    busy = next(line for line in lines if line.startswith("a.b "))
    assert float(busy.split()[3]) > 0


def test_json_has_the_figures_as_numbers(daemon: Daemon) -> None:
    told = document("--control", daemon.endpoint)
    assert (told["daemon"], told["source"]) == ("up", "stream" if is_published(daemon) else "stats")
    web, off = told["watchers"]["web one"], told["watchers"]["off"]
    assert (web["state"], web["numprocesses"], web["restarts"], web["last_exit"]) == ("active", 2, 0, None)
    assert [each["pid"] for each in web["processes"]] == sorted(daemon.watcher("web one").pids())
    assert {each["wid"] for each in web["processes"]} == {1, 2}
    assert all(each["rss"] > 100_000 and each["age"] > 0 for each in web["processes"])
    assert (off["state"], off["processes"], off["cpu"]) == ("stopped", [], None)
    assert told["circus"]["processes"][0]["name"] == "circusd"
    assert [each["name"] for each in told["sockets"]] == ["http"]


@only_published
def test_lines_of_json_come_round_after_round_until_nobody_reads(daemon: Daemon) -> None:
    words = [*PROGRAM, "--json", "--control", daemon.endpoint]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        times = [json.loads(running.stdout.readline())["time"] for _ in range(2)]
        assert times == sorted(set(times))
        running.stdout.close()
        assert running.wait(20) == 0
        assert running.stderr.read() == ""


@only_published
@pytest.mark.parametrize(
    ("to", "reason"),
    [(">/dev/full", "can't write: no space left on device"), (">&-", "there is no standard output")],
)
def test_output_that_goes_nowhere_is_explained(daemon: Daemon, to: str, reason: str) -> None:
    words = ["sh", "-c", f'exec "$@" {to}', "sh", *PROGRAM, "--once", "--control", daemon.endpoint]
    done = subprocess.run(words, capture_output=True, text=True, timeout=40, check=False)
    assert (done.returncode, done.stderr) == (1, f"circus-top: {reason}\n")


@only_published
def test_who_interrupts_is_content(daemon: Daemon) -> None:
    words = [*PROGRAM, "--control", daemon.endpoint]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline().startswith("circus-top  ")
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=20)
        assert (running.returncode, errors) == (0, "")


@only_published
@pytest.mark.skipif(SSHD is None, reason="needs sshd: Debian's package openssh-server")
def test_a_daemon_on_another_host_is_seen_through_one_login(daemon: Daemon, tmp_path: Path) -> None:
    with SshServer(tmp_path / "sshd") as server:
        way = ["--ssh", server.address, "--ssh-keyfile", server.key]
        told = document("--control", daemon.endpoint, *way, PATH=server.path)
        assert told["source"] == "stream"
        assert len(told["watchers"]["web one"]["processes"]) == 2
        refused = run(
            "--once", "--ssh", server.address, "--ssh-keyfile", server.foreign_key, PATH=server.path
        )
        assert refused.returncode == 1
        assert refused.stderr.startswith(f"circus-top: ssh to {server.address}: ")
        assert "Traceback" not in refused.stderr


@pytest.mark.skipif(SSHD is None or TMUX is None, reason="needs sshd and tmux")
def test_a_login_that_has_ended_is_made_anew_by_a_key(tmp_path: Path) -> None:
    with Daemon(tmp_path / "d", SECTIONS_ALONE) as daemon, SshServer(tmp_path / "sshd") as server:
        words = ["--control", daemon.endpoint, "--ssh", server.address, "--ssh-keyfile", server.key]
        with Terminal(tmp_path, [*PROGRAM, *words], {**os.environ, "PATH": server.path}) as terminal:
            terminal.wait_for("alone.1")
            for pid in ssh_programs(server.folder, "ssh"):
                os.kill(pid, signal.SIGKILL)
            terminal.wait_for("has ended: C makes a new one")
            terminal.type("C")
            terminal.wait_for("asking the daemon")
            terminal.type("q")
            terminal.wait_for("[ended with 0]")


@only_published
def test_the_endpoint_of_the_statistics_alone_is_enough_to_look(daemon: Daemon) -> None:
    stats = daemon.call("globaloptions")["options"]["stats_endpoint"]
    alone = document("--endpoint", stats)
    assert (alone["daemon"], alone["source"]) != ("up", "stats")
    assert len(alone["watchers"]["web one"]["processes"]) == 2
    assert alone["watchers"]["web one"]["state"] is None
    both = document("--endpoint", stats, "--control", daemon.endpoint)
    assert both["watchers"]["web one"]["state"] == "active"


@only_published
def test_figures_of_another_daemon_at_the_same_endpoint_are_not_shown(daemon: Daemon, tmp_path: Path) -> None:
    stats = daemon.call("globaloptions")["options"]["stats_endpoint"]
    until(lambda: "statistics of circusd" in daemon.log(), daemon.log)  # it has the endpoint
    sections = "[watcher:web one]\ncmd = sleep 1000\n"
    with Daemon(tmp_path / "d", sections, circus={"statsd": True, "stats_endpoint": stats}) as second:
        until(lambda: "give another stats_endpoint" in second.log(), second.log)
        for words in ([], ["--endpoint", stats]):
            told = document("--control", second.endpoint, *words)
            assert (told["source"], "a.b" in told["watchers"]) == ("stats", False)
            (process,) = told["watchers"]["web one"]["processes"]
            assert [process["pid"]] == second.watcher("web one").pids()
            assert [each["pid"] for each in told["circus"]["processes"]] == [second.pid]
        first_line = run("--once", "--control", second.endpoint).stdout.partition("\n")[0]
        assert first_line.endswith(f"(stats_endpoint is circusd {daemon.pid}'s: asking the daemon)")
        pids = set(daemon.watcher("web one").pids())
        asyncio.run(
            until_seen(
                Settings(endpoint=stats, control=second.endpoint),
                lambda session: (
                    session.status.state is State.NOT_ASKED and pids_of("web one", session) == pids
                ),
            )
        )


def pids_of(name: str, session: Session) -> set[int]:
    watcher = session.model.watchers.get(name)
    return set() if watcher is None else set(watcher.processes)


async def until_seen(settings: Settings, is_wanted: Callable[[Session], bool]) -> None:
    """Follow a daemon until something is seen of it."""
    changed = asyncio.Event()
    session = Session(settings, on_change=changed.set)
    running = asyncio.create_task(session.run())
    try:
        async with asyncio.timeout(30):
            while not is_wanted(session):
                changed.clear()
                await changed.wait()
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


def test_where_nobody_answers_it_ends_with_words(tmp_path: Path) -> None:
    done = run("--once", "--timeout", "0.5", "--control", f"ipc://{tmp_path}/nobody")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("circus-top: no figures within 0.5 seconds from\n  ipc://")
    assert "check --control" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--process-timeout", "soon"], "must be seconds from 0.1 to 86400, got 'soon'"),
        (["--control", "nonsense"], "must be tcp://HOST:PORT or ipc://PATH, got 'nonsense'"),
        (["--nothing"], "unrecognized arguments: --nothing"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_explained(words: list[str], reason: str) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert reason in done.stderr


def test_the_version_is_told() -> None:
    assert re.fullmatch(r"circus-top \d+\.\d+\S*\n", run("--version").stdout)


# -- keys


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Daemon, Path]]:
    """A daemon that asks for keys on both endpoints, and the folder of somebody whom it lets look."""
    folder = tmp_path_factory.mktemp("keyed")
    own, reader = folder / "own", folder / "reader"
    keys(own, "make")
    keys(reader, "make")
    keys(own, "admit", key_in(keys(reader, "show"), "yours"), "--role", "read", "--name", "ann")
    for ring in (own, reader):
        keys(ring, "trust", "tcp://127.0.0.1", key_in(keys(own, "show"), "circusd"))
    stats = f"tcp://127.0.0.1:{free_port()}"
    circus = {"auth": "curve", "keys": own, "statsd": True, "stats_endpoint": stats}
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CIRCUS_KEYS", str(own))
            daemon = stack.enter_context(Daemon(folder / "d", sections(folder), circus=circus, tcp=True))
            daemon.call("list")  # its connection is made now
        wait_for_figures(daemon, "stream", CIRCUS_KEYS=str(reader))
        yield daemon, reader


def keys(folder: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "circus_core.cli.circusctl", "keys", *words],
        capture_output=True,
        text=True,
        env={**os.environ, "CIRCUS_KEYS": str(folder)},
        timeout=40,
        check=True,
    )
    return done.stdout


def key_in(text: str, whose: str) -> str:
    found = re.search(rf"{whose}\W+([0-9a-f]{{64}})", text)
    assert found, text
    return found[1]


def test_with_a_key_statistics_of_another_machine_are_seen(keyed: tuple[Daemon, Path]) -> None:
    daemon, reader = keyed
    told = document("--control", daemon.endpoint, CIRCUS_KEYS=str(reader))
    assert (told["daemon"], told["source"]) == ("up", "stream")
    assert len(told["watchers"]["web one"]["processes"]) == 2
    assert told["watchers"]["web one"]["restarts"] is None  # describe is not for who may only look


def test_without_a_key_nothing_is_seen(keyed: tuple[Daemon, Path], tmp_path: Path) -> None:
    daemon, _ = keyed
    done = run("--once", "--timeout", "6", "--control", daemon.endpoint, CIRCUS_KEYS=str(tmp_path))
    assert done.returncode == 1
    assert "it does not let you in" in done.stderr


@pytest.mark.skipif(TMUX is None, reason="needs tmux")
def test_who_may_only_look_can_do_nothing(keyed: tuple[Daemon, Path], tmp_path: Path) -> None:
    daemon, reader = keyed
    env = {**os.environ, "CIRCUS_KEYS": str(reader)}
    with Terminal(tmp_path, [*PROGRAM, "--control", daemon.endpoint], env) as terminal:
        terminal.wait_for("\x1b[2m s start", colours=True)
        terminal.type("j", "j", "S")
        terminal.wait_for("not allowed: its role is 'read', which may look and change nothing")
        assert daemon.watcher("web one").status() == "active"


# -- Circus 0.19


@pytest.fixture(scope="module")
def net() -> Iterator[Network]:
    with network() as made:
        yield made


@needs_peer
@pytest.mark.timeout(300)
def test_circus_0_19_is_seen_with_no_option_at_all(net: Network, tmp_path: Path) -> None:
    with House(tmp_path, net, "0.19", OLD) as house:

        def look(*words: str) -> dict[str, Any]:
            done = house.run(*PROGRAM, "--once", "--json", *words)
            assert done.status == 0, done.error
            return done.json()

        told: dict[str, Any] = {}

        def have_come() -> bool:
            told.update(look())
            names = {each["name"] for each in told["circus"]["processes"]}
            counts = [len(told["watchers"][name]["processes"]) for name in ("web", "with blank")]
            return told["source"] == "stream" and names == {"circusd", "circusd-stats"} and counts == [2, 1]

        until(have_come, lambda: str(told))
        assert told["watchers"]["web"]["state"] == "active"
        assert [each["command"] for each in told["watchers"]["with blank"]["processes"]] == ["sleep"]
        assert all(each["rss"] > 100_000 for each in told["watchers"]["web"]["processes"])
        alone = look("--endpoint", "tcp://127.0.0.1:5557")
        assert len(alone["watchers"]["web"]["processes"]) == 2
