"""Pictures of each page of the dashboard for the documentation; `make screenshots` runs this file.

    python -m circus_plugins.httpd.tests.browser.screenshots docs/images

A daemon with something to show runs for a while, then each page is taken in light and in dark colours, and as
on a phone.
"""

from __future__ import annotations

import argparse
import base64
import os
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Page, expect, sync_playwright

from circus_core.testing import Daemon
from circus_plugins.httpd.tests.dashboards import Dashboard

from .visits import FLAGS, PATIENCE_MS, Lounge, Visit

SHOP: Final = Path(__file__).with_name("demo_program.py")
SECTIONS: Final = """
[socket:web]
host = 127.0.0.1
port = 0

[watcher:web]
cmd = ./shop serve $(circus.sockets.web)
numprocesses = 4
use_sockets = True
stdout_stream.class = StdoutStream
hooks.before_spawn = hooks.allow
max_age = 86400
[env:web]
DATABASE_URL = postgres://shop:hunter2@db.internal/shop
SECRET_KEY = correct-horse-battery-staple
REGION = eu-central-1
MAX_BASKET = 50

[watcher:thumbnails]
cmd = ./shop work 30
numprocesses = 6
stdout_stream.class = StdoutStream

[watcher:mailer]
cmd = ./shop work 6
numprocesses = 2
stdout_stream.class = StdoutStream

[watcher:search-index]
cmd = ./shop work 15
numprocesses = 3
stdout_stream.class = StdoutStream

[watcher:scheduler]
cmd = ./shop work 3
singleton = True
stdout_stream.class = StdoutStream

[watcher:nightly-report]
cmd = ./shop work 1
autostart = False

[watcher:importer]
cmd = ./shop fail
max_retry = -1
stderr_stream.class = StdoutStream

[plugin:flapping]
use = flapping
attempts = 100
"""
PAGES: Final = {
    "watchers": "#/",
    "watcher": "#/watchers/main/web",
    "options": "#/watchers/main/web/options",
    "environment": "#/watchers/main/web/environment",
    "wiring": "#/watchers/main/web/wiring",
    "exits": "#/watchers/main/importer/exits",
    "sockets": "#/sockets",
    "events": "#/events",
    "logs": "#/logs",
    "daemons": "#/daemons",
}
LOOKS: Final = {
    "light": ("light", 1280, 820),
    "dark": ("dark", 1280, 820),
    "phone": ("light", 390, 780),
}

WITHOUT_FOLDER: Final = """([here, there]) => {
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) texts.currentNode.data = texts.currentNode.data.replaceAll(here, there);
}"""
"""Pictures name no folder of the machine that made them."""

AS_WEBP: Final = """async png => {
    const image = new Image();
    image.src = "data:image/png;base64," + png;
    await image.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.width, image.height];
    canvas.getContext("2d").drawImage(image, 0, 0);
    return canvas.toDataURL("image/webp", 0.85).split(",")[1];
}"""


def main() -> None:
    """Take all pictures into the folder that is named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--warm-up", type=float, default=100.0, help="seconds until there is something to see"
    )
    asked = parser.parse_args()
    folder = asked.folder.resolve()
    folder.mkdir(exist_ok=True, parents=True)
    with ExitStack() as stack:
        dashboard = _start(Path(stack.enter_context(tempfile.TemporaryDirectory())) / "shop", stack)
        browser = _browser(stack)
        lounge = stack.enter_context(Lounge(browser, dashboard, scale=1.25))
        encoder = browser.new_page()
        with lounge.visit("full") as visit:
            _warm_up(visit, asked.warm_up)
            for look, (scheme, width, height) in LOOKS.items():
                visit.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
                visit.page.set_viewport_size({"width": width, "height": height})
                for name, fragment in PAGES.items():
                    target = folder / f"dashboard-{name}-{look}.webp"
                    target.write_bytes(_picture(visit, fragment, encoder))
                    print(f"{target.name} {target.stat().st_size // 1000} kB")


def _start(folder: Path, stack: ExitStack) -> Dashboard:
    folder.mkdir()
    (folder / "shop").write_text(f"#!{sys.executable}\n{SHOP.read_text()}")
    (folder / "shop").chmod(0o755)
    os.chdir(folder)  # commands are shown: they name no folder
    (folder / "hooks.py").write_text("def allow(*args, **kwargs):\n    return True\n")
    options = {"httpd": True, "httpd_port": 0, "httpd_state_dir": folder / "state", "statsd": True}
    daemon = Daemon(folder, SECTIONS, circus=options, tcp=True)
    dashboard = Dashboard(stack.enter_context(daemon), folder / "state")
    daemon.call("rm", name="zz-beacon", waiting=True)  # it serves tests only
    return dashboard


def _browser(stack: ExitStack) -> Browser:
    path = shutil.which("chromium")
    if path is None:
        raise SystemExit("there is no chromium; on Debian: apt install chromium")
    playwright = stack.enter_context(sync_playwright())
    expect.set_options(timeout=PATIENCE_MS)
    browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
    stack.callback(browser.close)
    return browser


def _warm_up(visit: Visit, seconds: float) -> None:
    """Wait until charts have a past, with something happening meanwhile. An open page has figures kept."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        visit.page.wait_for_timeout(min(20_000, seconds * 250))
        visit.dashboard.daemon.watcher("mailer").do("restart")
    visit.dashboard.daemon.watcher("thumbnails").do("incr")


def _picture(visit: Visit, fragment: str, encoder: Page) -> bytes:
    visit.go(fragment)
    visit.is_filled()
    if fragment == "#/logs":
        expect(visit.page.locator(".log-line").first).to_be_visible()
    visit.page.mouse.move(0, 0)
    visit.page.wait_for_timeout(25_000 if fragment == "#/sockets" else 2500)  # its charts begin with the page
    visit.page.evaluate(WITHOUT_FOLDER, [sys.prefix, "/srv/shop/.venv"])
    png = base64.b64encode(visit.page.screenshot()).decode()
    return base64.b64decode(encoder.evaluate(AS_WEBP, png))


if __name__ == "__main__":
    main()
