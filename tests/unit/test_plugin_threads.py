"""Plugins in threads, at the moments at which a thread and the loop of the daemon can miss each other."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from signal import SIGTERM
from typing import Any

import pytest

from circus_core.access.identity import Identity
from circus_core.backends import SpawnRequest
from circus_core.clock import SystemClock
from circus_core.config.model import ArbiterConfig
from circus_core.control.dispatch import Dispatcher
from circus_core.drivers import resolve_name
from circus_core.errors import CallError
from circus_core.plugin.base import CircusPlugin
from circus_core.plugin.threads import DaemonLink, PluginThreads
from circus_core.plugin_watcher import CONFIG_VARIABLE

DEADLINE = 90.0
NOWHERE = "tcp://127.0.0.1:1"


class Answering(Dispatcher):
    """Answers all requests, and needs nothing for it."""

    def __init__(self) -> None:
        self._followed = set()

    async def answer(self, identity: Identity, body: bytes) -> bytes | None:
        return b"{}"


class Unready(CircusPlugin):
    """Ends as soon as it begins."""

    def handle_init(self) -> None:
        raise ValueError("not today")


def test_a_request_that_is_given_up_before_its_first_step_keeps_nobody_waiting() -> None:
    async def main() -> None:
        link = DaemonLink("plugin:x", loop=asyncio.get_running_loop(), dispatcher=Answering())
        asking = asyncio.create_task(asyncio.to_thread(lambda: link.call("list", {}, timeout=DEADLINE)))
        while not link._requests:
            await asyncio.sleep(0)
        link.give_up()
        with pytest.raises(CallError, match="circusd ends"):
            await asking

    asyncio.run(main())


def _threads(loop: asyncio.AbstractEventLoop, load: Callable[[str], type[CircusPlugin]]) -> PluginThreads:
    return PluginThreads(
        loop=loop,
        load=load,
        config=ArbiterConfig,
        listeners=[],
        publish=lambda event: None,
        dispatcher=Answering(),
        clock=SystemClock(),
    )


def _request(name: str) -> SpawnRequest:
    return SpawnRequest(argv=(name,), env={CONFIG_VARIABLE: '{"name": "x"}'}, label=f"{name}.1")


def test_a_plugin_that_has_just_ended_by_itself_can_be_told_to_stop() -> None:
    async def main() -> tuple[bool, int]:
        loop = asyncio.get_running_loop()
        code: asyncio.Future[int] = loop.create_future()
        child = _threads(loop, lambda name: Unready).spawn(_request("x"), code.set_result)
        child.wait()  # the loop, which stands still, has not heard of its end
        return child.send_signal(SIGTERM), await asyncio.wait_for(code, DEADLINE)

    assert asyncio.run(main()) == (True, 1)


def test_two_plugins_of_a_package_that_imports_both_can_begin_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "pair_of_plugins"
    package.mkdir()
    plugin = f"from {__name__} import Unready as Plugin\n"
    package.joinpath("__init__.py").write_text("from pair_of_plugins import one, two\n")
    package.joinpath("one.py").write_text(plugin + "import time\ntime.sleep(0.2)  # while two begins\n")
    package.joinpath("two.py").write_text(plugin)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("circus_core.plugin.threads._LOADING", DEADLINE)  # however busy the machine is
    loaded: list[str] = []

    def load(name: str) -> type[CircusPlugin]:
        found: type[CircusPlugin] = resolve_name(name)
        loaded.append(name)
        return found

    async def main() -> None:
        loop = asyncio.get_running_loop()
        threads, ends = _threads(loop, load), [loop.create_future() for _ in range(2)]
        for end, module in zip(ends, ("one", "two"), strict=True):
            threads.spawn(_request(f"pair_of_plugins.{module}.Plugin"), end.set_result)
        await asyncio.wait_for(asyncio.gather(*ends), DEADLINE)

    try:
        asyncio.run(main())
    finally:
        for name in [name for name in sys.modules if name.startswith("pair_of_plugins")]:
            del sys.modules[name]
    assert sorted(loaded) == ["pair_of_plugins.one.Plugin", "pair_of_plugins.two.Plugin"]


def test_a_stop_that_comes_when_the_thread_of_the_plugin_begins_is_not_lost() -> None:
    class Late(CircusPlugin):
        """Begins when somebody who stops it has looked whether it has begun."""

        ended_in = ""

        def __getattribute__(self, name: str) -> Any:
            value = super().__getattribute__(name)
            if name == "_thread" and threading.current_thread() is stopping:
                deadline = time.monotonic() + DEADLINE
                living.start()
                while living.is_alive() and not self.asyncio_loop.is_running():
                    assert time.monotonic() < deadline
                    time.sleep(0.001)
            return value

        def handle_stop(self) -> None:
            self.ended_in = threading.current_thread().name

    plugin = Late(NOWHERE, NOWHERE, 1)
    assert not plugin.asyncio_loop.is_running()  # it is there: two threads that ask for it would make two
    living = threading.Thread(target=plugin.start, name="living", daemon=True)
    stopping = threading.Thread(target=plugin.stop, name="stopping")
    stopping.start()
    stopping.join(2 * DEADLINE)
    living.join(DEADLINE)
    assert not living.is_alive()
    assert plugin.ended_in == "living"
