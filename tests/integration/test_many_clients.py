"""Clients that want different things of the same watchers at once: all are served, and it converges."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from circus_core.clients.async_client import AsyncCircusClient
from circus_core.clients.client import CircusClient
from circus_core.commands import List, Numprocesses, Restart, Set, Start, Status, Stop
from tests.integration.daemon import DEADLINE, Daemon, is_alive, until

Boot = Callable[..., Daemon]

SHARED = ("a", "b", "c")
SECTIONS = "\n".join(
    f"[watcher:{name}]\ncmd = sleep 1000\nnumprocesses = 2\ngraceful_timeout = 5\n" for name in SHARED
)
COMMANDS = 200
PATIENCE = 60.0  # seconds for one command while the machine is busy


def wish(chance: random.Random, own: list[str], prefix: str) -> tuple[str, dict[str, Any]]:
    """Return a command that never fails: `own` are the watchers that only this client adds and removes."""
    name = chance.choice(SHARED)
    waiting = chance.random() < 0.3
    match chance.choice(("start", "stop", "restart", "incr", "decr", "set", "signal", "kill", "reload",
                         "status", "list", "numprocesses", "options", "add", "rm")):  # fmt: skip
        case "set":
            number = chance.randrange(4)
            return "set", {"name": name, "options": {"numprocesses": number}, "waiting": waiting}
        case "incr" | "decr" as command:
            return command, {"name": name, "nb": chance.randrange(3), "waiting": waiting}
        case "signal":
            return "signal", {"name": name, "signum": chance.choice(("CONT", "TERM", "KILL", "0"))}
        case "add":
            own.append(f"{prefix}-{len(own)}-{chance.random()}")
            start = chance.random() < 0.5
            return "add", {"name": own[-1], "cmd": "sleep 1000", "start": start, "waiting": waiting}
        case "rm" if own:
            return "rm", {"name": own.pop(), "waiting": waiting}
        case ("start" | "stop" | "restart" | "reload" | "kill") as command:
            return command, {"name": name, "waiting": waiting}
        case ("list" | "numprocesses" | "options" | "status") as command:
            return command, {"name": name}
    return "status", {}


def mix(daemon: Daemon, prefix: str, seed: int) -> Counter[str]:
    """Send mixed commands over a client of its own, then take back what it added; returns what was sent."""
    chance, own, sent = random.Random(seed), list[str](), Counter[str]()
    with daemon.client(timeout=PATIENCE) as client:
        for _ in range(COMMANDS):
            command, properties = wish(chance, own, prefix)
            client.send(command, **properties)  # RefusedError if anybody is in the way
            sent[command] += 1
        for name in own:
            client.send("rm", name=name)
    return sent


def stop_and_start(daemon: Daemon, is_over: threading.Event) -> int:
    """Stop and start the shared watchers until it is over; returns how often."""
    times = 0
    with daemon.client(timeout=PATIENCE) as client:
        while not is_over.is_set():
            for name in SHARED:
                client.run(Stop, name=name, waiting=times % 2 == 0)
            client.run(Start, waiting=times % 3 == 0)
            times += 1
    return times


@pytest.mark.slow
def test_two_clients_with_mixed_commands_and_one_that_stops_and_starts_converge(circusd: Boot) -> None:
    daemon = circusd(SECTIONS)
    is_over = threading.Event()
    with ThreadPoolExecutor(3) as pool:
        third = pool.submit(stop_and_start, daemon, is_over)
        try:
            sent = [pool.submit(mix, daemon, f"x{seed}", seed) for seed in (1, 2)]
            both = sum((each.result(timeout=110) for each in sent), Counter[str]())
        finally:
            is_over.set()
        assert third.result() > 1
    assert both.total() == 2 * COMMANDS
    with daemon.client(timeout=PATIENCE) as client:
        check_that_wishes_come_true(client)
    until(lambda: len(daemon.descendants()) == sum(range(1, 4)), lambda: str(daemon.descendants()))


def check_that_wishes_come_true(client: CircusClient) -> None:
    """State a last wish for each watcher, and see that it is what becomes of it."""
    for number, name in enumerate(SHARED, 1):
        client.run(Set, name=name, options={"numprocesses": number}, waiting=True)
        client.run(Start, name=name, waiting=True)
    until(lambda: set(client.run(Status).states) == {*SHARED, "zz-beacon"}, "all extra watchers to go")
    for number, name in enumerate(SHARED, 1):
        until(partial(has_come_true, client, name, number), name)


def has_come_true(client: CircusClient, name: str, number: int) -> bool:
    pids = client.run(List, name=name).pids or ()
    counted = client.run(Numprocesses, name=name).numprocesses
    state = client.run(Status, name=name).state
    return (state, counted, len(pids)) == ("active", number, number) and all(map(is_alive, pids))


def test_restarts_of_all_watchers_at_once_are_all_carried_out(circusd: Boot) -> None:
    daemon = circusd("\n".join(f"[watcher:w{number}]\ncmd = sleep 1000\n" for number in range(5)))
    before = {name: daemon.watcher(name).until_pids(1) for name in (f"w{number}" for number in range(5))}

    async def restart_all() -> None:
        async with AsyncCircusClient(daemon.endpoint, timeout=DEADLINE) as client:
            found = await asyncio.gather(*(client.run(Restart, name=name, waiting=True) for name in before))
        assert [changed.changes and changed.changes["stopped"] for changed in found] == list(before.values())

    asyncio.run(restart_all())
