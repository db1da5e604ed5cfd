"""The pages beside those of watchers, clicked: events, output, sockets, daemons, and who may do what."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import expect

import circus_httpd
from circus_core.testing import Daemon, until
from circus_plugins.httpd.tests.conftest import SECTIONS, start
from circus_plugins.httpd.tests.dashboards import Dashboard, tokens_in

from .visits import Lounge, Visit

FEED = "feed.txt"
TALKER = """
[watcher:ticker]
cmd = tail -n +1 -F {feed}
numprocesses = 1
stdout_stream.class = StdoutStream
"""

PLACES = [
    "#/",
    *(
        f"#/watchers/main/web{tab}"
        for tab in ("", "/options", "/environment", "/wiring", "/exits", "/events", "/logs")
    ),
    "#/sockets",
    "#/events",
    "#/logs",
    "#/daemons",
]
AXE = Path(circus_httpd.__file__).parents[1] / "frontend/node_modules/axe-core/axe.min.js"
VIOLATIONS = """async () => (
    await axe.run({runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]})
).violations.map(found => `${found.id}: ${found.nodes[0].html} ${found.nodes[0].failureSummary}`)"""
CHANGES = re.compile(
    r"^(Start|Stop|Restart|Reload|More|Add|Remove|Kill|Send|Change|Show secrets|Connect|Forget|One)\b"
)


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A daemon whose watcher `ticker` says what is written into a file."""
    folder = tmp_path_factory.mktemp("d")
    (folder / FEED).write_text("first words\n")
    with ExitStack() as stack:
        yield start(folder, stack, SECTIONS + TALKER.format(feed=folder / FEED), with_figures=True)


def _say(dashboard: Dashboard, *lines: str) -> None:
    with (dashboard.daemon.folder / FEED).open("a") as feed:
        feed.writelines(f"{line}\n" for line in lines)


class TestEvents:
    def test_they_appear_as_they_happen_and_can_be_filtered(self, visit: Visit, dashboard: Dashboard) -> None:
        visit.place("Events")
        dashboard.daemon.watcher("ticker").do("restart")
        rows = visit.page.get_by_role("listitem").filter(has=visit.page.locator("time"))
        expect(rows.filter(has_text="ticker").filter(has_text="reap").first).to_be_visible()
        visit.page.get_by_role("searchbox").fill("ticker")
        expect(rows.filter(has_text="broken")).to_have_count(0)
        visit.page.get_by_label("Kind of event").select_option("spawn")
        expect(rows.first).to_contain_text("was started")
        expect(rows.filter(has_text="reap")).to_have_count(0)
        expect(visit.page).to_have_url(re.compile("watcher=ticker"))

    def test_trouble_can_be_looked_at_alone_and_with_all_its_figures(self, visit: Visit) -> None:
        visit.place("Events")
        visit.page.get_by_label("Kind of event").select_option("!")
        row = visit.page.get_by_role("listitem").filter(has_text="broken").first
        row.get_by_role("button").click()
        expect(visit.page.get_by_role("dialog")).to_contain_text("broken")
        visit.page.keyboard.press("Escape")
        expect(visit.page.get_by_role("dialog")).to_have_count(0)

    def test_a_pause_holds_them_back(self, visit: Visit, dashboard: Dashboard) -> None:
        visit.place("Events")
        visit.page.get_by_role("searchbox").fill("ticker")
        count = (
            visit.page.get_by_role("main").get_by_role("status").filter(has_text=re.compile(r"\d events?"))
        )
        visit.button("Pause").click()
        before = count.inner_text()
        dashboard.daemon.watcher("ticker").do("restart")
        visit.page.get_by_role("button", name=re.compile(r"Go on \(\d+ new\)")).click()
        expect(count).not_to_have_text(before)


