"""Somebody at a page of the dashboard, and all that the browser complained about meanwhile."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Literal, Self

from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Dialog,
    Error,
    Locator,
    Page,
    ViewportSize,
    expect,
)

from circus_core.testing import until
from circus_plugins.httpd.tests.dashboards import Dashboard, tokens_in

__all__ = ["DESKTOP", "FLAGS", "PATIENCE_MS", "Lounge", "Role", "Visit"]

Role = Literal["full", "read"]
FLAGS: Final = (
    "--no-sandbox",  # needed as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""What the browser is started with."""

DESKTOP: Final[ViewportSize] = {"width": 1280, "height": 900}
_GO: Final = """address => new Promise(done => {
    const before = window.location.hash;
    addEventListener("hashchange", () => setTimeout(done), {once: true});
    window.location.hash = address;
    if (window.location.hash === before) done();
})"""
PATIENCE_MS: Final = 60_000
"""Milliseconds after which what a page should show will not come any more."""


@dataclass
class Visit:
    """A page, and what went wrong in it: errors of scripts, of the content policy, of the network."""

    page: Page
    dashboard: Dashboard
    complaints: list[str] = field(default_factory=list)
    # The past is asked for before statistics are up too; the page asks again.
    expected: list[str] = field(default_factory=lambda: [r"status of 503 .*/history"])

    @classmethod
    @contextmanager
    def begin(cls, page: Page, dashboard: Dashboard) -> Iterator[Visit]:
        """Listen to the page; at the end nothing may have gone wrong in it but what was expected."""
        visit = cls(page, dashboard)
        page.on("console", visit._heard)
        page.on("pageerror", visit._failed)
        page.on("dialog", visit._dismiss)
        try:
            yield visit
            assert not visit.unexpected, visit.unexpected
        finally:
            page.remove_listener("console", visit._heard)
            page.remove_listener("pageerror", visit._failed)
            page.remove_listener("dialog", visit._dismiss)

    @property
    def unexpected(self) -> list[str]:
        """Complaints that no `expected` pattern fits."""
        return [text for text in self.complaints if not any(re.search(p, text) for p in self.expected)]

    def has_pages(self) -> None:
        """Somebody is logged in."""
        expect(self.page.get_by_role("navigation", name="Pages")).to_be_visible()

    def go(self, fragment: str) -> None:
        """Go to a page by its address; returns when it is there."""
        self.page.evaluate(_GO, fragment)

    def watcher(self, name: str, tab: str = "") -> None:
        """Go to the page of a watcher, as a click on its name does."""
        self.page.get_by_role("link", name="Watchers", exact=True).first.click()
        self.page.get_by_role("link", name=name, exact=True).click()
        if tab:
            self.page.get_by_role("tab", name=tab).click()

    def place(self, label: str) -> None:
        """Go to one of the main pages."""
        link = self.page.get_by_role("navigation", name="Pages").get_by_role("link", name=label, exact=True)
        link.click()
        expect(self.page.get_by_role("heading", name=label, level=1)).to_be_visible()

    def output_of(self, watcher: str) -> None:
        """Go to the output of one watcher."""
        self.place("Logs")
        self.page.get_by_label("Watcher", exact=True).select_option(watcher)

    def is_filled(self) -> None:
        """The page shows what it is about."""
        expect(self.page.locator("#main h1")).to_be_visible()
        expect(self.page.locator("#main .loading")).to_have_count(0)

    def fits(self) -> None:
        """The page is not wider than the window, once it knows how wide that is."""
        excess = "document.documentElement.scrollWidth - innerWidth"
        until(lambda: self.page.evaluate(excess) <= 0, f"{self.page.url} is too wide")

    def reach_by_tab(self, name: str, most: int = 80) -> None:
        """Press Tab until a button has the focus."""
        expect(self.button(name)).to_be_visible()
        for _ in range(most):
            label = self.page.evaluate(
                "() => { const e = document.activeElement; return e.ariaLabel || e.textContent; }"
            )
            if label == name:
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"{most} times Tab did not lead to {name!r}")

    def row(self, name: str) -> Locator:
        """The row of a watcher in the overview."""
        return self.page.get_by_role("row").filter(has=self.page.get_by_role("link", name=name, exact=True))

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def confirm(self, action: str) -> None:
        """Answer the question that stands there."""
        self.page.get_by_role("dialog").get_by_role("button", name=action, exact=True).click()

    def choose(self, menu: str, item: str) -> None:
        self.button(menu).click()
        self.page.get_by_role("menuitem", name=item).click()

    def is_told(self, text: str | re.Pattern[str]) -> None:
        """A message about an outcome has this text."""
        expect(self.page.locator(".message").filter(has_text=text).first).to_be_visible()

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.text} ({message.location['url']})")

    def _failed(self, error: Error) -> None:
        self.complaints.append(str(error))

    def _dismiss(self, dialog: Dialog) -> None:
        self.complaints.append(f"a dialog of a script: {dialog.message}")
        dialog.dismiss()


class Lounge:
    """The pages of a browser for one dashboard, one for each role, logged in when it is first needed."""

    def __init__(self, browser: Browser, dashboard: Dashboard, *, scale: float = 1.0) -> None:
        """`scale`: dots of the screen for a pixel of the page, in each direction."""
        self.dashboard = dashboard
        self._scale = scale
        self._browser = browser
        self._pages: dict[Role, Page] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *what: object) -> None:
        for page in self._pages.values():
            page.context.close()

    @contextmanager
    def visit(self, role: Role) -> Iterator[Visit]:
        """Look at the overview as somebody who has logged in before. Nothing is left of earlier visits."""
        page = self._page_of(role)
        page.set_viewport_size(DESKTOP)
        page.emulate_media(color_scheme="light")
        page.evaluate("localStorage.clear(); history.replaceState(null, '', location.pathname)")
        with Visit.begin(page, self.dashboard) as visit:
            page.reload()
            visit.has_pages()
            yield visit

    @contextmanager
    def stranger(self, fragment: str = "") -> Iterator[Visit]:
        """Open the dashboard in a profile without a past."""
        context = self._browser.new_context(viewport=DESKTOP)
        context.set_default_timeout(PATIENCE_MS)
        try:
            with Visit.begin(context.new_page(), self.dashboard) as visit:
                visit.page.goto(self.dashboard.url + fragment)
                yield visit
        finally:
            context.close()

    def _page_of(self, role: Role) -> Page:
        if role not in self._pages:
            context = self._browser.new_context(
                viewport=DESKTOP, accept_downloads=True, device_scale_factor=self._scale
            )
            context.set_default_timeout(PATIENCE_MS)
            self._pages[role] = context.new_page()
            token = tokens_in(self.dashboard.state)[role]
            self._pages[role].goto(f"{self.dashboard.url}#token={token}")
            expect(self._pages[role].get_by_role("navigation", name="Pages")).to_be_visible()
        return self._pages[role]
