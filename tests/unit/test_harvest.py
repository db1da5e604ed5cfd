"""Pipes that rest: who is looked at together, who is watched again, how often, and which pipe is flooded."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any, cast

import pytest

from circus_core.output.flood import FLOOD, Flood
from circus_core.output.harvest import LONGEST, SHORTEST, Harvest

DEADLINE = 90.0


class Resting:
    """One end of a pipe at rest, the other one of who writes to it."""

    def __init__(self, told: Callable[[str], None]) -> None:
        self.ours, self.theirs = os.pipe()
        self._told = told

    def fileno(self) -> int:
        return self.ours

    def move(self) -> None:
        os.read(self.ours, 65536)
        self._told("move")

    def watch(self) -> None:
        self._told("watch")

    def close(self) -> None:
        os.close(self.ours)
        os.close(self.theirs)


@pytest.fixture
def make() -> Iterator[Callable[[Callable[[str], None]], Resting]]:
    with ExitStack() as stack:

        def made(told: Callable[[str], None]) -> Resting:
            resting = Resting(told)
            stack.callback(resting.close)
            return resting

        yield made


def test_all_are_looked_at_together_and_the_silent_are_watched_again(
    make: Callable[[Callable[[str], None]], Resting],
) -> None:
    async def scenario() -> list[tuple[str, str]]:
        harvest, told, done = Harvest(asyncio.get_running_loop()), list[tuple[str, str]](), asyncio.Event()

        def tell(who: str, what: str) -> None:
            told.append((who, what))
            if len(told) == 3:
                done.set()

        pipes = {who: make(partial(tell, who)) for who in ("a", "b", "c", "gone")}
        for pipe in pipes.values():
            harvest.rest(pipe, 100)
            os.write(pipe.theirs, b"line\n")
        os.read(pipes["b"].ours, 100)
        harvest.leave(pipes["gone"])
        async with asyncio.timeout(DEADLINE):
            await done.wait()
        return told

    assert asyncio.run(scenario()) == [("a", "move"), ("b", "watch"), ("c", "move")]


def test_there_is_no_timer_while_nothing_rests(make: Callable[[Callable[[str], None]], Resting]) -> None:
    class Timers:
        """What a harvest wants of a loop."""

        def __init__(self) -> None:
            self.made: list[asyncio.TimerHandle] = []

        def call_later(self, delay: float, call: Callable[..., None]) -> asyncio.TimerHandle:
            self.made.append(asyncio.get_running_loop().call_later(delay, call))
            return self.made[-1]

    async def scenario() -> None:
        timers, seen = Timers(), asyncio.Event()
        harvest, pipe = Harvest(cast(Any, timers)), make(lambda _: seen.set())
        harvest.rest(pipe, 100)
        harvest.leave(pipe)
        assert [timer.cancelled() for timer in timers.made] == [True]
        harvest.rest(pipe, 100)
        async with asyncio.timeout(DEADLINE):
            await seen.wait()
        assert len(timers.made) == 2

    asyncio.run(scenario())


def test_the_fullest_pipe_sets_the_pace(make: Callable[[Callable[[str], None]], Resting]) -> None:
    async def scenario() -> list[float]:
        harvest, looked = Harvest(asyncio.get_running_loop()), asyncio.Event()
        slow, fast = make(lambda _: None), make(lambda _: looked.set())
        paces = []
        for count in (100, 20_000, 20_000, 20_000, 20_000, 8_000, 100, 100, 100, 100):
            looked.clear()
            harvest.rest(slow, 10)
            harvest.rest(fast, count)
            async with asyncio.timeout(DEADLINE):
                await looked.wait()
            paces.append(harvest.interval)
        return paces

    assert asyncio.run(scenario()) == [
        LONGEST,
        LONGEST / 2,
        LONGEST / 4,
        SHORTEST,
        SHORTEST,
        SHORTEST,
        LONGEST / 4,
        LONGEST / 2,
        LONGEST,
        LONGEST,
    ]


class TestFlood:
    def test_a_full_pipe_is_flooded_until_little_comes(self) -> None:
        flood, judged = Flood(), []
        for count, now in ((1000, 1.0), (FLOOD, 1.001), (1000, 1.1)):
            flood.note(count, now)
            judged.append(flood.is_on)
        assert judged == [False, True, False]

    def test_much_in_little_time_is_a_flood_and_for_a_while_longer(self) -> None:
        flood = Flood()
        judged = []
        for number in range(20):
            flood.note(20_000, 1.0 + number * 1e-3)
            judged.append(flood.is_on)
        assert judged == [False] * 13 + [True] * 7
        flood.note(1000, 1.03)
        assert flood.is_on
        flood.note(1000, 1.05)
        assert not flood.is_on

    def test_the_same_over_a_longer_time_is_none(self) -> None:
        flood = Flood()
        for number in range(100):
            flood.note(20_000, 1.0 + number * 5e-3)
            assert not flood.is_on