class TestLogs:
    def test_new_lines_are_followed(self, visit: Visit, dashboard: Dashboard) -> None:
        visit.output_of("ticker")
        lines = visit.page.get_by_role("log")
        expect(lines).to_contain_text("first words")
        _say(dashboard, *(f"line {number}" for number in range(500)), "the newest")
        expect(lines.get_by_text("the newest")).to_be_in_viewport()
        lines.hover()
        visit.page.mouse.wheel(0, -2000)
        expect(visit.button("Follow")).to_have_attribute("aria-pressed", "false")
        _say(dashboard, "after the newest")
        expect(visit.page.get_by_role("status").filter(has_text="50")).to_be_visible()
        expect(lines.get_by_text("after the newest")).to_have_count(0)
        visit.button("Follow").click()
        expect(lines.get_by_text("after the newest")).to_be_in_viewport()

    def test_a_search_leaves_what_has_the_text(self, visit: Visit, dashboard: Dashboard) -> None:
        _say(dashboard, "a needle", "hay")
        visit.output_of("ticker")
        visit.page.get_by_role("searchbox", name="Search the output").fill("NEEDLE")
        lines = visit.page.get_by_role("log")
        expect(lines.locator("mark").first).to_have_text("needle")
        expect(lines.get_by_text("hay", exact=True)).to_have_count(0)

    def test_a_download_has_what_is_shown(self, visit: Visit, dashboard: Dashboard) -> None:
        _say(dashboard, "for the file")
        visit.output_of("ticker")
        visit.page.get_by_role("searchbox", name="Search the output").fill("for the")
        expect(visit.page.get_by_role("log").locator("mark").first).to_be_visible()
        with visit.page.expect_download() as download:
            visit.page.get_by_role("link", name="Download").click()
        text = Path(download.value.path()).read_text()
        assert "for the file" in text
        assert "first words" not in text
        assert re.fullmatch(r"[\w.-]+\.(txt|log)", download.value.suggested_filename)

    def test_streams_are_told_apart(self, visit: Visit) -> None:
        visit.output_of("Talker One")
        lines = visit.page.get_by_role("log")
        expect(lines).to_contain_text("<b>err")
        visit.page.get_by_label("Stream").select_option("stdout")
        expect(lines).to_contain_text("out 1")
        expect(lines).not_to_contain_text("<b>err")


