"""The plugins in both hosts; circusd, web server, Redis server and the programs that change are real."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from circus_core.testing import PluginContract, Watch, until

Run = Callable[..., Watch]

WEB = """
[watcher:My Web]
cmd = sleep 1000
numprocesses = 2
"""
BUSY = """
[watcher:My Web]
cmd = {python} -c 'exec("while 1: pass")'
"""


class TestResourceWatcher(PluginContract):
    use = "resource_watcher"
    options: ClassVar[Mapping[str, object]] = {
        "watcher": "Two Words",
        "loop_rate": 0.05,
        "max_cpu": 0.001,
        "max_count": 1000,
    }


class TestHttpObserver(PluginContract):
    use = "circus.plugins.http_observer.HttpObserver"
    options: ClassVar[Mapping[str, object]] = {"check_url": "http://127.0.0.1:9/", "loop_rate": 0.05}


class TestRedisObserver(PluginContract):
    use = "redis_observer"
    options: ClassVar[Mapping[str, object]] = {"redis_url": "redis://127.0.0.1:9/0", "loop_rate": 0.05}


class TestCommandReloader(PluginContract):
    use = "command_reloader"
    options: ClassVar[Mapping[str, object]] = {"loop_rate": 0.05, "folder": "/usr/lib/python3"}


# -- statsd ------------------------------------------------------------------------------------------------


class StatsdServer:
    """Takes datagrams; `seen` counts each metric without its value, `values` has the last one."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.values: dict[str, str] = {}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def wait(self, metric: str, count: int = 1) -> str:
        """Wait for so many of a metric and return its last value."""
        until(lambda: self.seen[metric] >= count, lambda: f"{count} x {metric} in {self.values}")
        return self.values[metric]

    def close(self) -> None:
        self._socket.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while datagram := self._socket.recv(2000):
            name, _, value = datagram.decode().partition(":")
            self.values[name] = value
            self.seen[name] += 1


@pytest.fixture
def statsd() -> Iterator[StatsdServer]:
    server = StatsdServer()
    yield server
    server.close()


# -- resource_watcher --------------------------------------------------------------------------------------


def metric(what: str, application: str = "app") -> str:
    return f"circus.{application}.watcher.{what}"


def test_what_uses_too_much_cpu_is_restarted(run_plugin: Run, statsd: StatsdServer) -> None:
    plugin = run_plugin(
        "resource_watcher",
        BUSY.format(python=sys.executable),
        watcher="my web",
        loop_rate=0.2,
        max_cpu=5,
        max_count=2,
        port=statsd.port,
    )
    web = plugin.daemon.watcher("My Web")
    before = web.pid()
    plugin.daemon.events.wait("my_web", "spawn", after=plugin.daemon.events.last)
    until(lambda: web.pids() not in ([], [before]))
    statsd.wait(metric("_resource_watcher.my web.restarting"))
    assert statsd.seen[metric("_resource_watcher.my web.over_cpu")] >= 3


LIMITS = {
    "absolute": ("max_mem", "100K", "over_memory"),
    "relative": ("max_mem", "0.0001", "over_memory"),
    "least": ("min_mem", "100G", "under_memory"),
    "idle": ("min_cpu", "50", "under_cpu"),
    "health": ("health_threshold", "0.0001", "over_health"),
}


def test_limits_are_seen(circusd: Callable[..., object], statsd: StatsdServer) -> None:
    use = "circus.plugins.resource_watcher.ResourceWatcher"
    common = f"use = {use}\nrun_in = daemon\nservice = My Web\nloop_rate = 0.1\nmax_count = 100000"
    sections = [
        f"[plugin:{name}]\n{common}\n{option} = {value}\napplication_name = {name}\nport = {statsd.port}\n"
        for name, (option, value, _) in LIMITS.items()
    ]
    circusd(WEB + "\n".join(sections))
    expected = {metric(f"_resource_watcher.My Web.{found}", name) for name, (*_, found) in LIMITS.items()}
    for name in expected:
        statsd.wait(name, count=3)
    assert set(statsd.seen) == expected


def test_a_watcher_that_is_stopped_or_unknown_is_left_alone(run_plugin: Run, statsd: StatsdServer) -> None:
    plugin = run_plugin(
        "resource_watcher",
        WEB,
        watcher="My Web",
        loop_rate=0.1,
        min_mem="100G",
        max_count=0,
        port=statsd.port,
    )
    statsd.wait(metric("_resource_watcher.My Web.restarting"))
    plugin.daemon.watcher("My Web").do("stop")
    plugin.daemon.call("rm", name="My Web", waiting=True)
    statsd.wait(metric("_resource_watcher.My Web.error"), count=2)


