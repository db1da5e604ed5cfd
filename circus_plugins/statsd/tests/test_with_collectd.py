"""The plugins and another server that speaks the protocol of statsd: collectd, which writes to files."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from circus_core.testing import Watch, until

from .statsd_server import free_udp_port

Run = Callable[..., Watch]

COLLECTD = shutil.which("collectd") or shutil.which("collectd", path="/usr/sbin")
PLUGINS = Path("/usr/lib/collectd")

pytestmark = pytest.mark.skipif(
    COLLECTD is None or not (PLUGINS / "statsd.so").exists(),
    reason="there is no collectd with its plugin statsd",
)

CONFIGURATION = """
Hostname "here"
FQDNLookup false
Interval 0.1
BaseDir "{folder}"
PIDFile "{folder}/pid"
PluginDir "{plugins}"
TypesDB "/usr/share/collectd/types.db"
LoadPlugin csv
<Plugin csv>
  DataDir "{folder}/csv"
  StoreRates false
</Plugin>
LoadPlugin statsd
<Plugin statsd>
  Host "127.0.0.1"
  Port "{port}"
</Plugin>
"""

WATCHERS = "[watcher:Web One]\ncmd = sleep 1000\nnumprocesses = 2\nautostart = False\n"


class Collectd:
    """A server; `value` is the last one that it wrote."""

    def __init__(self, folder: Path) -> None:
        self.port = free_udp_port()
        self._folder = folder
        config = folder / "collectd.conf"
        config.write_text(CONFIGURATION.format(folder=folder, plugins=PLUGINS, port=self.port))
        words = [str(COLLECTD), "-f", "-C", str(config)]
        self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def value(self, metric: str) -> float | None:
        for file in sorted(
            self._folder.glob(f"csv/here/statsd/{metric}-20*"), reverse=True
        ):  # one for each day
            _, *values = file.read_text().splitlines() or [""]
            if values:
                return float(values[-1].split(",")[1])
        return None


@pytest.fixture
def collectd(tmp_path: Path) -> Iterator[Collectd]:
    server = Collectd(tmp_path)
    yield server
    server.process.kill()
    server.process.wait()


def test_events_are_counted(run_plugin: Run, collectd: Collectd) -> None:
    plugin = run_plugin("statsd_emitter", WATCHERS, host="127.0.0.1", port=collectd.port)
    is_up(plugin, collectd)
    plugin.daemon.watcher("Web One").do("start")
    until(lambda: collectd.value("derive-circus.app.watcher.web_one.spawn") == 2)


def test_figures_arrive_as_gauges(run_plugin: Run, collectd: Collectd) -> None:
    plugin = run_plugin("full_stats", WATCHERS, host="127.0.0.1", port=collectd.port, loop_rate=0.1)
    plugin.daemon.watcher("Web One").do("start")
    place = "gauge-circus.app.watcher._stats.Web One"
    until(lambda: collectd.value(f"{place}.watchers_num") == 2)
    until(lambda: (collectd.value(f"{place}.mem_max") or 0) > 1000)


def is_up(plugin: Watch, collectd: Collectd) -> None:
    """Cause events until one of them has been counted."""

    def is_counted() -> bool:
        plugin.daemon.call("set", name="Web One", options={"graceful_timeout": 5})
        return bool(collectd.value("derive-circus.app.watcher.web_one.updated"))

    until(is_counted)