class TestDaemons:
    def test_connections_raise_the_rate_of_a_socket(self, visit: Visit, dashboard: Dashboard) -> None:
        port = dashboard.daemon.call("listsockets")["sockets"]
        address = next(s for s in port if s["name"] == "web")
        visit.place("Sockets")
        card = visit.page.get_by_role("article").filter(has=visit.page.get_by_role("heading", name="web"))
        expect(card).to_contain_text("nobody" if not address else "web")
        with ExitStack() as stack:

            def came() -> bool:
                stack.enter_context(socket.create_connection(("127.0.0.1", address["port"])))
                visit.page.wait_for_timeout(100)  # lets the page go on
                return bool(re.search(r"[1-9]", card.locator(".chart-now").inner_text()))

            until(came)
        expect(card).to_contain_text("waiting to be accepted")

    def test_the_plan_is_shown_before_anything_is_done(self, visit: Visit, dashboard: Dashboard) -> None:
        daemon = dashboard.daemon
        sections = SECTIONS + TALKER.format(feed=daemon.folder / FEED)
        daemon.write_ini(f"{sections}\n[watcher:planned]\ncmd = sleep 1000\n")
        try:
            visit.button("Reload config").click()
            dialog = visit.page.get_by_role("dialog")
            expect(dialog.get_by_role("listitem")).to_have_count(1)
            expect(dialog.get_by_role("listitem")).to_contain_text("planned")
            assert "planned" not in daemon.call("list")["watchers"]
            dialog.get_by_role("button", name="Apply 1 step").click()
            expect(visit.row("planned")).to_contain_text("active")
            assert daemon.watcher("planned").status() == "active"
        finally:
            daemon.write_ini(sections)
            daemon.call("reloadconfig", waiting=True)
        expect(visit.row("planned")).to_have_count(0)

    def test_a_file_with_a_mistake_is_told_and_changes_nothing(
        self, visit: Visit, dashboard: Dashboard
    ) -> None:
        daemon = dashboard.daemon
        sections = SECTIONS + TALKER.format(feed=daemon.folder / FEED)
        visit.expected.append("status of 4")
        daemon.write_ini(f"{sections}\n[watcher:wrong]\ncmd = true\nnumprocesses = many\n")
        try:
            visit.button("Reload config").click()
            dialog = visit.page.get_by_role("dialog")
            expect(dialog.get_by_role("alert")).to_contain_text("numprocesses")
            expect(dialog.get_by_role("button", name=re.compile("Apply"))).to_have_count(0)
        finally:
            daemon.write_ini(sections)

    def test_a_second_daemon_stands_beside_the_first(
        self, visit: Visit, circusd: Callable[..., Daemon]
    ) -> None:
        other = circusd("[watcher:elsewhere]\ncmd = sleep 1000\nnumprocesses = 1\n")
        visit.expected.append("/history")  # it has no figures, then it is gone
        visit.place("Daemons")
        visit.button("Connect another").click()
        visit.page.get_by_label("Endpoint").fill(other.endpoint)
        visit.confirm("Connect")
        visit.place("Watchers")
        expect(visit.row("web")).to_be_visible()
        expect(visit.row("elsewhere")).to_contain_text("active")
        visit.button("Stop elsewhere").click()
        visit.confirm("Stop")
        other.watcher("elsewhere").until("stopped")
        visit.place("Daemons")
        visit.button(f"Forget {other.endpoint}").click()
        visit.confirm("Forget")
        visit.place("Watchers")
        expect(visit.row("elsewhere")).to_have_count(0)

    def test_plugins_are_started_and_stopped(self, visit: Visit, dashboard: Dashboard) -> None:
        visit.place("Daemons")
        plugins = visit.page.get_by_role("region", name="Plugins")
        for action, status in (("Start", "active"), ("Stop", "stopped")):
            button = plugins.get_by_role("button", name=f"{action} plugin:flapping")
            expect(button).to_be_visible()
            button.click()
            visit.confirm(action)
            dashboard.daemon.watcher("plugin:flapping").until(status)


class TestWhoComesIn:
    def test_a_token_lets_in_until_it_is_given_back(self, lounge: Lounge) -> None:
        with lounge.stranger() as visit:
            visit.expected.append("status of 401")
            field = visit.page.get_by_label("Token")
            field.fill("guessed")
            visit.button("Log in").click()
            expect(visit.page.get_by_role("alert").filter(has_text="token")).to_be_visible()
            field.fill(tokens_in(lounge.dashboard.state)["full"])
            visit.button("Log in").click()
            visit.has_pages()
            visit.page.reload()
            visit.has_pages()
            visit.button("Log out").click()
            expect(field).to_be_visible()
            visit.page.reload()
            expect(field).to_be_visible()

    def test_the_token_of_an_address_is_not_left_there(self, lounge: Lounge) -> None:
        token = tokens_in(lounge.dashboard.state)["read"]
        with lounge.stranger(f"#token={token}") as visit:
            visit.has_pages()
            assert token not in visit.page.url
            visit.place("Sockets")
            visit.page.go_back()
            assert token not in visit.page.url

    def test_who_may_only_look_finds_nothing_to_press_and_the_server_agrees(
        self, reader: Visit, dashboard: Dashboard
    ) -> None:
        expect(reader.page.get_by_text("read only")).to_be_visible()
        for fragment in ("#/", "#/watchers/main/web", "#/watchers/main/web/wiring", "#/daemons"):
            reader.go(fragment)
            reader.is_filled()
            expect(reader.page.get_by_role("button", name=CHANGES)).to_have_count(0)
        reader.go("#/watchers/main/web")
        expect(reader.page.get_by_role("tab", name="Processes")).to_be_visible()
        for private in ("Options", "Environment"):
            expect(reader.page.get_by_role("tab", name=private)).to_have_count(0)
        reader.expected.append("status of 403")
        status = reader.page.evaluate(
            """async () => {
                const session = await (await fetch("api/session")).json();
                const answer = await fetch("api/daemons/main/watchers/web/stop", {
                    method: "POST", body: "{}",
                    headers: {"Content-Type": "application/json", "X-CSRF-Token": session.csrf},
                });
                return answer.status;
            }"""
        )
        assert status == 403
        assert dashboard.daemon.watcher("web").status() == "active"


