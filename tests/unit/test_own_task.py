"""Work begins at once and in order, and has a task only if it waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from circus_core.own_task import Starter, in_a_task


def on_loop(step: Callable[[Starter], None]) -> None:
    """Call `step` as the loop calls what reads a socket: in no task."""
    loop = asyncio.new_event_loop()
    failed: list[AssertionError] = []

    def call() -> None:
        try:
            step(Starter(loop))
        except AssertionError as error:
            failed.append(error)

    async def until_all_is_done() -> None:
        await asyncio.sleep(0)
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))

    loop.call_soon(call)
    loop.run_until_complete(until_all_is_done())
    loop.close()
    if failed:
        raise failed[0]


async def at_once(name: str, said: list[str]) -> None:
    said.append(name)


async def later(name: str, said: list[str]) -> None:
    await in_a_task()
    async with asyncio.timeout(10):  # which wants a task
        await asyncio.sleep(0)
    said.append(name)


def test_what_waits_for_nothing_is_done_without_a_task() -> None:
    said: list[str] = []

    def step(starter: Starter) -> None:
        assert starter.start(at_once("a", said), name="a") is None
        assert said == ["a"]

    on_loop(step)


def test_what_waits_goes_on_in_a_task_of_its_own() -> None:
    said: list[str] = []

    def step(starter: Starter) -> None:
        task = starter.start(later("a", said), name="a")
        assert task is not None
        assert task.get_name() == "a"

    on_loop(step)
    assert said == ["a"]


def test_work_does_not_overtake_what_came_before() -> None:
    said: list[str] = []

    async def begins_late() -> None:
        await in_a_task()
        said.append("first")

    def step(starter: Starter) -> None:
        starter.start(begins_late(), name="first")
        starter.start(at_once("second", said), name="second")
        assert said == []

    on_loop(step)
    assert said == ["first", "second"]


def test_who_waits_without_a_task_is_told_so() -> None:
    def step(starter: Starter) -> None:
        with pytest.raises(RuntimeError, match="await in_a_task"):
            starter.start(asyncio.sleep(10), name="a")

    on_loop(step)


def test_in_a_task_there_is_no_need_of_another() -> None:
    said: list[str] = []
    asyncio.run(later("a", said))
    assert said == ["a"]
