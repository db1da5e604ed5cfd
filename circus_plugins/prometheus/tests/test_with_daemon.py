"""The plugin in both hosts under a real circusd, asked as Prometheus asks."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import ClassVar

import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from circus_core.testing import Daemon, PluginContract, StandInDaemon, Watch, until
from circus_prometheus.plugin import Prometheus

Run = Callable[..., Watch]
Samples = dict[tuple[str, ...], float]

LABELS = ("watcher", "state", "wid", "how", "code", "hook")
README = Path(__file__).parents[1] / "README.md"

SECTIONS = """
[watcher:My Web]
cmd = sleep 1000
numprocesses = 2

[watcher:hooked]
cmd = sleep 1000
autostart = False

[watcher:crashes]
cmd = sh -c 'exit 3'
"""

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="needs promtool (Debian package prometheus)"
)


class TestPrometheus(PluginContract):
    use = "prometheus"
    options: ClassVar[Mapping[str, object]] = {"port": 0}


def fetch(url: str, **headers: str) -> str:
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return str(answer.read().decode())


def samples(text: str) -> Samples:
    return {
        (sample.name, *(sample.labels[label] for label in LABELS if label in sample.labels)): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def url_of(daemon: Daemon) -> str:
    """Where the plugin says that it is."""
    found: list[str] = []

    def look() -> bool:
        found.extend(re.findall(r"metrics at (http://\S+)", daemon.log()))
        return bool(found)

    until(look, daemon.log)
    return found[-1]


def test_the_page_shows_what_runs(run_plugin: Run) -> None:
    plugin = run_plugin("prometheus", SECTIONS, port=0, cache=0)
    daemon = plugin.daemon
    url = url_of(daemon)
    web = daemon.watcher("My Web")
    first, _ = web.until_pids(2)
    daemon.call("signal", name="My Web", signum=int(signal.SIGKILL), pid=first)
    daemon.events.wait("my_web", "reap")
    daemon.events.wait("crashes", "backoff", count=2)
    web.until_pids(2)
    until(lambda: samples(fetch(url)).get(("circus_watcher_exits_total", "My Web", "signal", "SIGKILL")) == 1)
    until(lambda: samples(fetch(url)).get(("circus_watcher_restarts_total", "My Web")) == 1)
    until(lambda: samples(fetch(url)).get(("circus_watcher_backoffs_total", "crashes"), 0) >= 2)
    found = samples(fetch(url))
    assert found["circus_up",] == 1
    assert found["circus_watcher_state", "My Web", "active"] == 1
    assert found["circus_watcher_state", "hooked", "stopped"] == 1
    assert found["circus_watcher_processes_wanted", "My Web"] == 2
    assert found["circus_watcher_processes", "My Web"] == 2
    assert found["circus_watcher_last_exit_code", "My Web"] == -9
    assert found["circus_watcher_last_exit_code", "crashes"] == 3
    assert found["circus_watcher_exits_total", "crashes", "exit", "3"] >= 2
    assert found["circus_daemon_events_dropped_total",] == 0
    assert found["circus_daemon_start_time_seconds",] == pytest.approx(time.time(), abs=300)
    for wid in ("1", "2"):
        assert found["circus_process_resident_memory_bytes", "My Web", wid] > 4096
        assert found["circus_process_open_fds", "My Web", wid] >= 3
        assert found["circus_process_threads", "My Web", wid] == 1
        assert found["circus_process_start_time_seconds", "My Web", wid] == pytest.approx(
            time.time(), abs=300
        )


def test_a_hook_that_fails_is_counted(
    run_plugin: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "failing.py").write_text("def hook(*args, **kwargs):\n    raise ValueError('no')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    section = (
        "[watcher:hooked]\ncmd = sleep 1000\nautostart = False\nhooks.before_start = failing.hook, true\n"
    )
    plugin = run_plugin("prometheus", section, port=0, cache=0)
    url = url_of(plugin.daemon)
    plugin.daemon.call("start", name="hooked")
    until(
        lambda: samples(fetch(url)).get(("circus_watcher_hook_failures_total", "hooked", "before_start")) == 1
    )
    plugin.daemon.may_fail = True  # the log shows where the hook raised


@needs_promtool
def test_promtool_has_nothing_to_say_of_the_page(circusd: Callable[..., Daemon]) -> None:
    daemon = circusd(SECTIONS + "[plugin:p]\nuse = prometheus\nport = 0\ncache = 0\n")
    daemon.events.wait("crashes", "backoff", count=2)
    page = fetch(url_of(daemon))
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=page, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@needs_promtool
def test_promtool_accepts_the_rules_of_the_readme(tmp_path: Path) -> None:
    (rules,) = re.findall(r"```yaml\n(groups:.*?)```", README.read_text(), re.DOTALL)
    file = tmp_path / "rules.yml"
    file.write_text(rules)
    done = subprocess.run(["promtool", "check", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "4 rules found" in done.stdout


def test_openmetrics_is_spoken_to_who_asks_for_it(run_plugin: Run) -> None:
    url = url_of(run_plugin("prometheus", SECTIONS, port=0).daemon)
    text = fetch(url, Accept="application/openmetrics-text; version=1.0.0")
    assert text.endswith("# EOF\n")
    families = openmetrics.text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
    assert "circus_up" in {family.name for family in families}
    with pytest.raises(urllib.error.HTTPError, match="404"):
        fetch(url.replace("/metrics", "/other"))


def test_a_secret_is_asked_for(run_plugin: Run, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("open sesame\n")
    url = url_of(run_plugin("prometheus", port=0, token_file=secret).daemon)
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer "}):
        with pytest.raises(urllib.error.HTTPError, match="401"):
            fetch(url, **headers)
    assert "circus_up 1.0" in fetch(url, Authorization="Bearer open sesame")
    secret.write_text("changed")
    assert "circus_up 1.0" in fetch(url, Authorization="Bearer changed")


def test_it_can_listen_at_a_path_for_its_user_alone(run_plugin: Run, tmp_path: Path) -> None:
    path = tmp_path / "m"
    plugin = run_plugin("prometheus", unix_socket=path)
    assert path.stat().st_mode & 0o777 == 0o600
    connection = HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(path))
    connection.request("GET", "/metrics")
    assert b"circus_up 1.0" in connection.getresponse().read()
    connection.close()
    plugin.do("stop")
    assert not path.exists()


def test_a_port_that_is_taken_is_told(circusd: Callable[..., Daemon]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        daemon = circusd(f"[plugin:p]\nuse = prometheus\nport = {port}\n")
        until(lambda: f"can't listen at 127.0.0.1:{port}: Address already in use" in daemon.log(), daemon.log)


class Alone:
    """The plugin in a thread of the test, against a daemon that is played."""

    def __init__(self, daemon: StandInDaemon, **config: str) -> None:
        options = {"port": "0", **config}
        self._plugin = Prometheus(daemon.endpoint, daemon.pubsub_endpoint, 5.0, None, **options)
        self._is_ready = threading.Event()
        self._plugin.attach(show_life=lambda is_connected: self._is_ready.set())
        self._thread = threading.Thread(target=self._plugin.start)

    def __enter__(self) -> str:
        self._thread.start()
        assert self._is_ready.wait(20)
        return self._plugin._server.address

    def __exit__(self, *args: object) -> None:
        self._plugin.stop()
        self._thread.join(20)


def test_who_asks_at_the_same_time_shares_one_reading(stand_in_daemon: StandInDaemon) -> None:
    pages: list[str] = []
    with Alone(stand_in_daemon, cache="60") as url:
        askers = [threading.Thread(target=lambda: pages.append(fetch(url))) for _ in range(10)]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join(20)
    assert len(pages) == 10
    assert len(stand_in_daemon.asked("describe")) == 1
    assert len(stand_in_daemon.asked("dstats")) == 1


def test_a_daemon_that_is_silent_is_down_and_comes_back(stand_in_daemon: StandInDaemon) -> None:
    stand_in_daemon.replies["describe"] = lambda properties: None
    with Alone(stand_in_daemon, cache="0", timeout="0.2") as url:
        assert "circus_up 0.0" in fetch(url)
        stand_in_daemon.replies["describe"] = {"descriptions": {}}
        until(lambda: "circus_up 1.0" in fetch(url))


def test_a_thousand_processes_are_on_one_page(circusd: Callable[..., Daemon]) -> None:
    watchers = "".join(f"[watcher:w{n}]\ncmd = sleep 1000\nnumprocesses = 100\n" for n in range(10))
    daemon = circusd(f"{watchers}\n[plugin:p]\nuse = prometheus\nport = 0\ncache = 0\n")
    for number in range(10):
        daemon.watcher(f"w{number}").until_pids(100)
    url = url_of(daemon)
    started = time.monotonic()
    found = samples(fetch(url))
    took = time.monotonic() - started
    assert len([key for key in found if key[0] == "circus_process_threads"]) == 1001
    assert took < 10  # about 0.3 s on a quiet machine