class TestHowItLooks:
    def test_colours_follow_the_system_until_they_are_chosen(self, visit: Visit) -> None:
        def ground() -> str:
            return str(visit.page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))

        light = ground()
        visit.page.emulate_media(color_scheme="dark")
        until(lambda: ground() != light)
        dark = ground()
        visit.page.get_by_role("button", name=re.compile("^Colours as the system")).click()
        until(lambda: ground() == light)
        visit.page.reload()
        visit.has_pages()
        assert ground() == light
        visit.page.emulate_media(color_scheme="light")
        visit.page.get_by_role("button", name=re.compile("^Light colours")).click()
        until(lambda: ground() == dark)

    def test_a_watcher_is_stopped_and_started_with_the_keyboard_alone(
        self, visit: Visit, dashboard: Dashboard
    ) -> None:
        watcher = dashboard.daemon.watcher("Talker One")
        dialog = visit.page.get_by_role("dialog")
        visit.reach_by_tab("Stop Talker One")
        visit.page.keyboard.press("Enter")
        expect(dialog).to_be_visible()
        visit.page.keyboard.press("Escape")
        expect(visit.button("Stop Talker One")).to_be_focused()
        visit.page.keyboard.press("Enter")
        expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
        visit.reach_by_tab("Stop")
        visit.page.keyboard.press("Space")
        watcher.until("stopped")
        expect(visit.row("Talker One")).to_contain_text("stopped")
        visit.reach_by_tab("Start Talker One")
        visit.page.keyboard.press("Enter")
        expect(dialog.get_by_role("button", name="Start", exact=True)).to_be_focused()
        visit.page.keyboard.press("Enter")
        watcher.until("active")

    def test_arrows_go_along_menus_and_tabs(self, visit: Visit) -> None:
        visit.button("More for web").focus()
        visit.page.keyboard.press("Enter")
        expect(visit.page.get_by_role("menuitem", name="Restart")).to_be_focused()
        visit.page.keyboard.press("End")
        expect(visit.page.get_by_role("menuitem", name="Remove")).to_be_focused()
        visit.page.keyboard.press("Escape")
        expect(visit.button("More for web")).to_be_focused()
        visit.watcher("web")
        visit.page.get_by_role("tab", name="Processes").focus()
        visit.page.keyboard.press("ArrowRight")
        expect(visit.page.get_by_role("tab", name="Options")).to_be_focused()
        expect(visit.page.get_by_role("tabpanel", name="Options")).to_be_visible()

    @pytest.mark.skipif(
        not AXE.exists(), reason="there is no axe-core; `npm ci` in the folder of the pages gets it"
    )
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_no_page_shuts_anybody_out(self, visit: Visit, scheme: Literal["light", "dark"]) -> None:
        """Contrast, names, roles, order: what axe-core can judge of WCAG 2.1 AA."""
        visit.page.emulate_media(color_scheme=scheme)
        visit.page.evaluate(AXE.read_text())
        for fragment in PLACES:
            visit.go(fragment)
            visit.is_filled()
            assert visit.page.evaluate(VIOLATIONS) == [], fragment

    @pytest.mark.parametrize("width", [320, 360, 800, 1280])
    def test_no_page_is_wider_than_the_screen(self, visit: Visit, width: int) -> None:
        visit.page.set_viewport_size({"width": width, "height": 740})
        for fragment in PLACES:
            visit.go(fragment)
            visit.is_filled()
            visit.fits()
