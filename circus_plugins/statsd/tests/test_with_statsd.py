"""circusd, the plugins in both hosts, and the original statsd."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from circus_core.testing import PluginContract, Watch, until

from .statsd_server import Statsd, free_udp_port, needs_statsd

Run = Callable[..., Watch]

WATCHERS = """
[watcher:Web One]
cmd = sleep 1000
numprocesses = 2
autostart = False
[watcher:none]
cmd = sleep 1000
autostart = False
"""


class TestStatsdEmitter(PluginContract):
    use = "statsd_emitter"


class TestFullStats(PluginContract):
    use = "full_stats"

    @pytest.fixture
    def plugin_options(self) -> dict[str, object]:
        return {"loop_rate": 0.02, "port": free_udp_port()}


@pytest.fixture
def statsd(tmp_path: Path) -> Iterator[Statsd]:
    with Statsd(tmp_path) as server:
        yield server


def address(statsd: Statsd) -> dict[str, object]:
    return {"host": "127.0.0.1", "port": statsd.port}


@needs_statsd
def test_events_are_counted(run_plugin: Run, statsd: Statsd) -> None:
    plugin = run_plugin("statsd_emitter", WATCHERS, application_name="shop", **address(statsd))
    web = plugin.daemon.watcher("Web One")
    web.do("start")
    plugin.daemon.call("signal", name="Web One", pid=web.pids()[0], signum=int(signal.SIGKILL))
    plugin.daemon.events.wait("web_one", "spawn", count=3)
    web.do("stop")
    expected = {"spawn": 3, "reap": 3, "start": 1, "stop": 1}

    def counted() -> dict[str, float]:
        found = statsd.counters()
        return {action: found.get(f"circus.shop.watcher.web_one.{action}", 0) for action in expected}

    until(lambda: counted() == expected, lambda: f"{statsd.counters()}")
    assert statsd.bad_lines() == 0


@needs_statsd
def test_figures_arrive_as_gauges(run_plugin: Run, statsd: Statsd) -> None:
    plugin = run_plugin("full_stats", WATCHERS, loop_rate=0.1, **address(statsd))
    plugin.daemon.watcher("Web One").do("start")
    place = "circus.app.watcher._stats.Web_One"  # statsd itself writes _ for blanks
    until(lambda: statsd.gauges().get(f"{place}.watchers_num") == 2, lambda: f"{statsd.gauges()}")
    figures = ("cpu_max", "cpu_sum", "mem_pct_max", "mem_pct_sum", "mem_max", "mem_sum")

    def sent() -> set[str]:
        return {name.rpartition(".")[2] for name in statsd.gauges() if name.startswith(place)}

    until(lambda: sent() == {"watchers_num", *figures}, lambda: f"{statsd.gauges()}")
    until(lambda: "circus.app.watcher._stats.none.watchers_num" in statsd.gauges())
    gauges = statsd.gauges()
    assert 0 < gauges[f"{place}.mem_max"] <= gauges[f"{place}.mem_sum"]
    assert gauges["circus.app.watcher._stats.none.watchers_num"] == 0
    assert "circus.app.watcher._stats.none.cpu_max" not in gauges
    assert not [name for name in gauges if "plugin" in name]
    assert statsd.bad_lines() == 0


@needs_statsd
def test_a_watcher_may_be_a_tag(run_plugin: Run, statsd: Statsd) -> None:
    plugin = run_plugin(
        "statsd_emitter", WATCHERS, watcher_tag=True, tags="env:test, eu:1", **address(statsd)
    )
    plugin.daemon.watcher("Web One").do("start")
    name = "circus.app.watcher.spawn;env=test;eu=1;watcher=web_one"  # tags as statsd stores them
    until(lambda: statsd.counters().get(name) == 2, lambda: f"{statsd.counters()}")
    assert statsd.bad_lines() == 0


@needs_statsd
def test_observers_of_others_work_and_go_on_after_a_failure(
    run_plugin: Run, statsd: Statsd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    more = f"""
        [plugin:disk]
        use = disk_space.DiskSpace
        loop_rate = 0.1
        host = 127.0.0.1
        port = {statsd.port}
    """
    plugin = run_plugin("disk_space.Failing", dedent(more), loop_rate=0.05, **address(statsd))
    until(lambda: len(statsd.timers().get("circus.app.watcher.looks", ())) >= 2)
    assert statsd.timers()["circus.app.watcher.looks"][:2] == [2, 4]
    until(lambda: statsd.gauges().get("circus.app.watcher.disk.free", 0) > 0)
    until(lambda: "could not look: RuntimeError: no luck" in plugin.daemon.log())
    plugin.daemon.may_fail = True  # the traceback of the failure


def test_a_server_that_is_not_there_is_no_trouble(run_plugin: Run) -> None:
    plugin = run_plugin("statsd_emitter", WATCHERS, host="no-such-host.invalid", port=free_udp_port())
    plugin.daemon.watcher("Web One").do("start")
    until(lambda: "metrics to no-such-host.invalid" in plugin.daemon.log(), plugin.daemon.log)
    plugin.do("stop")
    (end,) = plugin.daemon.events.wait(plugin.name, "reap")
    assert end.payload["exit_code"] == 0