def test_a_child_that_uses_too_much_gets_the_signal(run_plugin: Run, tmp_path: Path) -> None:
    program = tmp_path / "parent"
    # the child that ends is replaced, and told of
    program.write_text(
        f"#!/bin/sh\nwhile :; do {sys.executable} -c 'while 1: pass'; echo $? >>{tmp_path}/ends; done\n"
    )
    program.chmod(0o755)
    plugin = run_plugin(
        "resource_watcher",
        f"[watcher:family]\ncmd = {program}\n",
        watcher="family",
        loop_rate=0.2,
        max_cpu=10,
        health_threshold=0,
        max_count=1,
        process_children=True,
        child_signal="SIGUSR1",
    )
    ends = tmp_path / "ends"
    until(lambda: ends.exists() and len(ends.read_text().split()) >= 2)
    assert set(ends.read_text().split()) == {"138"}
    assert plugin.daemon.events.all("family", "reap") == []


# -- http_observer -----------------------------------------------------------------------------------------


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of who has left before the answer."""


class Site:
    """A web server on a free port that answers with `status`."""

    def __init__(self) -> None:
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if site.is_slow:
                    site.is_over.wait(60)
                self.send_response(site.status)
                self.end_headers()
                self.wfile.write(b"x" * 300_000)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.status = 200
        self.is_slow = False
        self.is_over = threading.Event()
        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def close(self) -> None:
        self.is_over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    yield made
    made.close()


def test_a_site_is_measured_and_its_errors_restart_a_watcher(
    run_plugin: Run, statsd: StatsdServer, site: Site
) -> None:
    plugin = run_plugin(
        "http_observer",
        WEB,
        check_url=site.url,
        loop_rate=0.1,
        timeout=3,
        restart_on_error="My Web",
        port=statsd.port,
    )
    web = plugin.daemon.watcher("My Web")
    before = web.until_pids(2)
    time = statsd.wait(metric("http_stats.request_time", "http_observer"), count=3)
    assert time.endswith("|ms")
    assert int(time.removesuffix("|ms")) < 3000
    assert web.pids() == before
    site.status = 503
    statsd.wait(metric("http_stats.error.503", "http_observer"))
    statsd.wait(metric("http_stats.restart_on_error", "http_observer"))
    site.is_slow = True
    statsd.wait(metric("http_stats.error.599", "http_observer"))
    until(lambda: set(before).isdisjoint(web.pids()))
    assert statsd.seen[metric("http_stats.error", "http_observer")] >= 2
    plugin.do("stop")
    web.until("active")


# -- redis_observer ----------------------------------------------------------------------------------------

needs_redis = pytest.mark.skipif(
    shutil.which("redis-server") is None, reason="needs redis-server (Debian package redis-server)"
)


class Redis:
    """A Redis server of its own behind a file."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._socket = folder / "s"
        words = ["--port", "0", "--unixsocket", str(self._socket), "--save", "", "--dir", str(folder)]
        self._process = subprocess.Popen(["redis-server", *words], stdout=subprocess.DEVNULL)
        self.url = f"unix://{self._socket}"
        until(self._socket.exists)

    def stand_still(self) -> None:
        os.kill(self._process.pid, 19)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._socket.unlink(missing_ok=True)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    made = Redis(tmp_path / "r")
    yield made
    made.close()


@needs_redis
@pytest.mark.parametrize("way", ["stand_still", "close"])
def test_a_redis_server_is_told_of_and_its_silence_restarts_a_watcher(
    run_plugin: Run, statsd: StatsdServer, redis: Redis, way: str
) -> None:
    plugin = run_plugin(
        "redis_observer",
        WEB,
        redis_url=redis.url,
        loop_rate=0.1,
        timeout=2,
        restart_on_timeout="My Web",
        port=statsd.port,
    )
    assert statsd.wait(metric("redis_stats.connected_clients", "redis_observer"), count=3) == "1|g"
    ours = {name.removeprefix(metric("redis_stats.", "redis_observer")) for name in statsd.seen}
    assert {"used_memory", "keyspace_hits", "lru_clock", "uptime_in_seconds", "used_cpu_user"} <= ours
    web = plugin.daemon.watcher("My Web")
    before = web.until_pids(2)
    getattr(redis, way)()
    statsd.wait(metric("redis_stats.error", "redis_observer"))
    statsd.wait(metric("redis_stats.restart_on_error", "redis_observer"))
    until(lambda: set(before).isdisjoint(web.pids()))


# -- command_reloader --------------------------------------------------------------------------------------


