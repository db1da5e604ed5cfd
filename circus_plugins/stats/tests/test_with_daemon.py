"""circusd with statistics, from outside."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from circus_core import CallError, CallTimeoutError, ReceivedEvent, RefusedError
from circus_core.testing import Daemon, free_port, until
from circus_stats import AsyncStatsClient, Message, StatsClient
from circus_stats.service import Service
from circus_stats.settings import Settings

pytestmark = pytest.mark.slow

WATCHERS = """
[watcher:Web One]
cmd = sleep 1000
numprocesses = 2
[watcher:solo.x]
cmd = sleep 1000
[watcher:Ünï "q" 5.7]
cmd = sh -c "sleep 1000 & sleep 1000 & wait"
[watcher:later]
cmd = sleep 1000
autostart = False
[socket:web]
host = 127.0.0.1
port = {port}
"""

Heard = Callable[[Message], Any]


@contextmanager
def endpoint() -> Iterator[str]:
    """Give a place for a socket with a short name."""
    with tempfile.TemporaryDirectory(prefix="stats-") as folder:
        yield f"ipc://{folder}/s"


class Observed(Daemon):
    """A daemon with statistics, and a client of them."""

    def __init__(self, folder: Path, sections: str, stats: str, **circus: object) -> None:
        options = {"statsd": True, "stats_endpoint": stats, "stats_interval": 0.2, **circus}
        super().__init__(folder, sections, circus=options)
        self.stats = stats

    def wait_for(self, is_wanted: Heard) -> Message:
        """Return the first message from now on that is as wanted."""
        found: list[Message] = []
        with StatsClient(self.stats) as client:

            def listen() -> bool:
                try:
                    message = client.next(1.0)
                except CallTimeoutError:
                    return False
                if is_wanted(message):
                    found.append(message)
                return bool(found)

            until(listen, self.log, deadline=40)
        return found[0]

    def stats_pid(self) -> int:
        return self.watcher("circusd-stats").pid()


def about(watcher: str, *, has: Callable[[dict[str, Any]], bool] = lambda stat: True) -> Heard:
    """Return a test for the message about a whole watcher."""
    return lambda message: message.watcher == watcher and message.subtopic is None and has(dict(message.stat))


def one_of(watcher: str) -> Heard:
    return lambda message: message.watcher == watcher and message.subtopic is not None


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    with (
        endpoint() as stats,
        Observed(tmp_path_factory.mktemp("d"), WATCHERS.format(port=free_port()), stats) as started,
    ):
        yield started


class Deaf(Service):
    """Hears no event."""

    def _take(self, event: ReceivedEvent) -> None:
        return


OLD_PROCESS_KEYS = {
    *("mem_info1", "mem_info2", "cpu", "mem", "ctime", "pid", "username", "nice", "create_time", "age"),
    *("cmdline", "children", "subtopic", "name"),
}


def test_processes_and_watchers_are_published_with_the_keys_of_before(daemon: Observed) -> None:
    pids = daemon.watcher("Web One").until_pids(2)
    # The first figures are those of its start, which costs something.
    watcher = daemon.wait_for(
        about("web one", has=lambda stat: (stat["cpu"], len(stat["pid"])) == (0.0, 2))
    ).stat
    assert (sorted(watcher["pid"]), watcher["kind"]) == (sorted(pids), "watcher")
    assert watcher["family"]["processes"] == 2
    process = daemon.wait_for(one_of("web one")).stat
    assert process.keys() >= OLD_PROCESS_KEYS
    assert process["pid"] in pids
    assert (process["watcher"], process["name"], process["cmdline"]) == ("Web One", None, "sleep")
    assert process["figures"]["threads"] == 1


@pytest.mark.parametrize(("topic", "name"), [("solo.x", "solo.x"), ('ünï "q" 5.7', 'Ünï "q" 5.7')])
def test_names_with_dots_blanks_and_other_letters_arrive_whole(
    daemon: Observed, topic: str, name: str
) -> None:
    (pid,) = daemon.watcher(name).until_pids(1)
    assert daemon.wait_for(one_of(topic)).subtopic == str(pid)
    assert daemon.wait_for(about(topic)).stat["watcher"] == name


def test_children_are_listed_and_summed_into_their_process(daemon: Observed) -> None:
    name = 'Ünï "q" 5.7'
    process = daemon.wait_for(
        lambda message: (
            one_of(name.lower())(message)
            and [child["cmdline"] for child in message.stat["children"]] == ["sleep", "sleep"]
        )
    ).stat
    assert process["family"]["processes"] == 3
    assert process["family"]["rss"] == process["figures"]["rss"] + sum(
        child["figures"]["rss"] for child in process["children"]
    )


def test_the_daemon_and_its_statistics_are_shown_apart_and_without_the_workers(daemon: Observed) -> None:
    names = {}
    for _ in range(2):
        for wanted in ("circusd", "circusd-stats"):
            stat = daemon.wait_for(lambda m, name=wanted: one_of("circus")(m) and m.stat["name"] == name).stat  # type: ignore[misc]
            names[wanted] = (stat["pid"], stat["family"]["processes"], stat["watcher"])
    assert names == {"circusd": (daemon.pid, 1, None), "circusd-stats": (daemon.stats_pid(), 1, None)}
    both = daemon.wait_for(about("circus")).stat
    assert sorted(both["pid"]) == sorted([daemon.pid, daemon.stats_pid()])
    assert both["dropped"] == 0
    assert 0 <= both["cost"] < 1


def test_what_starts_is_shown_and_what_has_ended_is_told_as_empty_once(daemon: Observed) -> None:
    daemon.call("start", name="later", waiting=True)
    pids = daemon.watcher("later").pids()
    daemon.wait_for(about("later", has=lambda stat: stat["pid"] == pids))
    with StatsClient(daemon.stats, topic="stat.later") as client:
        client.next(20)
        daemon.call("stop", name="later", waiting=True)
        until(lambda: client.next(20).stat.get("pid") == [])
        with pytest.raises(CallTimeoutError):
            client.next(1.0)


def test_watchers_that_come_and_go_are_followed(daemon: Observed) -> None:
    daemon.call("add", name="New One.x", cmd="sleep 1000", start=True, waiting=True)
    assert daemon.wait_for(about("new one.x")).stat["watcher"] == "New One.x"
    is_told = about("new one.x", has=lambda stat: stat["pid"] == [])
    with StatsClient(daemon.stats) as client:
        client.next(20)  # it is told once: who listens only then may miss it
        daemon.call("rm", name="New One.x", waiting=True)
        until(lambda: is_told(client.next(20)))


def test_a_killed_process_is_replaced_by_its_successor(daemon: Observed) -> None:
    (old,) = daemon.watcher("solo.x").pids()
    last = daemon.events.last
    os.kill(old, signal.SIGKILL)
    daemon.events.wait("solo.x", "spawn", after=last)
    (new,) = daemon.watcher("solo.x").pids()
    daemon.wait_for(about("solo.x", has=lambda stat: stat["pid"] == [new]))


def test_connections_to_a_socket_are_counted(daemon: Observed) -> None:
    (told,) = daemon.call("listsockets")["sockets"]
    connections = [socket.create_connection((told["host"], told["port"])) for _ in range(5)]
    try:
        stat = daemon.wait_for(
            lambda m: m.watcher == "sockets" and m.stat.get("waiting") == m.stat["connections"] == 5
        ).stat
        assert (stat["fd"], stat["name"], stat["address"]) == (
            told["fd"],
            "web",
            f"127.0.0.1:{told['port']}",
        )
        assert daemon.wait_for(about("sockets")).stat["addresses"] == [f"127.0.0.1:{told['port']}"]
    finally:
        for connection in connections:
            connection.close()


def test_the_past_is_told_by_a_command(daemon: Observed) -> None:
    daemon.wait_for(about("web one"))

    def ask() -> dict[str, Any]:
        told = daemon.call("history", name="Web One", seconds=10, series="cpu,rss,processes")
        return dict(told["histories"]["web one"])

    past = ask()
    assert (past["step"], list(past["series"])) == (1, ["cpu", "rss", "processes"])
    assert len(past["series"]["cpu"]) == 10
    until(lambda: 2.0 in ask()["series"]["processes"][-2:], lambda: str(ask()))
    everything = daemon.call("history")["histories"]
    assert {"circus", "sockets", "web one", "solo.x"} <= set(everything)
    assert len(everything["circus"]["series"]["mem"]) == 360


def test_the_past_is_drawn_for_people(daemon: Observed) -> None:
    done = daemon.ctl("history", "web one", "--seconds", "20")
    assert done.returncode == 0, done.stderr
    title, cpu, *_ = done.stdout.splitlines()
    assert title == "web one: the last 20 s"
    assert cpu.split()[0] == "cpu"
    assert "max" in cpu


@pytest.mark.parametrize(
    ("properties", "complaint"),
    [
        ({"name": "ghost"}, "there is no history of 'ghost'"),
        ({"seconds": 0}, "seconds must be from 1 to 3600, got 0"),
        ({"series": "cpu,fun"}, "series must be some of cpu, mem, .*, got 'fun'"),
    ],
)
def test_a_wrong_question_about_the_past_is_refused(
    daemon: Observed, properties: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(RefusedError, match=complaint):
        daemon.call("history", **properties)


def test_stats_tells_more_when_asked_for_more(daemon: Observed) -> None:
    (pid,) = daemon.watcher("solo.x").pids()
    plain = daemon.call("stats", name="solo.x")["info"][str(pid)]
    more = daemon.call("stats", name="solo.x", extended=True)["info"][str(pid)]
    assert "figures" not in plain
    assert more["figures"]["fds"] >= 3
    assert more.keys() - plain.keys() == {"figures"}


def test_the_endpoint_is_told_to_clients(daemon: Observed) -> None:
    assert daemon.call("globaloptions")["options"]["stats_endpoint"] == daemon.stats


def test_an_asynchronous_client_hears_the_same(daemon: Observed) -> None:
    async def listen() -> set[str]:
        names = set()
        async with asyncio.timeout(20), AsyncStatsClient(daemon.stats) as client:
            async for watcher, subtopic, stat in client:
                names.add(watcher)
                assert (subtopic is None) == ("subtopic" not in stat)
                if {"circus", "web one", "solo.x"} <= names:
                    client.close()
        return names

    assert {"circus", "web one", "solo.x"} <= asyncio.run(listen())


def test_nobody_else_can_listen(daemon: Observed) -> None:
    path = Path(daemon.stats.removeprefix("ipc://"))
    assert path.stat().st_mode & 0o077 == 0


def test_killed_statistics_come_back(daemon: Observed) -> None:
    before = daemon.stats_pid()
    os.kill(before, signal.SIGKILL)
    daemon.wait_for(about("circus", has=lambda stat: before not in stat["pid"] and len(stat["pid"]) == 2))
    assert daemon.stats_pid() != before


def test_a_reload_that_changes_sockets_is_followed(daemon: Observed) -> None:
    port = free_port()
    daemon.write_ini(WATCHERS.format(port=port) + "[socket:more]\nhost = 127.0.0.1\nport = 0\n")
    daemon.call("reloadconfig", waiting=True)
    stat = daemon.wait_for(about("sockets", has=lambda stat: len(stat["addresses"]) == 2)).stat
    assert f"127.0.0.1:{port}" in stat["addresses"]


def test_a_restart_of_the_daemon_in_place_starts_it_anew(daemon: Observed) -> None:
    before = daemon.stats_pid()
    daemon.call("restart", waiting=False)
    stat = daemon.wait_for(about("circus", has=lambda stat: before not in stat["pid"])).stat
    assert daemon.pid in stat["pid"]
    until(lambda: _is_answering(daemon))
    daemon.wait_for(
        about("web one", has=lambda stat: set(stat["pid"]) == set(daemon.watcher("Web One").pids()))
    )


def _is_answering(daemon: Observed) -> bool:
    try:
        return daemon.watcher("Web One").status() == "active"
    except CallError:
        return False


def test_a_lost_event_is_made_up_for_by_asking(daemon: Observed, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one of a process that ended while nobody told: its pid is looked for in vain, twice."""
    monkeypatch.setattr("circus_stats.service._PAUSE", 0.05)

    async def scenario(stats: str) -> None:
        service = Deaf(
            Settings(endpoint=daemon.endpoint, pubsub=daemon.pubsub_endpoint, statspoint=stats, interval=0.1)
        )
        running = asyncio.create_task(service.run())
        try:
            async with asyncio.timeout(30), AsyncStatsClient(stats, topic="stat.solo.x") as client:
                old: list[int] = []
                async for message in client:
                    found = message.stat["pid"]
                    if message.subtopic is None and not old:
                        old = found
                        os.kill(old[0], signal.SIGKILL)
                    elif message.subtopic is None and found and found != old:
                        break
            assert found == await asyncio.to_thread(daemon.watcher("solo.x").pids)
        finally:
            service.stop()
            await running

    with endpoint() as stats:
        asyncio.run(scenario(stats))


