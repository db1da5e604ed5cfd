"""Pages that stay open while somebody logs in anew, here or elsewhere, or while the session ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import expect

from circus_core.testing import until
from circus_httpd.tokens import TokenFile
from circus_plugins.httpd.tests.conftest import start
from circus_plugins.httpd.tests.dashboards import Dashboard, tokens_in

from .visits import Lounge

SECTIONS = """
[watcher:web]
cmd = sleep 1000
"""


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    folder: Path = tmp_path_factory.mktemp("d")
    with ExitStack() as stack:
        yield start(folder, stack, SECTIONS)


def test_a_token_is_taken_from_an_address_that_is_pasted_into_an_open_page(lounge: Lounge) -> None:
    tokens = tokens_in(lounge.dashboard.state)
    with lounge.stranger() as visit:
        visit.expected += ["status of 401", "/history"]
        expect(visit.page.get_by_label("Token")).to_be_visible()
        visit.go(f"#token={tokens['full']}")
        expect(visit.button("More for web")).to_be_visible()
        assert tokens["full"] not in visit.page.url
        visit.go(f"#token={tokens['read']}")
        expect(visit.page.get_by_text("read only")).to_be_visible()
        expect(visit.row("web")).to_contain_text("active")
        expect(visit.button("More for web")).to_have_count(0)
        assert tokens["read"] not in visit.page.url


def test_who_logs_in_again_in_another_tab_can_go_on_in_the_first(
    lounge: Lounge, dashboard: Dashboard
) -> None:
    login = f"#token={tokens_in(dashboard.state)['full']}"
    with lounge.stranger(login) as visit:
        visit.expected += ["status of 403", "/history"]  # the token of the session before
        expect(visit.row("web")).to_contain_text("1/1")
        other = visit.page.context.new_page()
        other.goto(dashboard.url + login)
        expect(other.get_by_role("navigation", name="Pages")).to_be_visible()
        visit.choose("More for web", "One process more")
        expect(visit.row("web")).to_contain_text("2/2")
        until(lambda: len(dashboard.daemon.watcher("web").pids()) == 2)


def test_a_page_notices_a_session_that_ended_while_the_dashboard_was_away(
    lounge: Lounge, dashboard: Dashboard
) -> None:
    service = dashboard.daemon.watcher("circushttpd")
    with lounge.stranger(f"#token={tokens_in(dashboard.state)['full']}") as visit:
        visit.expected += ["ERR_", "WebSocket", "status of 401", "/history"]
        visit.has_pages()
        service.do("stop")
        TokenFile(dashboard.state).renew()
        service.do("start")
        expect(visit.page.get_by_text("The session has ended")).to_be_visible()
        visit.page.get_by_label("Token").fill(tokens_in(dashboard.state)["full"])
        visit.button("Log in").click()
        expect(visit.row("web")).to_contain_text("active")
