"""Who listens to what, as a publishing socket counts it."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from circus_core.access.audience import _LIMIT, Audience, Portions


def test_nothing_is_wanted_until_somebody_joins_and_after_the_last_has_left() -> None:
    audience = Audience()
    assert audience.is_empty
    assert not audience.wants("watcher.web.spawn")
    audience.join(b"watcher.web.")
    audience.join(b"watcher.web.")
    assert audience.wants("watcher.web.spawn")
    assert not audience.wants("watcher.db.spawn")
    audience.leave(b"watcher.web.")
    assert audience.wants("watcher.web.spawn")
    audience.leave(b"watcher.web.")
    assert audience.is_empty
    assert not audience.wants("watcher.web.spawn")


def test_the_empty_beginning_wants_everything() -> None:
    audience = Audience()
    audience.join(b"")
    assert audience.wants("circusd.events_dropped")


def test_the_end_of_one_that_was_refused_silences_nobody() -> None:
    audience = Audience()
    audience.refuse(b"")
    assert audience.is_empty
    audience.join(b"")
    audience.leave(b"")
    assert audience.wants("x")
    audience.leave_refused(b"")
    audience.leave_refused(b"")
    assert audience.wants("x")
    audience.leave(b"", is_told=True)
    assert audience.is_empty


def test_with_more_beginnings_than_are_told_apart_everything_is_wanted() -> None:
    audience = Audience()
    for number in range(_LIMIT + 1):
        audience.join(str(number).encode())
    assert audience.wants("x")
    assert len(audience._wanted) == _LIMIT


@given(st.lists(st.tuples(st.sampled_from("jrl"), st.sampled_from([b"", b"a", b"ab", b"b"])), max_size=60))
def test_nobody_who_joined_is_ever_forgotten(steps: list[tuple[str, bytes]]) -> None:
    audience = Audience()
    joined: Counter[bytes] = Counter()
    refused: Counter[bytes] = Counter()
    for number, (step, prefix) in enumerate(steps):
        if step == "j":
            joined[prefix] += 1
            audience.join(prefix)
        elif step == "r":
            refused[prefix] += 1
            audience.refuse(prefix)
        elif joined[prefix] or refused[prefix]:  # the end of one of them, and nobody says of which
            one = joined if joined[prefix] and (number % 2 or not refused[prefix]) else refused
            one[prefix] -= 1
            audience.leave(prefix)
        for topic in ("a.x", "ab.x", "b.x"):
            if any(joined[prefix] and topic.encode().startswith(prefix) for prefix in joined):
                assert audience.wants(topic)
    if not (joined + refused):
        assert audience.is_empty


def test_a_connection_subscribes_to_its_portion_and_no_more() -> None:
    portions, mine, other = Portions(), (7, 1), (8, 2)
    for number in range(65):  # 65 * 1000 of 65536 bytes
        for _ in range(3):  # the same again takes nothing
            assert portions.take(mine, b"%03d" % number * 333, lambda _: True)
    assert not portions.take(mine, b"x" * 1000, lambda _: True)
    assert portions.take(other, b"x" * 1000, lambda _: True)
    portions.give_back(mine, b"x" * 1000)
    portions.give_back(mine, b"never taken")
    assert portions.take(mine, b"y", lambda _: True)


def test_connections_that_have_ended_are_forgotten() -> None:
    portions = Portions()
    for inode in range(100):
        newest = {(7, inode)}
        assert portions.take((7, inode), b"x" * 60_000, newest.__contains__)
    assert len(portions._taken) == 1
