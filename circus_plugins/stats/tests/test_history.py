"""Rings of numbers on a clock of the test."""

from __future__ import annotations

import gc
import tracemalloc

import pytest

from circus_stats.history import FIGURES, HOUR, History, Ring


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
    names = history.past(1000, 0.0)
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
