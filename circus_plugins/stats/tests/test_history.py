"""Rings of numbers on a clock of the test."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import secrets
import socket
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import pytest

from circus_stats.history import FIGURES, HOUR, MOST_VALUES, History, Ring
from circus_stats.history_server import ask_history, serve_history

T = TypeVar("T")


def past(ring: Ring, now: float, seconds: float) -> list[float | None]:
    return ring.past(now, seconds, ["cpu"])["cpu"]


def test_values_come_back_oldest_first_with_gaps_where_nothing_was_seen() -> None:
    ring = Ring(1, 5, ["cpu"])
    for now, value in ((100.2, 1.0), (101.2, 2.0), (103.9, 4.0)):
        ring.put(now, {"cpu": value})
    assert past(ring, 103.9, 5) == [None, 1.0, 2.0, None, 4.0]
    assert past(ring, 104.5, 2) == [4.0, None]


def test_several_looks_within_a_slot_give_their_mean() -> None:
    ring = Ring(10, 3, ["cpu"])
    for second in range(10):
        ring.put(50.0 + second, {"cpu": float(second)})
    assert past(ring, 59.9, 10) == [4.5]


def test_what_is_older_than_the_ring_is_overwritten() -> None:
    ring = Ring(1, 3, ["cpu"])
    for second in range(10):
        ring.put(second, {"cpu": float(second)})
    assert past(ring, 9, 100) == [7.0, 8.0, 9.0]


def test_a_long_silence_leaves_nothing_of_before() -> None:
    ring = Ring(1, 3, ["cpu"])
    ring.put(1, {"cpu": 1.0})
    ring.put(1_000_000, {"cpu": 2.0})
    assert past(ring, 1_000_000, 3) == [None, None, 2.0]
    assert past(ring, 2_000_000, 3) == [None, None, None]


def test_a_value_that_is_not_known_is_null() -> None:
    ring = Ring(1, 3, ["cpu"])
    ring.put(1, {"cpu": None})
    ring.put(2, {})
    assert past(ring, 2, 2) == [None, None]


def put(history: History, name: str, now: float, value: float = 1.0) -> None:
    history.put(name, now, dict.fromkeys(FIGURES, value))


@pytest.mark.parametrize(
    ("seconds", "step", "count"), [(5, 1, 5), (120, 1, 120), (121, 10, 13), (HOUR, 10, 360)]
)
def test_the_near_past_is_finer_than_the_far(seconds: int, step: int, count: int) -> None:
    history = History()
    for now in range(4000):
        put(history, "web", now)
    found = history.past(3999, 1000.0, name="web", seconds=seconds)["web"]
    assert (found["step"], found["end"], list(found["series"])) == (step, 1000.0, list(FIGURES))
    assert found["series"]["rss"] == [1.0] * count


def test_a_watcher_that_has_ended_is_forgotten_after_the_hour() -> None:
    history = History()
    put(history, "web", 0)
    for now in (10, HOUR - 1):
        history.forget_old(now, ())
        assert "web" in history.past(now, 0.0)
    history.forget_old(HOUR + 10, ())
    assert history.past(HOUR + 10, 0.0) == {}


def test_watchers_that_come_and_go_do_not_fill_the_memory() -> None:
    history = History()
    for number in range(1000):
        put(history, f"w{number}", number)
        history.forget_old(number, ())
    names = history.past(1000, 0.0, series=["cpu"])
    assert len(names) == 200
    assert "w999" in names


def test_a_watcher_takes_no_more_than_sixteen_kib_however_long_it_lives() -> None:
    history = History()
    put(history, "first", 0)
    gc.collect()
    tracemalloc.start()
    try:
        for now in range(5000):
            put(history, "web", now)
        gc.collect()
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size < 20 * 1024


def test_looks_that_are_rare_leave_no_gaps_but_silence_does() -> None:
    ring = Ring(1, 8, ["cpu"])
    ring.put(10.5, {"cpu": 1.0}, covered=3.0)
    ring.put(13.5, {"cpu": 2.0}, covered=3.0)
    assert past(ring, 13.5, 5) == [None, 1.0, 2.0, 2.0, 2.0]
    ring.put(17.5, {"cpu": 3.0}, covered=2.0)  # it had none in between, and has begun again
    assert past(ring, 17.5, 5) == [2.0, None, None, 3.0, 3.0]
    ring.put(1000.5, {"cpu": 4.0}, covered=980.0)
    assert past(ring, 1000.5, 99) == [4.0] * 8


def test_neighbours_are_told_as_the_mean_of_what_is_known() -> None:
    ring = Ring(1, 6, ["cpu"])
    for now, value in ((12, 1.0), (13, 3.0), (15, 5.0)):
        ring.put(now, {"cpu": value})
    assert ring.past(15, 6, ["cpu"], merged=2)["cpu"] == [None, 2.0, 5.0]
    assert ring.past(16, 6, ["cpu"], merged=2)["cpu"] == [2.0, 5.0, None]  # no value comes from other slots
    assert ring.past(15, 6, ["cpu"], merged=3)["cpu"] == [2.0, 5.0]


@pytest.mark.parametrize("watchers", [87, 1000, 2000])
def test_of_many_watchers_all_is_told_more_coarsely(watchers: int) -> None:
    history = History()
    for number in range(watchers):
        put(history, f"w{number}", 3000.0, 2.0)
    found = history.past(3000.0, 0.0)
    assert len(found) == watchers
    (length,) = {len(values) for past in found.values() for values in past["series"].values()}
    step = found["w7"]["step"]
    assert HOUR <= length * step < HOUR + step
    assert 0.45 * MOST_VALUES < watchers * len(FIGURES) * length <= MOST_VALUES
    assert found["w7"]["series"]["cpu"][-1] == 2.0
    assert history.past(3000.0, 0.0, name="w7")["w7"]["step"] == 10


# Who may ask


def ask(name: str, question: str = '{"name": "web"}') -> str:
    """Ask as a stranger would, who does not care whom; nothing if the connection is ended."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        try:
            client.connect(f"\0{name}")
            client.sendall(question.encode() + b"\n")
            return client.makefile().read()
        except ConnectionError:
            return ""


