"""Somebody at a page of the dashboard, and all that the browser complained about meanwhile."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect

from ..dashboards import Dashboard, tokens_in

__all__ = ["Visit"]


@dataclass
class Visit:
    """A page, and what went wrong in it: errors of scripts, of the content policy, of the network."""

    page: Page
    dashboard: Dashboard
    complaints: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    @classmethod
    @contextmanager
    def begin(
        cls,
        browser: Browser,
        dashboard: Dashboard,
        *,
        role: Literal["full", "read"] | None,
        width: int = 1280,
        scheme: Literal["light", "dark"] = "light",
    ) -> Iterator[Visit]:
        """Open the dashboard in a browser without a past, logged in unless `role` is None."""
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        context.set_default_timeout(15_000)
        page = context.new_page()
        visit = cls(page, dashboard)
        page.on("console", visit._heard)
        page.on("pageerror", lambda error: visit.complaints.append(str(error)))
        page.on("dialog", lambda dialog: visit.complaints.append(f"a dialog: {dialog.message}"))
        try:
            if role is None:
                page.goto(dashboard.url)
            else:
                page.goto(f"{dashboard.url}#token={tokens_in(dashboard.state)[role]}")
                expect(page.get_by_role("navigation", name="Pages")).to_be_visible()
            yield visit
            assert not visit.unexpected, visit.unexpected
        finally:
            context.close()

    @property
    def unexpected(self) -> list[str]:
        """Complaints that no `expected` pattern fits."""
        return [text for text in self.complaints if not any(re.search(p, text) for p in self.expected)]

    def go(self, fragment: str) -> None:
        """Go to a page by its address."""
        self.page.evaluate("address => { window.location.hash = address }", fragment)

    def watcher(self, name: str, tab: str = "") -> None:
        """Go to the page of a watcher, as a click on its name does."""
        self.page.get_by_role("link", name="Watchers", exact=True).first.click()
        self.page.get_by_role("link", name=name, exact=True).click()
        if tab:
            self.page.get_by_role("tab", name=tab).click()

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
            self.complaints.append(message.text)
