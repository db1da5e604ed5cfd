"""Watchers, clicked: each action is looked for in the daemon."""

from __future__ import annotations

import os
from typing import Any

import psutil
from playwright.sync_api import expect

from circus_core.testing import until
from circus_plugins.httpd.tests.dashboards import Dashboard

from .visits import Visit


def _pids(dashboard: Dashboard, name: str) -> list[int]:
    return sorted(dashboard.daemon.call("list", name=name)["pids"])


def _two_pids(dashboard: Dashboard) -> list[int]:
    """The processes of `web`, when there are as many as there are to be."""
    return sorted(dashboard.daemon.watcher("web").until_pids(2))


def _status(dashboard: Dashboard, name: str) -> Any:
    return dashboard.daemon.call("status", name=name)["status"]


class TestOverview:
    def test_every_watcher_has_its_row(self, visit: Visit) -> None:
        for name in ("web", "Talker One", "broken", "idle"):
            expect(visit.row(name)).to_be_visible()
        expect(visit.row("web")).to_contain_text("active")
        expect(visit.row("idle")).to_contain_text("stopped")

    def test_services_stand_apart(self, visit: Visit) -> None:
        services = visit.page.get_by_role("table", name="Plugins and services of")
        for name in ("circushttpd", "circusd-stats"):
            expect(services.get_by_role("link", name=name, exact=True)).to_be_visible()

    def test_the_filter_leaves_what_fits(self, visit: Visit) -> None:
        visit.page.get_by_role("searchbox").fill("talk")
        expect(visit.row("Talker One")).to_be_visible()
        expect(visit.row("web")).to_have_count(0)

    def test_a_click_on_a_heading_sorts(self, visit: Visit) -> None:
        names = visit.page.locator(".watchers").first.locator(".row:not(.row-head) a")
        expect(names.first).to_have_text("broken")
        visit.button("Watcher").first.click()
        expect(names.first).to_have_text("zz-beacon")

    def test_start_and_stop_are_asked_for_and_done(self, visit: Visit, dashboard: Dashboard) -> None:
        visit.button("Start idle").click()
        visit.confirm("Start")
        until(lambda: _status(dashboard, "idle") == "active")
        expect(visit.row("idle")).to_contain_text("active")
        visit.button("Stop idle").click()
        visit.confirm("Stop")
        until(lambda: _status(dashboard, "idle") == "stopped")
        expect(visit.row("idle")).to_contain_text("stopped")

    def test_cancel_does_nothing(self, visit: Visit, dashboard: Dashboard) -> None:
        pids = _two_pids(dashboard)
        visit.button("Stop web").click()
        visit.confirm("Cancel")
        expect(visit.page.get_by_role("dialog")).to_have_count(0)
        assert (_status(dashboard, "web"), _pids(dashboard, "web")) == ("active", pids)