class Programs:
    """A folder with programs, and the plugin that looks after them."""

    def __init__(self, run: Run, place: Path, **options: object) -> None:
        self.folder = place
        self.write("app")
        self.write("other")
        sections = (
            f"[watcher:My App]\ncmd = ./app -v $(circus.wid)\nworking_dir = {place}\n"
            f"[watcher:other]\ncmd = {place}/other\n[watcher:no path]\ncmd = sleep 1000\nautostart = False\n"
            f"[watcher:spared]\ncmd = {place}/app\ncommand_reloader.active = False\n"
        )
        self.plugin = run("command_reloader", sections, loop_rate=0.2, **options)
        self.daemon = self.plugin.daemon
        self.app = self.daemon.watcher("My App")
        self.app.until("active")
        until(lambda: "looking after the programs of" in self.daemon.log(), self.daemon.log)
        self.pid = self.app.pid()

    def write(self, name: str, folder: Path | None = None) -> Path:
        path = (folder or self.folder) / name
        # An existing one is changed by a single write: it is not empty in between.
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o755), "w") as program:
            program.write("#!/bin/sh\nexec sleep 1000\n")
        return path

    def wait_for_restart(self) -> None:
        """Wait for a further one."""
        until(lambda: self.app.pids() not in ([], [self.pid]), self.daemon.log)
        self.pid = self.app.pid()

    def restarted(self) -> int:
        return self.daemon.log().count("Restarting My App")


@pytest.fixture
def programs(run_plugin: Run, tmp_path: Path) -> Programs:
    folder = tmp_path / "programs"
    folder.mkdir()
    return Programs(run_plugin, folder)


def test_a_program_that_changes_is_restarted_and_no_other(programs: Programs) -> None:
    other = programs.daemon.watcher("other").pid()
    spared = programs.daemon.watcher("spared").pid()
    programs.write("app")
    programs.wait_for_restart()
    assert programs.restarted() == 1
    new = programs.write("app.new")  # an editor writes elsewhere and renames
    new.replace(programs.folder / "app")
    programs.wait_for_restart()
    programs.write("other")
    until(lambda: programs.daemon.watcher("other").pids() not in ([], [other]))
    assert programs.restarted() == 2
    assert programs.daemon.watcher("spared").pids() == [spared]
    assert programs.daemon.watcher("no path").status() == "stopped"


def test_a_mode_that_changes_and_a_file_that_is_away_are_no_change(programs: Programs) -> None:
    app = programs.folder / "app"
    app.chmod(0o700)
    app.rename(programs.folder / "aside")
    (programs.folder / "aside").rename(app)
    other = programs.daemon.watcher("other").pid()
    programs.write("other")
    until(lambda: programs.daemon.watcher("other").pids() not in ([], [other]))
    assert programs.restarted() == 0


def test_a_stopped_watcher_stays_stopped(programs: Programs) -> None:
    programs.app.do("stop")
    programs.write("app")
    other = programs.daemon.watcher("other").pid()
    programs.write("other")
    until(lambda: programs.daemon.watcher("other").pids() not in ([], [other]))
    assert programs.app.status() == "stopped"


def test_a_watcher_that_is_added_later_and_a_folder_that_is_replaced(programs: Programs) -> None:
    release = programs.folder / "release"
    release.mkdir()
    late = programs.write("late", release)
    programs.daemon.call("add", name="late", cmd=str(late), start=True)
    until(lambda: "programs of 5 watchers" in programs.daemon.log(), programs.daemon.log)
    watch = programs.daemon.watcher("late")
    for _ in range(2):
        before = watch.until_pids(1)
        new = programs.folder / "new"
        new.mkdir()
        programs.write("late", new)
        release.rename(programs.folder / f"old{before[0]}")
        new.rename(release)
        until(lambda before=before: watch.pids() not in ([], before))  # type: ignore[misc]


def test_a_link_that_is_pointed_elsewhere_is_a_change(programs: Programs) -> None:
    for name in ("v1", "v2"):
        (programs.folder / name).mkdir()
        programs.write("linked", programs.folder / name)
    current = programs.folder / "current"
    current.symlink_to("v1")
    programs.daemon.call("add", name="linked", cmd=str(current / "linked"), start=True)
    until(lambda: "programs of 5 watchers" in programs.daemon.log(), programs.daemon.log)
    watch = programs.daemon.watcher("linked")
    before = watch.until_pids(1)
    (programs.folder / "next").symlink_to("v2")
    (programs.folder / "next").rename(current)
    until(lambda: watch.pids() not in ([], before))
    before = watch.until_pids(1)
    programs.write("linked", programs.folder / "v2")
    until(lambda: watch.pids() not in ([], before))


def test_a_folder_counts_with_all_below_it(run_plugin: Run, tmp_path: Path) -> None:
    folder = tmp_path / "programs"
    library = folder / "library" / "deep"
    library.mkdir(parents=True)
    programs = Programs(run_plugin, folder, folder="library", files="*.py *.html")
    spared = programs.daemon.watcher("spared").pid()
    (library / "page.html").write_text("hello")
    programs.wait_for_restart()
    (library / "later").mkdir()
    for name in ("written.log", ".hidden.py", "x.pyc"):
        (library / name).write_text("no part of the program")
    programs.write("app")
    programs.wait_for_restart()
    (library / "later" / "module.py").write_text("pass")
    programs.wait_for_restart()
    assert programs.restarted() == 3
    assert programs.daemon.watcher("spared").pids() == [spared]
