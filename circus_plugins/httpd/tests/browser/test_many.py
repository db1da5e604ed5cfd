"""200 watchers with 2000 processes: the page stays small, and hears of changes only. Figures are printed."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, Page, WebSocket, expect

from circus_core.testing import until
from circus_plugins.httpd.tests.conftest import start
from circus_plugins.httpd.tests.dashboards import Dashboard, tokens_in

from .visits import DESKTOP, Visit

WATCHERS: Final = 200
PROCESSES: Final = 10
LISTENED_MS: Final = 3000

SCROLL: Final = """() => new Promise(done => {
    const gaps = [];
    let last = performance.now();
    const end = last + 2000;
    const step = now => {
        gaps.push(now - last);
        last = now;
        scrollBy(0, 60);
        if (now < end) requestAnimationFrame(step); else done(gaps);
    };
    requestAnimationFrame(step);
})"""
"""The milliseconds between two frames while the page is scrolled for two seconds."""


class _Heard:
    """The messages that came over the websocket."""

    def __init__(self, page: Page) -> None:
        self.messages: list[tuple[str, int]] = []
        page.on("websocket", self._listen)

    def _listen(self, websocket: WebSocket) -> None:
        websocket.on("framereceived", self._note)

    def _note(self, payload: bytes | str) -> None:
        self.messages.append((str(json.loads(payload)["type"]), len(payload)))


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    folder: Path = tmp_path_factory.mktemp("d")
    options = f"cmd = sleep 1000\nnumprocesses = {PROCESSES}\nwarmup_delay = 0\nstop_signal = KILL"
    sections = "\n".join(f"[watcher:worker-{number:03}]\n{options}" for number in range(WATCHERS))
    with ExitStack() as stack:
        yield start(folder, stack, sections, with_figures=True)


@pytest.mark.timeout(180)
def test_a_large_daemon_is_shown_in_small_pieces(browser: Browser, dashboard: Dashboard) -> None:
    daemon = dashboard.daemon
    until(lambda: len(daemon.watcher("worker-199").pids()) == PROCESSES, deadline=60)
    with ExitStack() as stack:
        context = browser.new_context(viewport=DESKTOP)
        stack.callback(context.close)
        context.set_default_timeout(30_000)
        page = context.new_page()
        heard = _Heard(page)
        visit = stack.enter_context(Visit.begin(page, dashboard))
        page.goto(f"{dashboard.url}#token={tokens_in(dashboard.state)['full']}")
        expect(visit.row("worker-000")).to_be_visible()
        shown_after = page.evaluate("performance.now()")
        expect(visit.row("worker-000").locator(".cell-memory .number")).to_contain_text("B")

        rows = page.locator(".virtual-row")
        assert rows.count() < 60
        assert page.evaluate("document.getElementsByTagName('*').length") < 4000

        whole = max(length for kind, length in heard.messages if kind == "snapshot")
        begin = len(heard.messages)
        page.wait_for_timeout(LISTENED_MS)
        later = heard.messages[begin:]
        assert {kind for kind, _ in later} <= {"delta"}
        rate = sum(length for _, length in later) / (LISTENED_MS / 1000)
        assert rate < whole

        gaps = page.evaluate(SCROLL)
        assert rows.count() < 60
        page.evaluate("scrollTo(0, 0)")
        visit.watcher("worker-007")
        table = page.get_by_role("table", name="Processes")
        expect(table.locator(".row:not(.row-head)")).to_have_count(PROCESSES)
        print(
            f"\n{WATCHERS} watchers, {WATCHERS * PROCESSES} processes: first rows after {shown_after:.0f} ms,"
            f" snapshot {whole / 1000:.0f} kB, then {rate / 1000:.1f} kB/s;"
            f" scrolling: a frame every {statistics.median(gaps):.0f} ms, longest {max(gaps):.0f} ms"
        )