def test_a_reload_can_switch_it_off_and_on(daemon: Observed) -> None:
    daemon._circus["statsd"] = False
    del daemon._circus["stats_endpoint"]
    daemon.write_ini(WATCHERS.format(port=free_port()))
    daemon.call("reloadconfig", waiting=True)
    assert "circusd-stats" not in daemon.call("list")["watchers"]
    with pytest.raises(RefusedError, match="write statsd = True"):
        daemon.call("history")
    daemon._circus |= {"statsd": True, "stats_endpoint": daemon.stats}
    daemon.write_ini(WATCHERS.format(port=free_port()))
    daemon.call("reloadconfig", waiting=True)
    daemon.wait_for(about("web one"))


# Daemons of their own


def test_stopped_statistics_end_well_and_come_back_when_started(tmp_path: Path) -> None:
    with endpoint() as stats, Observed(tmp_path / "d", "", stats) as daemon:
        daemon.wait_for(about("circus"))
        daemon.call("set", name="circusd-stats", options={"graceful_timeout": 30})
        daemon.call("stop", name="circusd-stats", waiting=True)
        (reaped,) = daemon.events.wait("circusd-stats", "reap")
        assert reaped.payload["exit_code"] == 0
        with pytest.raises(RefusedError, match="circusctl status circusd-stats"):
            daemon.call("history")
        daemon.call("start", name="circusd-stats", waiting=True)
        daemon.wait_for(about("circus"))


