"""An add-on's endpoint has the same doors as those of the daemon."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import zmq
import zmq.asyncio

from circus_core import ArbiterConfig, EndpointError, GuardedPublisher, secure
from circus_core.access.keyring import Keyring
from tests.controlled import ROOT
from tests.integration.daemon import free_port

NOBODY = 65534


async def heard(publisher: GuardedPublisher) -> list[bytes]:
    """Publish until a subscriber of ours hears it."""
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.linger = 0
        socket.subscribe(b"stat.")
        secure(socket, publisher.endpoint)
        socket.connect(publisher.endpoint)
        async with asyncio.timeout(20):
            while not socket.poll(0):
                publisher.publish("other.w", {"cpu": 0})
                publisher.publish("stat.w", {"cpu": 1.5})
                await asyncio.sleep(0.01)
        return socket.recv_multipart()


@pytest.mark.parametrize("kind", ["tcp", "ipc", "keys", "none"])
def test_our_own_programs_hear_what_they_subscribed_to(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIRCUS_KEYS", str(tmp_path / "keys"))
    config = ArbiterConfig()
    if kind == "keys":
        Keyring(str(tmp_path / "keys")).make("me")
        config = ArbiterConfig(auth="curve")
    if kind == "none":
        config = ArbiterConfig(auth="none")

    async def scenario() -> list[bytes]:
        endpoint = f"ipc://{tmp_path}/stats" if kind == "ipc" else "tcp://127.0.0.1:*"
        publisher = GuardedPublisher(endpoint, config=config)
        try:
            return await heard(publisher)
        finally:
            await publisher.close()

    topic, payload = asyncio.run(scenario())
    assert (topic, json.loads(payload)) == (b"stat.w", {"cpu": 1.5})


@pytest.mark.root
@pytest.mark.parametrize(("config", "hears"), [({}, False), ({"allow_read": (NOBODY,)}, True)])
def test_another_user_hears_only_if_it_may(config: dict[str, tuple[int]], hears: bool) -> None:
    async def scenario() -> str:
        publisher = GuardedPublisher("tcp://127.0.0.1:*", config=ArbiterConfig(**config))  # type: ignore[arg-type]  # one of them
        program = [
            sys.executable,
            str(ROOT / "tests/stranger.py"),
            str(NOBODY),
            publisher.endpoint,
            "subscribe",
        ]
        try:
            listening = await asyncio.create_subprocess_exec(*program, stdout=subprocess.PIPE)
            said = asyncio.ensure_future(listening.communicate())
            while not said.done():  # it ends when it has heard enough, or is not let in
                publisher.publish("stat.w", {})
                await asyncio.sleep(0.01)
            return (await said)[0].decode()
        finally:
            await publisher.close()

    assert ("stat.w" in asyncio.run(scenario())) is hears


def test_it_can_be_bound_again_at_once_and_says_why_it_can_not() -> None:
    port = free_port()

    async def scenario() -> None:
        for _ in range(2):
            publisher = GuardedPublisher(f"tcp://127.0.0.1:{port}")
            with pytest.raises(EndpointError, match="address already in use"):
                GuardedPublisher(f"tcp://127.0.0.1:{port}")
            await publisher.close()
        os.environ["CIRCUS_KEYS"], before = "/nonexistent", os.environ.get("CIRCUS_KEYS")
        try:
            with pytest.raises(EndpointError, match="circusctl keys make"):
                GuardedPublisher("tcp://0.0.0.0:*")
        finally:
            os.environ.pop("CIRCUS_KEYS") if before is None else os.environ.update(CIRCUS_KEYS=before)

    asyncio.run(scenario())
