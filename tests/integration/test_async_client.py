"""The client with a loop, against a live controller and against one that answers as Circus 0.19 may."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from itertools import chain, repeat
from typing import Any

import pytest
from tornado.ioloop import IOLoop

from circus_core.clients.async_client import AsyncCircusClient
from circus_core.commands import Numwatchers, Start, Status
from circus_core.errors import CallError, CallTimeoutError, RefusedError, UnreachableError
from circus_core.events import Added
from tests.controlled import Served
from tests.scripted import ScriptedDaemon, conflict

TIMEOUT = 90.0


def using(endpoint: str, use: Callable[[AsyncCircusClient], Awaitable[Any]], timeout: float = TIMEOUT) -> Any:
    """Use a client in a loop of its own, at whose end no task is left."""

    async def run() -> Any:
        async with AsyncCircusClient(endpoint, timeout=timeout) as client:
            result = await use(client)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return result

    return asyncio.run(run(), debug=True)


# asking


def test_commands_are_run_and_have_typed_results(served: Served) -> None:
    async def ask(client: AsyncCircusClient) -> None:
        assert (await client.run(Numwatchers)).numwatchers == 3
        assert (await client.run(Status, name="lazy")).state == "stopped"
        assert (await client.send("list", name="sleeper"))["pids"] == [101, 102]
        reply = await client.call({"command": "rm", "properties": {"name": "ghost"}})
        assert reply["reason"] == "program ghost not found"
        with pytest.raises(RefusedError, match=r"^program ghost not found$"):
            await client.run(Start, name="ghost")
        with pytest.raises(CallError, match=r"call\(\) takes a mapping"):
            await client.call("list")  # type: ignore[arg-type]  # as old programs do

    using(served.controller.endpoint, ask)


def test_many_requests_at_once_have_each_its_own_reply(served: Served) -> None:
    async def ask(client: AsyncCircusClient) -> list[Any]:
        names = ["sleeper", "lazy", "web one"] * 80  # a connection may have 256 requests unanswered
        asked = (client.run(Status, name=name) for name in names)
        assert [found.state for found in await asyncio.gather(*asked)] == ["active", "stopped", "active"] * 80
        return names

    using(served.controller.endpoint, ask)


def test_a_waiting_call_holds_up_no_other(served: Served) -> None:
    async def ask(client: AsyncCircusClient) -> None:
        served.hold()
        starting = asyncio.create_task(client.run(Start, name="lazy", waiting=True))
        for _ in range(20):
            assert (await client.run(Numwatchers)).numwatchers == 3
        assert not starting.done()
        served.release()
        assert (await starting).is_told

    using(served.controller.endpoint, ask)


def test_calls_of_many_tasks_one_after_the_other_all_end(served: Served) -> None:
    async def ask(client: AsyncCircusClient) -> None:
        async def one_after_the_other() -> int:
            return sum([(await client.run(Numwatchers)).numwatchers for _ in range(100)])

        assert await asyncio.gather(*(one_after_the_other() for _ in range(20))) == [300] * 20

    using(served.controller.endpoint, ask)


def test_the_loop_of_tornado_will_do(served: Served) -> None:
    async def ask() -> int:
        async with AsyncCircusClient(served.controller.endpoint) as client:
            return (await client.run(Numwatchers)).numwatchers

    loop = IOLoop(make_current=False)
    try:
        assert loop.run_sync(ask) == 3
    finally:
        loop.close()


def test_a_call_that_gives_up_or_is_cancelled_leaves_nothing(served: Served) -> None:
    async def ask(client: AsyncCircusClient) -> None:
        await client.run(Numwatchers)  # it is connected
        served.hold()
        with pytest.raises(CallTimeoutError, match=r"^Timed out\. There is no answer"):
            await client.run(Start, name="lazy", waiting=True, timeout=0.1)
        waiting = asyncio.create_task(client.send("stop", waiting=True))
        await client.run(Numwatchers)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert not client._calls
        served.release()
        assert (await client.run(Numwatchers)).numwatchers == 3

    using(served.controller.endpoint, ask)


def test_without_a_daemon_nothing_is_sent_and_nothing_later(nobody: str) -> None:
    async def ask(client: AsyncCircusClient) -> None:
        for call in (client.send("quit"), client.cast("quit")):
            with pytest.raises(UnreachableError, match=r"^Timed out\. There is no connection to"):
                await call
        with pytest.raises(UnreachableError):
            async with client.events():
                pass
        with pytest.raises(UnreachableError, match="can't reach the events"):
            async with client.events(endpoint=nobody + "-events"):
                pass
        waiting = asyncio.create_task(client.send("list", timeout=TIMEOUT))
        await asyncio.sleep(0)
        with ScriptedDaemon(nobody, lambda _: {"status": "ok"}) as daemon:
            assert (await waiting)["status"] == "ok"
            assert [request["command"] for request in daemon.requests] == ["list"]

    using(nobody, ask, timeout=0.1)


def test_closing_fails_the_calls_that_wait(served: Served, nobody: str) -> None:
    async def ask(client: AsyncCircusClient) -> None:
        served.hold()
        unsent = AsyncCircusClient(nobody)
        calls = [client.send("stop", waiting=True), unsent.send("stop")]
        waiting = [asyncio.create_task(call) for call in calls]
        await client.run(Numwatchers)
        client.close()
        unsent.close()
        for call in waiting:
            with pytest.raises(CallError, match="the client is closed"):
                await call
        with pytest.raises(CallError, match="the client is closed"):
            await client.send("list")
        served.release()

    using(served.controller.endpoint, ask)


def test_a_cast_has_arrived_when_it_returns(served: Served) -> None:
    async def ask() -> None:
        for _ in range(50):
            async with AsyncCircusClient(served.controller.endpoint, timeout=TIMEOUT) as client:
                await client.cast("reload", name="lazy")

    asyncio.run(ask())
    told = served.on_loop(lambda: list(served.arbiter.get_watcher("lazy").sent))
    assert told == [("reload", True, False)] * 50


def test_what_was_in_conflict_is_sent_again_until_it_is_taken(nobody: str) -> None:
    replies = chain([conflict(), conflict("watcher_stop"), {"status": "ok"}], repeat(conflict()))
    with ScriptedDaemon(nobody, lambda _: next(replies)):

        async def ask(client: AsyncCircusClient) -> None:
            assert (await client.send("restart", name="web"))["status"] == "ok"
            with pytest.raises(RefusedError, match="already running"):
                await client.send("restart", timeout=3)

        using(nobody, ask)


# events


def publish(served: Served, watcher: str, at: float = 1.5) -> None:
    served.on_loop(lambda: served.controller.publish(Added(watcher=watcher, time=at)))


def test_events_that_come_after_subscribing_are_heard(served: Served) -> None:
    async def listen(client: AsyncCircusClient) -> None:
        for number in range(20):
            async with client.events("watcher.web_one.") as events:
                publish(served, "lazy")
                publish(served, "Web one", at=float(number))
                event = await anext(events)
                assert (event.topic, event.time) == ("watcher.web_one.add", float(number))
        assert not client._subscriptions

    using(served.controller.endpoint, listen)


def test_a_burst_of_events_is_heard_in_order_while_calls_go_on(served: Served) -> None:
    async def listen(client: AsyncCircusClient) -> None:
        async with client.events("watcher.w.") as events:
            for number in range(2000):
                publish(served, "w", at=float(number))
            async with asyncio.timeout(TIMEOUT):
                for number in range(2000):
                    assert (await anext(events)).time == float(number)
                    if number % 100 == 0:
                        assert (await client.run(Numwatchers)).numwatchers == 3

    using(served.controller.endpoint, listen)


def test_the_first_event_that_is_asked_for_connects(served: Served) -> None:
    async def listen(client: AsyncCircusClient) -> None:
        async def first() -> str:
            async for event in client.events("watcher.w."):
                return event.topic
            return ""

        listening = asyncio.create_task(first())
        deadline = time.monotonic() + TIMEOUT
        while not listening.done():
            publish(served, "w")
            await client.run(Numwatchers)
            assert time.monotonic() < deadline
        assert listening.result() == "watcher.w.add"

    using(served.controller.endpoint, listen)


@pytest.mark.parametrize("by", ["subscription", "client"])
def test_closing_ends_the_iteration(served: Served, by: str) -> None:
    async def listen(client: AsyncCircusClient) -> None:
        async with client.events() as events:
            heard: list[str] = []

            async def collect() -> None:
                async for event in events:
                    heard.append(event.topic)

            listening = asyncio.create_task(collect())
            publish(served, "w")
            async with asyncio.timeout(TIMEOUT):
                while not heard:
                    await asyncio.sleep(0.01)
            (events if by == "subscription" else client).close()
            await listening
        assert heard == ["watcher.w.add"]

    using(served.controller.endpoint, listen)


def test_a_wait_for_an_event_can_be_cancelled_and_taken_up_again(served: Served) -> None:
    async def listen(client: AsyncCircusClient) -> None:
        async with client.events() as events:
            for _ in range(20):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.001):
                        await anext(events)
            publish(served, "w")
            assert (await anext(events)).topic == "watcher.w.add"

    using(served.controller.endpoint, listen)
