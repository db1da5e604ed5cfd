"""circus-top as somebody at a terminal sees it.

Screens are compared with files; CIRCUS_WRITE_SCREENS=1 writes them anew.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.daemon import until
from tests.integration.recorded_shop import HOSTILE, SHOP, RecordedShop
from tests.integration.terminal import TMUX, Terminal

pytestmark = pytest.mark.skipif(TMUX is None, reason="needs tmux")

PROGRAM = [sys.executable, "-m", "circus_stats.top.main", "--control", "ipc://control"]
SCREENS = Path(__file__).parent / "screens"
COLOUR = re.compile(r"\x1b\[[0-9;]*(?:3[0-7]|38|4[0-7]|48|9[0-7])(?:;[0-9;]*)?m")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a daemon that tells of SHOP."""
    folder = tmp_path_factory.mktemp("shop")
    with RecordedShop(folder, SHOP):
        yield folder


def environment(**more: str) -> dict[str, str]:
    return {
        name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "LINES")
    } | more


def top(folder: Path, *words: str, size: tuple[int, int] = (100, 24), **env: str) -> Terminal:
    return Terminal(folder, [*PROGRAM, *words], environment(**env), size=size)


def check(terminal: Terminal, name: str) -> None:
    """Wait until the screen is as it is written down."""
    path = SCREENS / f"{name}.txt"
    if "CIRCUS_WRITE_SCREENS" in os.environ:
        path.write_text(settled(terminal) + "\n")
    wanted = path.read_text().rstrip("\n")
    until(
        lambda: terminal.screen() == wanted, lambda: f"{name}:\n{wanted}\n\nbut it is:\n{terminal.screen()}"
    )


def settled(terminal: Terminal) -> str:
    """Wait until the screen stays the same for two seconds, and return it."""
    seen, since = "", time.monotonic()
    while time.monotonic() < since + 2:
        screen = terminal.screen()
        if screen != seen:
            seen, since = screen, time.monotonic()
        time.sleep(0.05)
    return seen


@pytest.mark.parametrize(("columns", "lines"), [(100, 24), (40, 10), (300, 100)])
def test_the_screen_of_each_size_shows_what_there_is_room_for(shop: Path, columns: int, lines: int) -> None:
    with top(shop, size=(columns, lines)) as terminal:
        check(terminal, f"shop_{columns}x{lines}")


def test_a_screen_that_changes_its_size_is_drawn_anew(shop: Path) -> None:
    with top(shop, size=(60, 20)) as terminal:
        terminal.wait_for("web.1")
        terminal.resize(100, 24)
        check(terminal, "shop_100x24")


def test_without_blocks_and_colours_all_can_still_be_read(shop: Path) -> None:
    with top(shop, NO_COLOR="1", PYTHONIOENCODING="ascii") as terminal:
        check(terminal, "shop_ascii")
        assert not COLOUR.search(terminal.screen(colours=True))


def test_states_and_figures_have_the_colours_of_the_terminal(shop: Path) -> None:
    with top(shop) as terminal:
        terminal.wait_for("web.1")
        terminal.wait_for("\x1b[32mactive", colours=True)
        assert COLOUR.search(terminal.screen(colours=True))


def test_names_that_mean_harm_stay_text(tmp_path: Path) -> None:
    with RecordedShop(tmp_path, HOSTILE), top(tmp_path) as terminal:
        check(terminal, "hostile_100x24")


def test_help_and_questions_lie_above_the_table(shop: Path) -> None:
    with top(shop) as terminal:
        terminal.wait_for("web.1")
        terminal.type("?")
        check(terminal, "help")
        terminal.type("Escape")
        terminal.wait_for("worker one.1")
        terminal.type("j", "j", "S")
        check(terminal, "question")
        terminal.type("n", "q")
        terminal.wait_for("[ended with 0]")


def test_who_may_only_look_is_told_so_and_sees_the_keys_dim(tmp_path: Path) -> None:
    with RecordedShop(tmp_path, SHOP, is_read_only=True), top(tmp_path) as terminal:
        terminal.wait_for("web:4000")
        terminal.wait_for("\x1b[2m s start  S stop", colours=True)
        terminal.type("S")
        terminal.wait_for("not allowed: its role is 'read', which may look and change nothing")


def asks(terminal: Terminal, key: str, text: str) -> bool:
    """Tell whether a text is shown; else press the key for it."""
    if text in terminal.screen():
        return True
    terminal.type(key)
    return False


def test_bytes_that_are_no_text_do_no_harm(shop: Path) -> None:
    with top(shop) as terminal:
        terminal.wait_for("web.1")
        terminal.send(b"\xff\xed\x20\xc3(\x80")
        until(lambda: asks(terminal, "?", "this page"))  # what comes in one piece with them may be lost too
        terminal.type("C-c")
        terminal.wait_for("[ended with 0]")


@pytest.mark.parametrize("end", ["C-c", "q", "TERM"])
def test_the_terminal_is_left_as_it_was(shop: Path, end: str) -> None:
    words = ["sh", "-c", 'echo before; "$@"; echo "and after: $?"', "sh", *PROGRAM]
    with Terminal(shop, words, environment(), size=(100, 24)) as terminal:
        terminal.wait_for("web.1")
        if end == "TERM":
            (program,) = [each for each in terminal.processes() if each.cmdline() == PROGRAM]
            program.terminate()
        else:
            terminal.type(end)
        terminal.wait_for("and after: 0")
        assert terminal.screen().startswith("before\nand after: 0\n")


@pytest.mark.parametrize("what", ["dumb", "pipe"])
def test_where_nothing_can_be_drawn_tables_are_printed(shop: Path, what: str) -> None:
    words = ["sh", "-c", '"$@" | cat', "sh", *PROGRAM] if what == "pipe" else ["env", "TERM=dumb", *PROGRAM]
    with Terminal(shop, words, environment(), size=(100, 60)) as terminal:
        terminal.wait_for("circus-top  6 watchers", count=2)
        assert "\x1b" not in terminal.screen(colours=True)
        terminal.type("C-c")
        terminal.wait_for("[ended with")
