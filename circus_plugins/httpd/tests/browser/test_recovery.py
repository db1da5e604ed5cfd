"""What somebody who leaves a page open sees when daemons and services go and come back."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import expect

from circus_core.testing import free_port, until
from circus_plugins.httpd.tests.conftest import start
from circus_plugins.httpd.tests.dashboards import Dashboard

from .visits import Visit

SECTIONS = """
[watcher:web]
cmd = sleep 1000
numprocesses = 2
"""


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A daemon whose dashboard comes back at the same port."""
    folder = tmp_path_factory.mktemp("d")
    with ExitStack() as stack:
        yield start(folder, stack, SECTIONS, with_figures=True, httpd_port=free_port())


def test_figures_come_back_when_statistics_were_killed(visit: Visit, dashboard: Dashboard) -> None:
    visit.expected.append("/history")  # asked for while there are none
    visit.watcher("web")
    figures = visit.page.get_by_role("table", name="Processes").locator(".cell-memory .number")
    expect(figures).to_contain_text(["B", "B"])
    statistics = dashboard.daemon.watcher("circusd-stats")
    pid = statistics.pid()
    os.kill(pid, signal.SIGKILL)
    until(lambda: statistics.pids() not in ([], [pid]))
    dashboard.daemon.watcher("web").do("incr")
    expect(figures).to_contain_text(["B", "B", "B"])  # the third is known to the new ones only


def test_the_pages_outlive_a_restart_of_circusd_and_catch_up(visit: Visit, dashboard: Dashboard) -> None:
    """`circusctl quit`, then a new circusd that was told of one watcher more."""
    daemon = dashboard.daemon
    visit.expected += ["ERR_", "WebSocket", "status of 50", "/history"]
    pids = daemon.watcher("web").pids()
    expect(visit.row("web")).to_contain_text("active")
    daemon.call("quit")
    daemon.wait()
    banner = visit.page.get_by_role("status").filter(has_text="The connection is broken")
    expect(banner).to_be_visible()
    expect(visit.row("web")).to_be_visible()
    daemon.write_ini(f"{SECTIONS}\n[watcher:newcomer]\ncmd = sleep 1000\n")
    daemon.__enter__()
    expect(banner).to_have_count(0)
    expect(visit.row("newcomer")).to_contain_text("active")
    visit.watcher("web")
    for pid in daemon.watcher("web").pids():
        assert pid not in pids
        expect(visit.button(f"Kill process {pid}")).to_be_visible()
    visit.place("Events")
    daemon.watcher("newcomer").do("restart")
    expect(visit.page.get_by_role("listitem").filter(has_text="newcomer").first).to_be_visible()


def test_the_pages_outlive_a_restart_of_the_dashboard(visit: Visit, dashboard: Dashboard) -> None:
    visit.expected += ["ERR_", "WebSocket", "status of 50", "/history"]
    service = dashboard.daemon.watcher("circushttpd")
    expect(visit.row("web")).to_contain_text("2/2")
    pid = service.pid()
    os.kill(pid, signal.SIGKILL)
    until(lambda: service.pids() not in ([], [pid]))
    dashboard.daemon.watcher("web").do("incr")
    expect(visit.row("web")).to_contain_text("3/3")
    banner = visit.page.get_by_role("status").filter(has_text="The connection is broken")
    expect(banner).to_have_count(0)
    visit.button("Stop web").click()
    visit.confirm("Stop")
    dashboard.daemon.watcher("web").until("stopped")