class TestOneWatcher:
    def test_more_and_fewer_processes(self, visit: Visit, dashboard: Dashboard) -> None:
        visit.watcher("web")
        visit.button("One process more").click()
        until(lambda: len(_pids(dashboard, "web")) == 3)
        expect(
            visit.page.get_by_role("table", name="Processes").locator(".row:not(.row-head)")
        ).to_have_count(3)
        visit.button("One process less").click()
        until(lambda: len(_pids(dashboard, "web")) == 2)

    def test_restart_replaces_all(self, visit: Visit, dashboard: Dashboard) -> None:
        before = _two_pids(dashboard)
        visit.watcher("web")
        visit.button("Restart").click()
        visit.confirm("Restart")
        until(lambda: not set(before) & set(_pids(dashboard, "web")) and len(_pids(dashboard, "web")) == 2)

    def test_reload_replaces_all(self, visit: Visit, dashboard: Dashboard) -> None:
        before = _two_pids(dashboard)
        visit.watcher("web")
        visit.button("Reload").click()
        until(lambda: not set(before) & set(_pids(dashboard, "web")) and len(_pids(dashboard, "web")) == 2)

    def test_a_killed_process_is_replaced(self, visit: Visit, dashboard: Dashboard) -> None:
        pid = _two_pids(dashboard)[0]
        visit.watcher("web")
        visit.button(f"Kill process {pid}").click()
        visit.confirm("Kill")
        until(lambda: not psutil.pid_exists(pid) and len(_pids(dashboard, "web")) == 2)
        expect(visit.button(f"Kill process {pid}")).to_have_count(0)

    def test_a_signal_reaches_one_process(self, visit: Visit, dashboard: Dashboard) -> None:
        first, second = _two_pids(dashboard)
        visit.watcher("web")
        visit.button(f"Send a signal to {first}").click()
        visit.page.get_by_label("Signal", exact=True).fill("STOP")
        visit.confirm("Send")
        until(lambda: psutil.Process(first).status() == psutil.STATUS_STOPPED)
        assert psutil.Process(second).status() != psutil.STATUS_STOPPED
        os.kill(first, 18)
        until(lambda: psutil.Process(first).status() != psutil.STATUS_STOPPED)

    def test_an_option_is_changed(self, visit: Visit, dashboard: Dashboard) -> None:
        visit.watcher("web", "Options")
        visit.page.get_by_role("searchbox", name="Filter options").fill("graceful")
        visit.button("Change graceful_timeout").click()
        visit.page.get_by_label("Value").fill("7.5")
        visit.confirm("Change")
        until(
            lambda: (
                dashboard.daemon.call("get", name="web", keys=["graceful_timeout"])["options"]
                == {"graceful_timeout": 7.5}
            )
        )
        expect(visit.page.get_by_role("row", name="graceful_timeout")).to_contain_text("7.5")

    def test_what_an_option_can_not_be_is_told(self, visit: Visit, dashboard: Dashboard) -> None:
        before = dashboard.daemon.call("get", name="web", keys=["graceful_timeout"])["options"]
        visit.watcher("web", "Options")
        visit.button("Change graceful_timeout").click()
        visit.page.get_by_label("Value").fill("soon")
        visit.confirm("Change")
        visit.expected.append("status of 4")
        visit.is_told("graceful_timeout")
        assert dashboard.daemon.call("get", name="web", keys=["graceful_timeout"])["options"] == before

    def test_secrets_of_the_environment_are_masked_until_they_are_asked_for(self, visit: Visit) -> None:
        visit.watcher("web", "Environment")
        table = visit.page.get_by_role("table")
        expect(table).to_contain_text("blue")
        expect(table).not_to_contain_text("open-sesame")
        expect(table).not_to_contain_text("hunter2")
        visit.button("Show secrets").click()
        expect(table).to_contain_text("open-sesame")

    def test_a_watcher_is_added_and_removed(self, visit: Visit, dashboard: Dashboard) -> None:
        visit.button("Add watcher").click()
        dialog = visit.page.get_by_role("dialog")
        dialog.get_by_label("Name").fill("added here")
        dialog.get_by_label("Command").fill("sleep 1000")
        dialog.get_by_label("Processes").fill("2")
        dialog.get_by_role("button", name="Add", exact=True).click()
        expect(visit.page.get_by_role("heading", name="added here")).to_be_visible()
        until(lambda: len(_pids(dashboard, "added here")) == 2)
        pids = _pids(dashboard, "added here")
        visit.choose("More", "Remove")
        visit.confirm("Remove")
        until(lambda: "added here" not in dashboard.daemon.call("list")["watchers"])
        until(lambda: not any(psutil.pid_exists(pid) for pid in pids))

    def test_sockets_and_hooks_are_shown(self, visit: Visit) -> None:
        visit.watcher("web", "Sockets & hooks")
        panel = visit.page.get_by_role("tabpanel")
        expect(panel).to_contain_text("web")
        expect(panel).to_contain_text("before_spawn")
        expect(panel).to_contain_text("hooks.allow")
