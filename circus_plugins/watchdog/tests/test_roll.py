"""Who is silent for too long? Without a clock."""

from __future__ import annotations

import pytest

from circus_watchdog.roll import Roll
from circus_watchdog.settings import Rule

RULE = Rule(timeout=10.0)


@pytest.fixture
def roll() -> Roll:
    roll = Roll()
    roll.add(1, "web", RULE, 100.0)
    roll.add(2, "web", RULE, 100.0)
    roll.add(3, "patient", Rule(timeout=50.0), 100.0)
    return roll


def silent(roll: Roll, now: float) -> list[int]:
    return [pid for pid, _ in roll.silent(now)]


def test_all_that_are_overdue_are_told_at_the_same_time(roll: Roll) -> None:
    assert silent(roll, 110.0) == []
    assert silent(roll, 110.1) == [1, 2]
    assert silent(roll, 150.1) == [1, 2, 3]


def test_a_sign_of_life_counts_from_when_it_came(roll: Roll) -> None:
    assert roll.heard(1, 109.0)
    assert silent(roll, 115.0) == [2]
    assert not roll.heard(9, 109.0)


def test_a_time_of_deafness_is_no_silence(roll: Roll) -> None:
    roll.shift(1000.0)
    assert silent(roll, 1110.0) == []
    assert silent(roll, 1110.1) == [1, 2]
    roll.begin_anew(5000.0)
    assert silent(roll, 5010.0) == []


def test_a_process_may_ask_for_its_own_time(roll: Roll) -> None:
    roll.set_timeout(1, 2.0)
    roll.set_timeout(9, 2.0)
    assert silent(roll, 103.0) == [1]


def test_who_is_lost_is_overdue_at_once(roll: Roll) -> None:
    roll.accuse(2)
    roll.accuse(9)
    assert silent(roll, 100.0) == [2]
    assert roll.heard(2, 100.0)
    assert silent(roll, 100.0) == []


def test_a_new_rule_does_not_count_as_a_sign_of_life(roll: Roll) -> None:
    roll.add(3, "patient", RULE, 105.0)
    assert silent(roll, 110.1) == [1, 2, 3]


def test_who_was_removed_is_taken_in_again_unless_someone_came_in_its_place(roll: Roll) -> None:
    members = dict(roll.silent(200.0))
    for pid in (1, 2):
        roll.remove(pid)
    roll.add(1, "other", RULE, 200.0)
    roll.restore(1, members[1])
    roll.restore(2, members[2])
    assert silent(roll, 200.0) == [3, 2]
    assert roll.pids() == {1, 2, 3}
    roll.leave_alone("web")
    assert roll.pids() == {1, 3}
