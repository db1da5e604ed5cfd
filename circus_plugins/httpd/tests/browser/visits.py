"""Somebody at a page of the dashboard, and all that the browser complained about meanwhile."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Literal, Self

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Locator,
    Page,
    ViewportSize,
    expect,
)

from circus_plugins.httpd.tests.dashboards import Dashboard, tokens_in

__all__ = ["DESKTOP", "PATIENCE_MS", "Lounge", "Role", "Visit"]

Role = Literal["full", "read"]
DESKTOP: Final[ViewportSize] = {"width": 1280, "height": 900}
PATIENCE_MS: Final = 20_000
"""Milliseconds after which what a page should show will not come any more."""


@dataclass
class Visit:
    """A page, and what went wrong in it: errors of scripts, of the content policy, of the network."""

    page: Page
    dashboard: Dashboard
    complaints: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    @classmethod
    @contextmanager
    def begin(cls, context: BrowserContext, dashboard: Dashboard, address: str) -> Iterator[Visit]:
        """Open a page at an address; at the end nothing may have gone wrong in it but what was expected."""
        page = context.new_page()
        visit = cls(page, dashboard)
        page.on("console", visit._heard)
        page.on("pageerror", lambda error: visit.complaints.append(str(error)))
        page.on("dialog", visit._dismiss)
        try:
            page.goto(address)
            yield visit
            assert not visit.unexpected, visit.unexpected
        finally:
            page.close()

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

    def _dismiss(self, dialog: Dialog) -> None:
        self.complaints.append(f"a dialog of a script: {dialog.message}")
        dialog.dismiss()


class Lounge:
    """The profiles of a browser for one dashboard, one for each role, logged in when it is first needed."""

    def __init__(self, browser: Browser, dashboard: Dashboard) -> None:
        self.dashboard = dashboard
        self._browser = browser
        self._contexts: dict[Role, BrowserContext] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *what: object) -> None:
        for context in self._contexts.values():
            context.close()

    @contextmanager
    def visit(self, role: Role) -> Iterator[Visit]:
        """Open the overview as somebody who has logged in before."""
        if role not in self._contexts:
            self._contexts[role] = self._log_in(role)
        with Visit.begin(self._contexts[role], self.dashboard, self.dashboard.url) as visit:
            expect(visit.page.get_by_role("navigation", name="Pages")).to_be_visible()
            yield visit

    @contextmanager
    def stranger(self, fragment: str = "") -> Iterator[Visit]:
        """Open the dashboard in a profile without a past."""
        context = self._browser.new_context(viewport=DESKTOP)
        context.set_default_timeout(PATIENCE_MS)
        try:
            with Visit.begin(context, self.dashboard, self.dashboard.url + fragment) as visit:
                yield visit
        finally:
            context.close()

    def _log_in(self, role: Role) -> BrowserContext:
        context = self._browser.new_context(viewport=DESKTOP, accept_downloads=True)
        context.set_default_timeout(PATIENCE_MS)
        token = tokens_in(self.dashboard.state)[role]
        address = f"{self.dashboard.url}#token={token}"
        with Visit.begin(context, self.dashboard, address) as visit:
            expect(visit.page.get_by_role("navigation", name="Pages")).to_be_visible()
        return context
