"""A real browser: Debian's Chromium, driven by Playwright, looking at the dashboard of a real circusd."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from circus_plugins.httpd.tests.conftest import SECTIONS, start
from circus_plugins.httpd.tests.dashboards import Dashboard

from .visits import FLAGS, PATIENCE_MS, Lounge, Visit


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "/browser/" in item.nodeid:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("there is no chromium; on Debian: apt install chromium")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A daemon with some watchers, figures and a dashboard. What a test changes it puts back."""
    with ExitStack() as stack:
        yield start(tmp_path_factory.mktemp("d"), stack, SECTIONS, with_figures=True)


@pytest.fixture(scope="module")
def lounge(browser: Browser, dashboard: Dashboard) -> Iterator[Lounge]:
    """Where those wait who have logged in once; each test opens a page of its own."""
    with Lounge(browser, dashboard) as lounge:
        yield lounge


@pytest.fixture
def visit(lounge: Lounge) -> Iterator[Visit]:
    """Somebody who is logged in and may do everything. Whatever goes wrong in the page fails the test."""
    with lounge.visit("full") as visit:
        yield visit


@pytest.fixture
def reader(lounge: Lounge) -> Iterator[Visit]:
    """Somebody who may only look."""
    with lounge.visit("read") as visit:
        yield visit