def test_it_ends_with_the_daemon(tmp_path: Path) -> None:
    with endpoint() as stats, Observed(tmp_path / "d", "", stats) as daemon:
        daemon.wait_for(about("circus"))
        pid = daemon.stats_pid()
        daemon.kill(signal.SIGKILL)
        daemon.wait()
        until(lambda: not Path(f"/proc/{pid}").exists() or _is_zombie(pid))


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_an_address_in_use_is_said_and_tried_again(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with Observed(tmp_path / "d", "", address) as daemon:
            until(lambda: "give another stats_endpoint" in daemon.log().lower())
            (ended,) = daemon.events.wait("circusd-stats", "reap")
            assert ended.payload["exit_code"] == 1
            daemon.events.wait("circusd-stats", "spawn", after=ended.at)


def test_an_endpoint_alone_switches_it_on_with_a_warning(tmp_path: Path) -> None:
    with endpoint() as stats, Observed(tmp_path / "d", "", stats, statsd=False) as daemon:
        assert "circusd-stats" in daemon.call("list")["watchers"]
        assert "stats_endpoint is given without statsd" in daemon.log()


def test_keys_of_the_daemon_are_those_of_its_statistics(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    env = {**os.environ, "CIRCUS_KEYS": str(keys)}
    words = [sys.executable, "-m", "circus_core.cli.circusctl", "keys", "make"]
    subprocess.run(words, env=env, check=True, capture_output=True)
    address = f"tcp://127.0.0.1:{free_port()}"
    folder = tmp_path / "d"
    program = (
        f"from circus_stats import StatsClient\nwith StatsClient({address!r}) as client:\n"
        "    print(client.next(40).watcher)"
    )
    with Observed(folder, "", address, auth="curve", keys=str(keys)) as daemon:
        until(lambda: "statistics of circusd" in daemon.log(), daemon.log)
        listened = subprocess.run(
            [sys.executable, "-c", program], env=env, capture_output=True, text=True, check=False, timeout=60
        )
        assert listened.stdout == "circus\n", listened.stderr
        with StatsClient(address) as stranger, pytest.raises(CallError):
            stranger.next(1.0)


def test_a_watcher_called_as_the_daemon_is_not_mixed_up_with_it(tmp_path: Path) -> None:
    sections = "[watcher:circus]\ncmd = sleep 1000\nnumprocesses = 3\n"
    with endpoint() as stats, Observed(tmp_path / "d", sections, stats) as daemon:
        daemon.wait_for(
            about("circus", has=lambda stat: stat["watcher"] == "circus" and len(stat["pid"]) == 3)
        )
        daemon.wait_for(about("circus", has=lambda stat: stat["watcher"] is None and len(stat["pid"]) == 2))

        def past(name: str) -> list[float | None]:
            told = daemon.call("history", seconds=5, series="processes")["histories"]
            return list(told[name]["series"]["processes"])

        until(lambda: 2 in past("circus") and 3 in past("circus (watcher)"), lambda: str(past("circus")))


def test_two_hundred_watchers(tmp_path: Path) -> None:
    sections = "".join(f"[watcher:w{number}]\ncmd = sleep 1000\n" for number in range(200))
    with endpoint() as stats, Observed(tmp_path / "d", sections, stats) as daemon:
        seen: set[str] = set()

        def is_last(message: Message) -> bool:
            seen.add(message.watcher)
            return len(seen) == 201

        daemon.wait_for(is_last)
        histories = daemon.call("history")["histories"]
        assert len(histories) == 201
        assert {past["step"] for past in histories.values()} == {30}


# By hand


def circusd_stats(*words: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "circus_stats.command_line", *words],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def test_without_a_daemon_it_says_so() -> None:
    with endpoint() as nowhere, endpoint() as stats:
        done = circusd_stats("--endpoint", nowhere, "--pubsub", f"{nowhere}p", "--statspoint", stats)
    assert done.returncode == 1
    assert "circusd-stats ends: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--ssh", "host"], "run it there"),
        (["--interval", "0"], "must be seconds from 0.1"),
        (["--max-cpu", "x"], "--max-cpu"),
    ],
)
def test_wrong_arguments_are_refused(words: list[str], complaint: str) -> None:
    done = circusd_stats(*words)
    assert done.returncode == 2
    assert complaint in done.stderr


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_it_ends_in_order_when_told(daemon: Observed, signum: signal.Signals) -> None:
    with endpoint() as stats:
        places = ["--endpoint", daemon.endpoint, "--pubsub", daemon.pubsub_endpoint, "--statspoint", stats]
        with subprocess.Popen(
            [sys.executable, "-m", "circus_stats.command_line", *places, "--interval", "0.5"],
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stderr is not None
            assert "statistics of circusd" in process.stderr.readline()
            with StatsClient(stats) as client:
                assert json.dumps(client.next(20).stat)
                process.send_signal(signal.SIGWINCH)  # its terminal has another size: nothing to end for
                assert json.dumps(client.next(20).stat)
            process.send_signal(signum)
            assert process.wait(20) == 0
            assert process.stderr.read() == ""