@contextmanager
def nobody(work: Callable[[int], object]) -> Iterator[int]:
    """Give the pid of a child that does something as another user; exit status 0 if it returns true.

    `work` gets a descriptor to tell that it is ready.
    """
    ready, told = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setuid(65534)
            os._exit(0 if work(told) else 1)
        finally:
            os._exit(2)
    os.close(told)
    try:
        assert os.read(ready, 1)
        yield child
    finally:
        os.close(ready)


async def served(work: Callable[[str], T], name: str = "") -> T:
    """Do something on a thread while the past is told under a name."""
    history = History()
    put(history, "web", time.monotonic())
    name = name or f"circus-test-{secrets.token_hex(8)}"
    server = await serve_history(history, name)
    assert server is not None
    try:
        return await asyncio.to_thread(work, name)
    finally:
        server.close()


def test_the_past_is_told_to_our_own_user() -> None:
    told = asyncio.run(served(ask))
    assert 1.0 in json.loads(told)["histories"]["web"]["series"]["cpu"]


@pytest.mark.parametrize("question", ["", "[]", "{", '{"seconds": "x"}', "x" * 100_000])
def test_a_question_that_makes_no_sense_has_no_answer(question: str) -> None:
    answer, next_answer = asyncio.run(served(lambda name: (ask(name, question), ask(name))))
    assert answer == ""
    assert "web" in next_answer


def test_a_question_that_the_end_interrupts_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket(socket.AF_UNIX) as asking:

        def begin(name: str) -> str:
            asking.connect(f"\0{name}")
            asking.sendall(b"{")
            return ask(name)  # who came first is heard by then

        assert "web" in asyncio.run(served(begin))
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.root
def test_other_users_are_told_nothing() -> None:
    name = f"circus-test-{secrets.token_hex(8)}"
    begin, begun = os.pipe()

    def stranger(told: int) -> bool:
        os.write(told, b".")
        os.read(begin, 1)
        return ask(name) == ""

    def let_it_ask(_: str) -> int:
        os.write(begun, b".")
        return os.waitpid(child, 0)[1]

    with nobody(stranger) as child:
        assert asyncio.run(served(let_it_ask, name)) == 0
    os.close(begin)
    os.close(begun)


@pytest.mark.root
def test_a_program_of_another_user_that_has_the_name_is_not_believed() -> None:
    name = f"circus-test-{secrets.token_hex(8)}"

    def impostor(told: int) -> bool:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(f"\0{name}")
            server.listen()
            server.settimeout(20)
            os.write(told, b".")
            connection, _ = server.accept()
            return connection.recv(1000) == b""

    with nobody(impostor) as child:
        with pytest.raises(PermissionError, match="another user"):
            asyncio.run(ask_history(name, {}))
        assert os.waitpid(child, 0)[1] == 0
