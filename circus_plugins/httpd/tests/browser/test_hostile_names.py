"""Names, reasons and output that would do harm if they were taken for anything but text."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from circus_core.testing import until
from circus_plugins.httpd.tests.conftest import start
from circus_plugins.httpd.tests.dashboards import Dashboard

from .visits import Visit

SCRIPT = "<script>window.harmed = 1</script>"
IMAGE = '"><img src=x onerror="window.harmed = 1">'
NAMES = [
    SCRIPT,
    IMAGE,
    'it\'s "quoted" & `odd` &lt;',
    "x" * 10_000,
    "שלום עולם",  # from right to left
    "🎪🐘 emoji",
    "a/b%2fc?d#e",
    "..",
    "__proto__",
    "constructor",
    "javascript:alert(1)",
    "{{7*7}} ${7*7}",
]
"""All that circusd admits; control characters and the marks that turn the direction it refuses."""

OUTPUT = [
    SCRIPT,
    IMAGE,
    "\x1b]8;;javascript:window.harmed=1\x1b\\click\x1b]8;;\x1b\\",
    "\x1b[31mred\x1b[0m \x1b[2J\x1b[H \x07",
    "\u202e gnp.exe",
    "y" * 10_000,
    "\\xff\\xfe nul \x00 ends",
]
SECTIONS = """
[watcher:mouth]
cmd = tail -n +1 -F {feed}
stdout_stream.class = StdoutStream

[watcher:failing]
cmd = "/missing/{script}"
max_retry = -1
"""


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A daemon with a watcher of each name, one that says what is harmful, and one whose failures do."""
    folder = tmp_path_factory.mktemp("d")
    feed = folder / "feed.txt"
    feed.write_text("".join(f"{line}\n" for line in OUTPUT))
    with ExitStack() as stack:
        dashboard = start(folder, stack, SECTIONS.format(feed=feed, script=SCRIPT), with_figures=True)
        for name in NAMES:
            command = f"sh -c 'exec sleep 1000' {shlex.quote(IMAGE)}"
            dashboard.daemon.call("add", name=name, cmd=command, start=True, waiting=True)
        yield dashboard


def _is_unharmed(visit: Visit) -> bool:
    made = visit.page.evaluate("document.querySelectorAll('#app script, #app img, #app iframe').length")
    return visit.page.evaluate("window.harmed") is None and made == 0


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name[:12])
def test_a_watcher_is_shown_and_works_whatever_it_is_called(
    visit: Visit, dashboard: Dashboard, name: str
) -> None:
    visit.go(f"#/watchers/main/{quote(name, safe='')}")
    expect(visit.page.get_by_role("heading", level=1)).to_contain_text(name[:50])
    visit.button("One process more").click()
    until(lambda: len(dashboard.daemon.watcher(name).pids()) == 2)
    expect(visit.page.get_by_role("tab", name="Processes")).to_contain_text("2")
    for tab in ("Options", "Sockets & hooks", "Events", "Logs"):
        visit.page.get_by_role("tab", name=tab).click()
        expect(visit.page.get_by_role("tabpanel", name=tab)).to_be_visible()
    visit.fits()
    assert _is_unharmed(visit)


def test_lists_show_them_as_they_are(visit: Visit) -> None:
    for name in NAMES:
        if len(name) < 100:
            expect(visit.row(name)).to_be_visible()
    expect(visit.row("failing")).to_contain_text(f"/missing/{SCRIPT}")
    assert _is_unharmed(visit)
    visit.place("Events")
    expect(visit.page.get_by_role("list").get_by_text(SCRIPT).first).to_be_visible()
    expect(visit.page.get_by_role("list").get_by_text("__proto__").first).to_be_visible()
    visit.place("Logs")
    options = visit.page.get_by_label("Watcher", exact=True).locator("option")
    until(lambda: set(NAMES) <= set(options.evaluate_all("all => all.map(each => each.value)")))
    assert _is_unharmed(visit)
    for place in ("Sockets", "Daemons", "Watchers"):
        visit.place(place)
        assert _is_unharmed(visit)


def test_a_watcher_can_be_added_and_removed_with_such_a_name(visit: Visit, dashboard: Dashboard) -> None:
    name = f"new {SCRIPT}'\""
    visit.button("Add watcher").click()
    visit.page.get_by_label("Name", exact=True).fill(name)
    visit.page.get_by_label("Command", exact=True).fill("sleep 1000")
    visit.confirm("Add")
    expect(visit.page.get_by_role("heading", level=1)).to_have_text(name)
    visit.choose("More", "Remove")
    expect(visit.page.get_by_role("dialog")).to_contain_text("<script>")
    visit.confirm("Remove")
    until(lambda: name not in dashboard.daemon.call("list")["watchers"])
    visit.is_told("<script>")
    assert _is_unharmed(visit)


def test_output_is_text(visit: Visit) -> None:
    visit.output_of("mouth")
    lines = visit.page.get_by_role("log")
    expect(lines).to_contain_text(SCRIPT)
    expect(lines).to_contain_text(IMAGE)
    expect(lines.get_by_text("red", exact=True)).to_have_class("ansi-fg1")
    expect(lines.get_by_role("link")).to_have_count(0)
    assert "\x1b" not in lines.inner_text()
    visit.fits()
    visit.page.get_by_role("searchbox", name="Search the output").fill("<script>")
    expect(lines.locator("mark").first).to_have_text("<script>")
    assert _is_unharmed(visit)
