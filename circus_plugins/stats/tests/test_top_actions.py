"""The keys of circus-top pressed against a real circusd, and what it shows of it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.strip import Strip
from textual.widgets import Input

from circus_core import RefusedError
from circus_core.testing import Daemon, Watch
from circus_stats.top.actions import ACTIONS, Action, Target
from circus_stats.top.app import TopApp
from circus_stats.top.dialogs import Choice, Help, Question
from circus_stats.top.output import Lines, Output
from circus_stats.top.rows import Kind, View
from circus_stats.top.settings import Settings
from circus_stats.top.status import Feed, State
from circus_stats.top.table import Table

pytestmark = pytest.mark.slow

DEADLINE = 60.0
HANDS = 8
"""Through which a message goes at most, one after the other: the program, a widget, its screen, again."""

SPEAKS = """
import time
for number in range(1, 100_000):
    print(f"line {number} \\x1b[31mred\\x1b[0m\\a", flush=True)
    time.sleep(0.2)
"""
SECTIONS = f"""
[watcher:web one]
cmd = sleep 1000
numprocesses = 2
stdout_stream.class = StdoutStream

[watcher:speaks]
cmd = {sys.executable} -c 'exec(bytes.fromhex("{SPEAKS.encode().hex()}"))'
stdout_stream.class = QueueStream
tail_bytes = 100000

[watcher:off*]
cmd = sleep 1000
autostart = False

[watcher:office]
cmd = sleep 1000
"""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with Daemon(tmp_path_factory.mktemp("top"), SECTIONS) as running:
        yield running


@asynccontextmanager
async def looking(daemon: Daemon, size: tuple[int, int] = (120, 40)) -> AsyncIterator[Pilot[int]]:
    app = TopApp(Settings(control=daemon.endpoint, is_control_typed=True, interval=0.2))
    async with app.run_test(size=size) as pilot:
        await eventually(lambda: app.session.status.state is State.UP)
        await eventually(lambda: bool(app.query_one(Table).rows))
        yield pilot


async def eventually(claim: Callable[[], object], what: Callable[[], str] = lambda: "") -> None:
    end = time.monotonic() + DEADLINE
    while not claim():
        assert time.monotonic() < end, f"it did not happen in time {what()}"
        await asyncio.sleep(0.02)


def app_of(pilot: Pilot[int]) -> TopApp:
    assert isinstance(pilot.app, TopApp)
    return pilot.app


def table(pilot: Pilot[int]) -> Table:
    return pilot.app.screen_stack[0].query_one(Table)


def names(pilot: Pilot[int]) -> list[str]:
    return [row.name for row in table(pilot).rows]


def message(pilot: Pilot[int]) -> str:
    return app_of(pilot)._message[0]


async def press(pilot: Pilot[int], *keys: str) -> None:
    """Press keys, each when all is done that the one before has led to.

    The pilot alone waits for 20 ms without work, which are soon over on a machine that is busy.
    """
    for key in keys:
        await pilot.press(key)
        for _ in range(HANDS):
            await pilot.pause(0)


async def quit_by(pilot: Pilot[int], key: str) -> None:
    """Press a key that ends the program: whoever presses can't wait for what is done after that."""
    pressing = asyncio.ensure_future(pilot.press(key))
    await eventually(lambda: pilot.app.return_code == 0)
    pressing.cancel()
    await asyncio.gather(pressing, return_exceptions=True)


async def select(pilot: Pilot[int], name: str) -> None:
    await eventually(lambda: name in names(pilot), lambda: f"{name}: {names(pilot)}")
    table(pilot).select(names(pilot).index(name))
    await pilot.pause()


async def select_process(pilot: Pilot[int], pid: int) -> None:
    def pids() -> list[int | None]:
        return [row.process.pid if row.process is not None else None for row in table(pilot).rows]

    await eventually(lambda: pid in pids(), lambda: f"{pid}: {pids()}")
    table(pilot).select(pids().index(pid))
    await pilot.pause()


async def confirm(pilot: Pilot[int], key: str = "y") -> None:
    await eventually(lambda: isinstance(pilot.app.screen, Question))
    await press(pilot, key)


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test())


