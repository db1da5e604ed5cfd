"""The fixtures of the kit. pytest loads this module wherever circus-core is installed.

It does nothing until one of its fixtures is asked for, and imports nothing of the kernel before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from circus_core.testing.circusd import Daemon, Watch
    from circus_core.testing.daemon import StandInDaemon


@pytest.fixture
def circusd(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """Give a function that starts a daemon from ini sections; the arguments are those of `Daemon`.

    At the end of the test all of them are stopped, and nothing may be left of them.
    """
    from circus_core.testing.circusd import Daemon

    with ExitStack() as stack:
        count = iter(range(100))

        def start(sections: str = "", **options: Any) -> Daemon:
            return stack.enter_context(Daemon(tmp_path / f"d{next(count)}", sections, **options))

        yield start


@pytest.fixture
def stand_in_daemon(tmp_path: Path) -> Iterator[StandInDaemon]:
    """Give both endpoints of a daemon without the daemon: the test plays it."""
    from circus_core.testing.daemon import StandInDaemon

    with StandInDaemon(tmp_path) as daemon:
        yield daemon


@pytest.fixture(params=["process", "daemon"])
def plugin_host(request: pytest.FixtureRequest) -> str:
    """Give both values of the option run_in: a test that asks for it runs twice."""
    return str(request.param)


@pytest.fixture
def run_plugin(circusd: Callable[..., Daemon], plugin_host: str) -> Callable[..., Watch]:
    """Give a function that runs a plugin under a daemon, in both hosts; it returns the plugin's watcher.

    `run_plugin(use, sections="", *, env=None, **options)`: `use` is the name or dotted path of the class,
    `sections` further ini text, `env` is for the daemon, `options` those of the plugin's section. It returns
    when the plugin hears everything; watchers with `autostart = False` are then started by the test. With
    `is_waited_for=False` it returns at once.
    """

    def run(
        use: str,
        sections: str = "",
        *,
        env: dict[str, str] | None = None,
        is_waited_for: bool = True,
        **options: object,
    ) -> Watch:
        lines = {"use": use, "run_in": plugin_host, "autostart": False, **options}
        section = "\n".join(f"{key} = {value}" for key, value in lines.items())
        daemon = circusd(f"{sections}\n\n[plugin:tested]\n{section}\n", env=env)
        watch = daemon.watcher("plugin:tested")
        daemon.call("start", name=watch.name)
        if is_waited_for:
            daemon.events.wait(watch.name, "ready")
        return watch

    return run
