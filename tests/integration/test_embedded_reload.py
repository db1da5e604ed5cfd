"""A configuration file that an arbiter inside a program puts in force again."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from circus_core.config.model import Config
from circus_core.drivers import Drivers
from circus_core.errors import CommandError, ConfigError
from circus_core.hookspecs import hookimpl
from circus_core.library import EmbeddedArbiter, arbiter_from_file, get_arbiter
from circus_core.loading import ConfigFile
from circus_core.plugins import plugin_manager

DEADLINE = 90.0
FILE = "[watcher:a]\ncmd = sleep 1000\n[watcher:b]\ncmd = sleep 2000\n"


def with_plugin(path: Path, plugin: object) -> EmbeddedArbiter:
    """An arbiter from a file, with one more hook plugin."""
    plugins, drivers = plugin_manager(), Drivers()
    plugins.add(plugin, "mine")
    file = ConfigFile(path, plugins=plugins, drivers=drivers)
    config = file.read().config
    assert config is not None
    return EmbeddedArbiter(config, with_endpoints=False, plugins=plugins, drivers=drivers, file=file)


def live(arbiter: EmbeddedArbiter, use: Callable[[EmbeddedArbiter], Awaitable[None]]) -> None:
    """Run it until `use` is done with it."""

    async def main() -> None:
        async with asyncio.timeout(DEADLINE), arbiter:
            await arbiter.start_watchers()
            await use(arbiter)

    asyncio.run(main())


def pids(arbiter: EmbeddedArbiter, name: str) -> list[int]:
    return list(arbiter.get_watcher(name).processes)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "circus.ini"
    path.write_text(FILE)
    return path


def test_an_arbiter_from_a_file_reads_it_again(file: Path) -> None:
    async def use(arbiter: EmbeddedArbiter) -> None:
        a, b = pids(arbiter, "a"), pids(arbiter, "b")
        file.write_text(FILE.replace("1000", "1001"))
        assert (await arbiter.plan_config()).plan.to_text() == "watcher 'a': cmd: its processes are replaced"
        reload = await arbiter.reload_config()
        assert await reload.followed == {}
        assert pids(arbiter, "b") == b
        assert not set(pids(arbiter, "a")) & set(a)
        assert (await arbiter.check_file()).exit_code == 0

    live(arbiter_from_file(str(file), with_endpoints=False), use)


def test_an_arbiter_from_mappings_says_that_it_has_no_file(file: Path) -> None:
    async def use(arbiter: EmbeddedArbiter) -> None:
        for attempt in (arbiter.plan_config, arbiter.reload_config):
            with pytest.raises(CommandError, match="this arbiter was not made from a file"):
                await attempt()
        with pytest.raises(CommandError, match="name one to check"):
            await arbiter.check_file()

    live(get_arbiter([{"cmd": "sleep 1000"}], with_endpoints=False), use)


def test_nothing_is_reloaded_before_the_start_or_after_the_end(file: Path) -> None:
    arbiter = arbiter_from_file(str(file), with_endpoints=False)

    async def main() -> None:
        with pytest.raises(CommandError, match="about to end"):
            await arbiter.reload_config()
        await arbiter.close()

    asyncio.run(main())


def test_the_loop_goes_on_while_a_plugin_takes_its_time_with_the_configuration(file: Path) -> None:
    threads: list[threading.Thread] = []
    may_go_on = threading.Event()
    may_go_on.set()

    class Slow:
        @hookimpl
        def config_loaded(self, config: Config) -> Config:
            threads.append(threading.current_thread())
            assert may_go_on.wait(DEADLINE)
            watcher = replace(config.watchers[0], name="from the plugin")
            return replace(config, watchers=(*config.watchers, watcher))

    async def use(arbiter: EmbeddedArbiter) -> None:
        may_go_on.clear()
        reload = asyncio.ensure_future(arbiter.reload_config())
        for _ in range(10):
            await asyncio.sleep(0.01)
        assert not reload.done()
        may_go_on.set()
        assert (await reload).plan.is_empty
        assert threads[-1] is not threading.current_thread()

    live(with_plugin(file, Slow()), use)


class Differ:
    """Asks for new processes of `b`, or refuses."""

    def __init__(self) -> None:
        self.complaint = ""
        self.seen: list[tuple[Config, Config]] = []

    @hookimpl
    def config_diff(self, old: Config, new: Config) -> Iterable[str]:
        self.seen.append((old, new))
        if self.complaint:
            raise ConfigError(self.complaint)
        return ["b", "unknown"]


def test_a_plugin_can_ask_for_new_processes_or_refuse_also_in_a_dry_run(file: Path) -> None:
    differ = Differ()

    async def use(arbiter: EmbeddedArbiter) -> None:
        a, b = pids(arbiter, "a"), pids(arbiter, "b")
        outlook = await arbiter.plan_config()
        assert [step.name for step in outlook.plan.watchers] == ["b"]
        await (await arbiter.reload_config()).followed
        assert pids(arbiter, "a") == a
        assert not set(pids(arbiter, "b")) & set(b)
        differ.complaint = "not on a Friday"
        file.write_text(FILE.replace("1000", "1001"))
        for attempt in (arbiter.plan_config, arbiter.reload_config):
            with pytest.raises(ConfigError, match="not on a Friday"):
                await attempt()
        assert pids(arbiter, "a") == a
        old, new = differ.seen[-1]
        assert (old.watchers[0].cmd, new.watchers[0].cmd) == ("sleep 1000", "sleep 1001")

    live(with_plugin(file, differ), use)


def test_giving_up_waiting_for_the_processes_changes_nothing(file: Path) -> None:
    async def use(arbiter: EmbeddedArbiter) -> None:
        file.write_text(FILE.replace("1000", "1001"))
        reload = await arbiter.reload_config()
        reload.followed.cancel()
        old = pids(arbiter, "a")
        while set(pids(arbiter, "a")) & set(old) or not pids(arbiter, "a"):
            await asyncio.sleep(0.01)

    live(arbiter_from_file(str(file), with_endpoints=False), use)