@pytest.fixture
def web(daemon: Daemon) -> Watch:
    """A watcher as it was at first."""
    web = daemon.watcher("web one")
    daemon.call("set", name="web one", options={"numprocesses": 2})
    web.do("stop")
    web.do("start")  # 1 and 2 are the numbers of its processes
    web.until_pids(2)
    return web


def test_watchers_are_stopped_when_that_is_confirmed_and_started_at_once(daemon: Daemon, web: Watch) -> None:
    async def test() -> None:
        async with looking(daemon) as pilot:
            await select(pilot, "web one")
            await press(pilot, "S")
            await confirm(pilot, "n")
            assert web.status() == "active"
            await press(pilot, "S")
            await confirm(pilot)
            await eventually(lambda: message(pilot) == "stop web one: done")
            assert web.status() == "stopped"
            await press(pilot, "s")
            await eventually(lambda: message(pilot) == "start web one: done")
            assert len(web.pids()) == 2

    run(test)


def test_a_watcher_gets_more_and_fewer_processes_is_restarted_and_reloaded(
    daemon: Daemon, web: Watch
) -> None:
    async def test() -> None:
        async with looking(daemon) as pilot:
            await select(pilot, "web one")
            await press(pilot, "plus")
            await eventually(lambda: message(pilot) == "incr web one: done, 3 wanted")
            await press(pilot, "minus")
            await confirm(pilot)
            await eventually(lambda: message(pilot) == "decr web one: done, 2 wanted")
            before = set(web.pids())
            await press(pilot, "r")
            await confirm(pilot)
            await eventually(lambda: message(pilot) == "restart web one: done")
            between = set(web.pids())
            assert not before & between
            await press(pilot, "R")
            await confirm(pilot)
            await eventually(lambda: message(pilot) == "reload web one: done")
            assert not between & set(web.pids())

    run(test)


def test_a_single_process_is_killed_or_sent_a_signal_and_its_end_is_shown(daemon: Daemon, web: Watch) -> None:
    async def test() -> None:
        async with looking(daemon) as pilot:
            first, second = web.pids()
            await select_process(pilot, first)
            await press(pilot, "K")
            await confirm(pilot)
            await eventually(lambda: message(pilot) == f"kill process {first} of web one: done")
            assert first not in web.pids()
            assert second in web.until_pids(2)
            watcher = app_of(pilot).session.model.watchers["web one"]
            await eventually(lambda: watcher.last_exit is not None and watcher.last_exit.pid == first)
            await eventually(lambda: watcher.restarts)
            await select_process(pilot, second)
            await press(pilot, "x")
            await eventually(lambda: isinstance(pilot.app.screen, Choice))
            await press(pilot, "escape", "x")
            await eventually(lambda: isinstance(pilot.app.screen, Choice))
            await press(pilot, "end", "enter")
            await eventually(lambda: message(pilot) == f"signal process {second} of web one: done")
            await eventually(
                lambda: watcher.last_exit is not None and watcher.last_exit.code == -signal.SIGKILL
            )

    run(test)


def test_a_star_in_a_name_is_no_pattern(daemon: Daemon) -> None:
    async def test() -> None:
        async with looking(daemon) as pilot:
            await select(pilot, "off*")
            daemon.call("rm", name="off*", waiting=True)
            app_of(pilot)._do(*stop_of("off*"))
            await eventually(lambda: "not found" in message(pilot), lambda: message(pilot))
            assert daemon.watcher("office").status() == "active"

    run(test)


def stop_of(name: str) -> tuple[Action, Target]:
    action = next(each for each in ACTIONS if each.command == "stop")
    return action, Target(name=name, title=name)


def test_what_runs_below_the_selected_one_does_not_move_the_selection(daemon: Daemon, web: Watch) -> None:
    async def test() -> None:
        async with looking(daemon) as pilot:
            await select(pilot, "web one.2")
            daemon.call("add", name="aaa", cmd="sleep 1000", start=True, waiting=True)
            await eventually(lambda: "aaa" in names(pilot))
            selected = table(pilot).selected
            assert selected is not None
            assert selected.name == "web one.2"
            web.do("stop")
            await eventually(lambda: "web one.2" not in names(pilot))
            selected = table(pilot).selected
            assert selected is not None
            assert selected.name == "web one"
            daemon.call("rm", name="aaa")
            await eventually(lambda: "aaa" not in names(pilot))

    run(test)


