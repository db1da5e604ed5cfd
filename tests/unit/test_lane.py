"""Short calls that share a thread, and one that turns out to be long."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import pytest

from circus_core.errors import BusyError
from circus_core.output.lane import Lane
from circus_core.workers import Workers

DEADLINE = 90.0


def on_lane(scenario: Callable[[Lane, Workers], Coroutine[Any, Any, None]], **options: Any) -> None:
    async def run() -> None:
        workers = Workers(**options)
        try:
            async with asyncio.timeout(DEADLINE):
                await scenario(Lane(asyncio.get_running_loop(), workers), workers)
        finally:
            workers.close()

    asyncio.run(run())


def test_calls_run_in_order_off_the_loop_and_results_come_to_the_loop() -> None:
    async def scenario(lane: Lane, workers: Workers) -> None:
        told: list[tuple[int, int, int]] = []
        all_told = asyncio.Event()

        def then(result: tuple[int, int]) -> None:
            told.append((*result, threading.get_ident()))
            if len(told) == 100:
                all_told.set()

        def where(number: int) -> tuple[int, int]:
            return number, threading.get_ident()

        for number in range(100):
            lane.submit(partial(where, number), then)
        await all_told.wait()
        assert [number for number, _, _ in told] == list(range(100))
        assert {told_on for _, _, told_on in told} == {threading.get_ident()}
        assert threading.get_ident() not in {thread for _, thread, _ in told}
        assert workers.count <= 2  # the first one may end before the last call is there

    on_lane(scenario)


def test_what_waits_behind_a_long_call_goes_on_on_another_thread() -> None:
    async def scenario(lane: Lane, workers: Workers) -> None:
        gate, told = threading.Event(), asyncio.Queue[object]()
        lane.submit(lambda: gate.wait(DEADLINE), told.put_nowait)
        lane.submit(lambda: "quick", told.put_nowait)
        assert await told.get() == "quick"
        gate.set()
        assert await told.get() is True
        lane.submit(lambda: "later", told.put_nowait)
        assert await told.get() == "later"

    on_lane(scenario)


def test_what_came_out_before_a_long_call_is_told_meanwhile() -> None:
    async def scenario(lane: Lane, workers: Workers) -> None:
        gate, told = threading.Event(), asyncio.Queue[object]()
        lane.submit(lambda: "quick", told.put_nowait)
        lane.submit(lambda: gate.wait(DEADLINE), told.put_nowait)
        assert await told.get() == "quick"
        gate.set()
        assert await told.get() is True

    on_lane(scenario)


def test_no_thread_is_said_at_once_if_nobody_is_at_work() -> None:
    async def scenario(lane: Lane, workers: Workers) -> None:
        gate = threading.Event()
        workers.submit(gate.wait, DEADLINE)
        with pytest.raises(BusyError, match="worker threads are busy"):
            lane.submit(lambda: None, lambda _: None)
        gate.set()

    on_lane(scenario, limit=1)


def test_what_waits_for_a_second_thread_gets_it_when_there_is_one() -> None:
    async def scenario(lane: Lane, workers: Workers) -> None:
        gate, told = threading.Event(), asyncio.Queue[object]()
        lane.submit(lambda: gate.wait(DEADLINE), told.put_nowait)
        lane.submit(lambda: "waiting", told.put_nowait)
        asyncio.get_running_loop().call_later(0.1, gate.set)
        assert [await told.get(), await told.get()] == [True, "waiting"]

    on_lane(scenario, limit=1)
