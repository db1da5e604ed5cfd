"""Every command that a daemon carries out, run by both clients: the result is what it promises."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from circus_core import commands
from circus_core.clients.async_client import AsyncCircusClient
from circus_core.clients.client import CircusClient
from circus_core.clients.subscription import Subscription
from circus_core.commands.command import Command, LocalCommand
from circus_core.errors import CallTimeoutError, ConnectionLostError, RefusedError
from tests.controlled import find_command, kernel_commands
from tests.integration.daemon import DEADLINE, Daemon, until

Holds = Callable[[Any], object]

WEB = {"name": "web"}
RUNS: Mapping[type[Command[Any, Any]], tuple[dict[str, Any], Holds]] = {
    commands.Add: (
        {"name": "{new}", "cmd": "sleep 1000", "start": True, "waiting": True},
        lambda found: len(found.started) == 1,
    ),
    commands.Check: ({}, lambda found: found.is_usable),
    commands.Decr: ({**WEB, "nb": 0, "waiting": True}, lambda found: found.numprocesses == 2),
    commands.Describe: (WEB, lambda found: list(found.descriptions) == ["web"]),
    commands.Dstats: ({}, lambda found: found.info),
    commands.Get: ({**WEB, "keys": ["numprocesses"]}, lambda found: found.options == {"numprocesses": 2}),
    commands.Globaloptions: ({"option": "check_delay"}, lambda found: found.options == {"check_delay": 5.0}),
    commands.Incr: ({**WEB, "nb": 0, "waiting": True}, lambda found: found.numprocesses == 2),
    commands.Ipython: ({}, lambda found: found.shell is None),
    commands.Kill: ({**WEB, "waiting": True}, lambda found: True),
    commands.List: ({}, lambda found: "web" in found.watchers),
    commands.Listsockets: ({}, lambda found: found.sockets[0]["name"] == "inet"),
    commands.Numprocesses: (WEB, lambda found: found.numprocesses == 2),
    commands.Numwatchers: ({}, lambda found: found.numwatchers > 1),
    commands.Options: (WEB, lambda found: found.options["cmd"] == "sleep 1000"),
    commands.Plan: ({}, lambda found: not found.is_applied),
    commands.Reload: ({**WEB, "waiting": True}, lambda found: len(found.changes["started"]) == 2),
    commands.Reopen: (WEB, lambda found: found == commands.Done()),
    commands.Rm: ({"name": "{new}", "waiting": True}, lambda found: True),
    commands.Restart: ({**WEB, "waiting": True}, lambda found: len(found.changes["stopped"]) == 2),
    commands.Set: ({**WEB, "options": {"graceful_timeout": 20}, "waiting": True}, lambda found: True),
    commands.Signal: ({**WEB, "signum": 0}, lambda found: True),
    commands.Start: ({**WEB, "waiting": True}, lambda found: len(found.changes["kept"]) == 2),
    commands.Stats: (WEB, lambda found: len(found.infos["web"]) == 2),
    commands.Status: (WEB, lambda found: found.state == "active"),
    commands.Stop: ({"name": "lazy", "waiting": True}, lambda found: found.changes is None),
    commands.Reloadconfig: ({"waiting": True}, lambda found: True),
    commands.Quit: ({"waiting": True}, lambda found: True),
}
CHANGE: Mapping[str, Any] = {"name": "web", "options": {"graceful_timeout": 20}}
SECTIONS = """\
[watcher:web]
cmd = sleep 1000
numprocesses = 2

[watcher:lazy]
cmd = sleep 1000
autostart = False

[socket:inet]
host = 127.0.0.1
port = 0
"""


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with Daemon(tmp_path / "daemon", SECTIONS) as running:
        running.watcher("web").until_pids(2)
        yield running


def properties_of(given: Mapping[str, Any], new: str) -> dict[str, Any]:
    return {key: new if value == "{new}" else value for key, value in given.items()}


def test_each_command_has_a_typed_result_for_the_client_without_a_loop(daemon: Daemon) -> None:
    with daemon.client() as client:
        for command, (given, holds) in RUNS.items():
            found = client.run(command, **properties_of(given, "new"))
            assert isinstance(found, command.result), found
            assert holds(found), found
    assert daemon.wait() == 0


def test_each_command_has_a_typed_result_for_the_client_with_a_loop(daemon: Daemon) -> None:
    async def run_all() -> None:
        async with AsyncCircusClient(daemon.endpoint, timeout=DEADLINE) as client:
            for command, (given, holds) in RUNS.items():
                found = await client.run(command, **properties_of(given, "new"))
                assert isinstance(found, command.result), found
                assert holds(found), found

    asyncio.run(run_all())
    assert daemon.wait() == 0


def test_no_command_of_a_daemon_is_forgotten_here() -> None:
    found = {type(find_command(name)) for name in kernel_commands()}
    local = {command for command in found if issubclass(command, LocalCommand)}
    assert found - local - set(RUNS) <= {commands.Logs}  # circusctl carries out its larger part


def test_a_client_without_a_loop_goes_on_when_the_daemon_has_made_itself_anew(tmp_path: Path) -> None:
    with Daemon(tmp_path / "daemon", SECTIONS, tcp=True) as daemon, daemon.client() as client:
        pids = daemon.watcher("web").until_pids(2)
        with client.events("watcher.web.updated") as events:
            client.run(commands.Restart)
            until(lambda: set(answer(client, commands.List, name="web").pids).isdisjoint(pids))
            until(lambda: answer(client, commands.Set, **CHANGE) and is_heard(events))


def answer(client: CircusClient, command: type[Command[Any, Any]], **properties: Any) -> Any:
    """Ask until there is an answer: while it restarts, a daemon may not be there, or not be ready."""
    while True:
        try:
            return client.run(command, timeout=0.5, **properties)
        except (CallTimeoutError, ConnectionLostError, RefusedError):
            continue


def is_heard(events: Subscription) -> bool:
    try:
        return events.next(timeout=0.05).action == "updated"
    except CallTimeoutError:
        return False


def test_a_client_with_a_loop_goes_on_when_the_daemon_has_made_itself_anew(tmp_path: Path) -> None:
    async def go_on(daemon: Daemon, pids: set[int]) -> None:
        async with (
            AsyncCircusClient(daemon.endpoint, timeout=DEADLINE) as client,
            client.events("watcher.web.updated") as events,
        ):
            await client.run(commands.Restart)
            while not pids.isdisjoint((await answer_later(client, commands.List, name="web")).pids):
                pass
            hearing = asyncio.ensure_future(anext(events))
            while not hearing.done():
                await answer_later(client, commands.Set, **CHANGE)

    with Daemon(tmp_path / "daemon", SECTIONS, tcp=True) as daemon:
        asyncio.run(asyncio.wait_for(go_on(daemon, set(daemon.watcher("web").until_pids(2))), DEADLINE))


async def answer_later(client: AsyncCircusClient, command: type[Command[Any, Any]], **properties: Any) -> Any:
    while True:
        try:
            return await client.run(command, timeout=0.5, **properties)
        except (CallTimeoutError, ConnectionLostError, RefusedError):
            continue