def test_the_daemon_itself_and_sockets_are_refused_with_words(daemon: Daemon) -> None:
    async def test() -> None:
        async with looking(daemon) as pilot:
            await select(pilot, "circusd")
            await press(pilot, "S")
            await eventually(lambda: "circusctl restart or quit" in message(pilot))

    run(test)


def test_output_is_followed_without_what_could_harm_the_terminal(daemon: Daemon) -> None:
    async def test() -> None:
        async with looking(daemon) as pilot:
            await select(pilot, "speaks.1")
            await press(pilot, "l")
            await eventually(lambda: isinstance(pilot.app.screen, Output))
            lines = pilot.app.screen.query_one(Lines)
            await eventually(lambda: len(lines.lines) > 4)
            assert all("\x1b" not in text and "\x07" not in text for text, _ in lines.lines)
            assert any(text.endswith("red\\x07") for text, _ in lines.lines)
            numbers = [int(text.partition("line ")[2].split()[0]) for text, _ in lines.lines]
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
            await press(pilot, "q")
            await select(pilot, "office")
            await press(pilot, "l")
            await eventually(lambda: isinstance(pilot.app.screen, Output))
            nothing = pilot.app.screen.query_one(Lines)
            await eventually(lambda: any("nothing to see" in text for text, _ in nothing.lines))

    run(test)


def test_the_view_is_filtered_sorted_folded_and_made_flat_by_keys(daemon: Daemon, web: Watch) -> None:
    async def test() -> None:
        async with looking(daemon) as pilot:
            await select(pilot, "web one")
            await press(pilot, "slash", *"WEB")
            assert pilot.app.query_one(Input).value == "WEB"
            await eventually(
                lambda: set(names(pilot)) == {"web one", "web one.1", "web one.2"}, lambda: str(names(pilot))
            )
            await press(pilot, "enter", "left")
            assert names(pilot) == ["web one"]
            await press(pilot, "right")
            assert len(names(pilot)) == 3
            await press(pilot, "down", "left")
            assert table(pilot).selected == table(pilot).rows[0]
            await press(pilot, "escape")
            assert "office" in names(pilot)
            await press(pilot, "asterisk")
            assert {row.kind for row in table(pilot).rows} <= {Kind.WATCHER, Kind.OWN, Kind.SOCKETS}
            await press(pilot, "asterisk", "f")
            assert {row.kind for row in table(pilot).rows} == {Kind.PROCESS}
            await press(pilot, "f", "greater_than_sign")
            assert app_of(pilot).view == View(sort="state")
            await press(pilot, "o")
            assert app_of(pilot).view == View(sort="state", is_descending=True)
            await pilot.click("Headings", offset=(1, 0))
            await eventually(lambda: app_of(pilot).view == View(sort="name"))
            await press(pilot, "question_mark")
            await eventually(lambda: isinstance(pilot.app.screen, Help))
            await press(pilot, "escape", "p")
            assert app_of(pilot)._is_paused
            await press(pilot, "p")
            await quit_by(pilot, "q")

    run(test)


def test_a_daemon_that_goes_away_is_waited_for_and_the_selection_stays(tmp_path: Path) -> None:
    async def test() -> None:
        with Daemon(tmp_path / "d", SECTIONS) as daemon:
            daemon.may_fail = True
            async with looking(daemon) as pilot:
                app = app_of(pilot)
                await select(pilot, "office")
                workers = [int(line.split()[0]) for line in daemon.descendants()]
                daemon.kill(signal.SIGKILL)
                daemon.wait()
                for pid in workers:
                    with suppress(ProcessLookupError):  # who can't write any more has ended by itself
                        os.kill(pid, signal.SIGKILL)
                await eventually(lambda: app.session.status.state is State.LOST)
                assert "no answer from" in app.session.status.trouble
                assert "office" in names(pilot)
                await press(pilot, "s")
                await eventually(lambda: "no answer from" in message(pilot))
                with daemon:
                    await eventually(lambda: app.session.status.state is State.UP)
                    await eventually(lambda: app.session.status.feed is Feed.ASKED)
                    pids = set(daemon.watcher("office").pids())
                    await eventually(lambda: set(app.session.model.watchers["office"].processes) == pids)
                    selected = table(pilot).selected
                    assert selected is not None
                    assert selected.name == "office"

    run(test)


