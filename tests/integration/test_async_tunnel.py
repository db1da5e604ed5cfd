"""The client with a loop through a real ssh to a real sshd on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from circus_core.clients.async_client import AsyncCircusClient
from circus_core.clients.tunnel import Tunnel, open_tunnel
from circus_core.commands import Numwatchers
from circus_core.errors import CallError, UnreachableError
from circus_core.events import Added
from tests.controlled import Served
from tests.integration.daemon import DEADLINE, free_port, until
from tests.integration.sshd import SSHD, SshServer, ssh_programs

pytestmark = pytest.mark.skipif(SSHD is None, reason="needs sshd: Debian's package openssh-server")


@pytest.fixture
def sshd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SshServer]:
    with SshServer(tmp_path / "sshd") as server:
        monkeypatch.setenv("PATH", server.path)
        yield server
        until(lambda: not list(ssh_programs(server.folder)), "every ssh to end")


@pytest.fixture
def served() -> Iterator[Served]:
    control, events = (f"tcp://127.0.0.1:{free_port()}" for _ in range(2))
    with Served(control, events) as running:
        yield running


def client_of(served: Served, sshd: SshServer, key: str, timeout: float = DEADLINE) -> AsyncCircusClient:
    endpoint = served.controller.endpoint
    return AsyncCircusClient(endpoint, timeout=timeout, ssh_server=sshd.address, ssh_keyfile=key)


def test_many_requests_and_events_go_through_one_login(sshd: SshServer, served: Served) -> None:
    async def use() -> None:
        async with client_of(served, sshd, sshd.key) as client:
            found = await asyncio.gather(*(client.run(Numwatchers) for _ in range(20)))
            assert {each.numwatchers for each in found} == {3}
            async with client.events("watcher.w.") as events:
                served.on_loop(lambda: served.controller.publish(Added(watcher="W", time=1.5)))
                assert (await anext(events)).topic == "watcher.w.add"
            assert len(list(ssh_programs(sshd.folder, "ssh"))) == 1

    asyncio.run(use())


def test_a_key_that_is_not_admitted_is_refused_with_the_words_of_ssh(sshd: SshServer, served: Served) -> None:
    async def use() -> None:
        async with client_of(served, sshd, sshd.foreign_key) as client:
            for _ in range(2):
                with pytest.raises(CallError, match="Permission denied"):
                    await client.run(Numwatchers)

    asyncio.run(use())


def test_a_login_that_takes_too_long_goes_on_for_later_calls(sshd: SshServer, served: Served) -> None:
    async def use() -> None:
        async with client_of(served, sshd, sshd.key, timeout=0.001) as client:
            with pytest.raises(UnreachableError, match="There is no login at"):
                await client.run(Numwatchers)
            assert (await client.run(Numwatchers, timeout=DEADLINE)).numwatchers == 3

    asyncio.run(use())


def test_a_client_that_is_closed_during_its_login_leaves_nothing(sshd: SshServer, served: Served) -> None:
    async def use() -> None:
        client = client_of(served, sshd, sshd.key)
        asking = asyncio.create_task(client.run(Numwatchers))
        await asyncio.sleep(0)
        client.close()
        with pytest.raises(CallError):
            await asking

    asyncio.run(use())
    until(lambda: not list(ssh_programs(sshd.folder)), "ssh to end")


def test_clients_share_a_tunnel_that_stays_open_behind_them(sshd: SshServer, served: Served) -> None:
    async def use(tunnel: Tunnel) -> None:
        endpoint = served.controller.endpoint
        async with (
            AsyncCircusClient(endpoint, timeout=DEADLINE, tunnel=tunnel) as one,
            AsyncCircusClient(endpoint, timeout=DEADLINE, tunnel=tunnel) as other,
        ):
            found = await asyncio.gather(one.run(Numwatchers), other.run(Numwatchers))
            assert {each.numwatchers for each in found} == {3}

    with open_tunnel(sshd.address, sshd.key) as tunnel:
        asyncio.run(use(tunnel))
        assert tunnel.is_open