def test_the_past_is_there_as_soon_as_one_looks(tmp_path: Path) -> None:
    async def test() -> None:
        circus = {"statsd": True, "stats_endpoint": f"ipc://{tmp_path}/s", "stats_interval": 0.2}
        with Daemon(tmp_path / "d", SECTIONS, circus=circus) as daemon:
            past: list[float] = []
            while len(past) < 4:
                with suppress(RefusedError):
                    told = daemon.call("history", name="office", series="rss", seconds=20)
                    past = [each for each in told["histories"]["office"]["series"]["rss"] if each is not None]
                await asyncio.sleep(0.1)
            async with looking(daemon) as pilot:
                session = app_of(pilot).session
                await eventually(lambda: len(session.model.watchers["office"].cpu_past) > 2)
                await eventually(lambda: session.status.feed is Feed.STREAM)
                await eventually(lambda: "circusd-stats" in names(pilot))
                await select(pilot, "circusd-stats")
                await press(pilot, "r")
                await confirm(pilot)
                await eventually(lambda: message(pilot) == "restart circusd-stats: done")

    run(test)


def test_of_many_processes_only_those_on_the_screen_are_drawn() -> None:
    async def test() -> None:
        app = TopApp(Settings(control="ipc:///nowhere/at/all"))
        async with app.run_test(size=(100, 24)) as pilot:
            model = app.session.model
            for pid in range(5000):
                model.apply_stat("many", pid, {"pid": pid, "cpu": 1.0, "name": None}, time.monotonic())
            app._draw()
            await press(pilot, "p")  # nothing is drawn anew because time goes by
            await eventually(lambda: app._frame is None)
            drawn = Counter[int]()
            table = app.query_one(Table)
            render_line = table.render_line

            def count(y: int) -> Strip:
                drawn[y] += 1
                return render_line(y)

            table.render_line = count  # type: ignore[method-assign]  # looked at, not replaced
            await press(pilot, "end")
            assert len(table.rows) == 5001
            assert table.selected == table.rows[-1]
            await eventually(lambda: set(drawn) == set(range(table.size.height)), lambda: str(drawn))
            assert max(drawn.values()) <= 3

    run(test)


def test_the_first_line_is_selected_until_somebody_selects_another_which_is_kept_in_sight() -> None:
    async def test() -> None:
        app = TopApp(Settings(control="ipc:///nowhere/at/all"))
        async with app.run_test(size=(100, 12)) as pilot:
            app.view = View(sort="cpu", is_descending=True, is_flat=True)
            table = app.query_one(Table)

            def tell(busiest: int) -> None:
                for pid in range(50):
                    cpu = 99.0 if pid == busiest else float(50 - pid)
                    stat = {"pid": pid, "cpu": cpu, "name": None}
                    app.session.model.apply_stat("w", pid, stat, time.monotonic())
                app._draw()

            tell(busiest=0)
            tell(busiest=30)
            assert table.selected is table.rows[0]
            assert table.selected.name == "w:30"
            await press(pilot, "down")
            chosen = table.rows[1].name
            for _ in range(3):
                await press(pilot, "o")  # the other way round: to the end, and back
                assert table.selected is not None
                assert table.selected.name == chosen
                at = table.rows.index(table.selected)
                assert table.scroll_y <= at < table.scroll_y + table.size.height
            await press(pilot, "home")
            tell(busiest=40)
            assert table.selected is table.rows[0]

    run(test)


def test_a_long_trouble_is_told_in_full() -> None:
    async def test() -> None:
        app = TopApp(Settings(control="ipc:///nowhere/at/all"))
        async with app.run_test(size=(60, 20)) as pilot:
            text = "start web: " + " ".join(f"word{number}" for number in range(15))
            app.say(text, is_good=False)

            def shown() -> str:
                return "".join(strip.text for strip in app.screen._compositor.render_strips())

            await eventually(lambda: "word14" in shown())
            await press(pilot, "down")
            await eventually(lambda: "word14" not in shown())

    run(test)


def test_ctrl_c_ends_it_also_while_something_is_typed() -> None:
    async def test() -> None:
        app = TopApp(Settings(control="ipc:///nowhere/at/all"))
        async with app.run_test() as pilot:
            await press(pilot, "slash", "x")
            await quit_by(pilot, "ctrl+c")

    run(test)
