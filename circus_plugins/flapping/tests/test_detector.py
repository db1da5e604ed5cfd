"""When is a watcher flapping, and what then? All of it without a process."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from circus_flapping.detector import (
    CancelRestart,
    Decision,
    Detector,
    GiveUp,
    LookAgain,
    Pause,
    Phase,
    Policy,
    Restart,
    read_policy,
)

POLICY = Policy(attempts=3, window=2.0, retry_in=5.0, max_retry=2)


class World:
    """One watcher with one process at a time, and what the detector says to its lives."""

    def __init__(self, policy: Policy = POLICY, now: float = 1000.0) -> None:
        self.detector = Detector(policy)
        self.now = now
        self.pid = 100

    def life(self, seconds: float, pause: float = 0.0) -> Decision | None:
        """A process comes up after a pause, lives and dies."""
        self.now += pause
        self.pid += 1
        self.detector.spawned(self.pid, self.now)
        self.now += seconds
        return self.detector.reaped(self.pid, self.now)

    def until_decision(self, seconds: float = 0.1) -> Decision:
        for _ in range(self.detector.policy.attempts + 1):
            if (decision := self.life(seconds)) is not None:
                return decision
        raise AssertionError("no decision")

    def pause_and_restart(self) -> None:
        """The stop that was asked for is carried out, the pause passes, the start too."""
        self.detector.stopped()
        assert self.detector.pause_over("stopped") == Restart()
        self.detector.started()


# -- counting ------------------------------------------------------------------------------------------


def test_attempts_quick_deaths_are_flapping() -> None:
    world = World()
    assert world.life(0.1) is None
    assert world.life(0.1) is None
    assert world.life(0.1) == Pause(5.0, attempt=1)


def test_the_pauses_of_the_daemon_do_not_hide_a_crash_loop() -> None:
    world = World()
    assert [world.life(0.1, pause) for pause in (0, 30, 30)] == [None, None, Pause(5.0, attempt=1)]


def test_lives_that_add_up_to_more_than_the_window_are_not_flapping() -> None:
    world = World()
    assert [world.life(1.1) for _ in range(20)] == [None] * 20


def test_a_death_after_a_long_life_is_the_first_of_a_row() -> None:
    world = World()
    assert [world.life(life) for life in (0.1, 0.1, 50, 0.1)] == [None] * 4
    assert world.life(0.1) == Pause(5.0, attempt=1)


def test_one_attempt_means_every_unexpected_death() -> None:
    assert World(Policy(attempts=1)).life(5000) == Pause(7.0, attempt=1)


def test_many_old_processes_dying_together_are_not_flapping() -> None:
    detector = Detector(POLICY)
    for pid in range(20):
        detector.spawned(pid, 100.0)
    assert [detector.reaped(pid, 5000.0 + pid / 1000) for pid in range(20)] == [None] * 20


def test_young_processes_dying_together_are_flapping() -> None:
    detector = Detector(POLICY)
    for pid in range(3):
        detector.spawned(pid, 100.0)
    assert [detector.reaped(pid, 100.5) for pid in range(3)] == [None, None, Pause(5.0, attempt=1)]


def test_one_worker_in_a_crash_loop_is_found_among_healthy_ones() -> None:
    world = World()
    for pid in range(10):
        world.detector.spawned(pid, world.now - 500)
    assert [world.life(0.1, pause=9) for _ in range(3)] == [None, None, Pause(5.0, attempt=1)]


def test_quick_deaths_with_a_recovery_between_them_are_not_flapping() -> None:
    world = World()
    for _ in range(20):
        assert world.life(0.1) is None
        world.detector.spawned(world.pid + 1000, world.now)  # its successor lives on
        world.now += 3600


def test_a_death_after_a_kill_does_not_count() -> None:
    world = World()
    for pid in range(20):
        world.detector.spawned(pid, world.now)
        world.detector.told_to_stop(pid)
        assert world.detector.reaped(pid, world.now + 0.1) is None
    assert world.life(0.1) is None


def test_a_pid_that_is_used_again_is_not_taken_for_the_one_told_to_stop() -> None:
    world = World(Policy(attempts=1))
    world.detector.told_to_stop(101)  # its death was not reported
    assert world.life(0.1) == Pause(7.0, attempt=1)


def test_a_process_told_to_stop_is_no_sign_of_recovery() -> None:
    world = World()
    world.life(0.1)
    world.detector.spawned(7, world.now)
    world.detector.told_to_stop(7)
    assert [world.life(0.1, pause=10) for _ in range(2)] == [None, Pause(5.0, attempt=1)]


def test_processes_from_before_the_plugin_came_begin_a_row() -> None:
    world = World()
    assert [world.detector.reaped(pid, world.now) for pid in range(20)] == [None] * 20
    assert [world.life(0.1), world.life(0.1)] == [None, Pause(5.0, attempt=1)]


def test_a_clock_set_back_begins_a_new_row() -> None:
    world = World()
    world.life(0.1)
    world.life(0.1)
    world.now -= 86400
    assert [world.life(0.1), world.life(0.1)] == [None, None]
    assert world.life(0.1) == Pause(5.0, attempt=1)


def test_a_clock_set_back_during_a_life_begins_a_new_row() -> None:
    world = World()
    world.life(0.1)
    world.life(0.1)
    assert world.life(-50) is None


def test_an_inactive_policy_counts_nothing() -> None:
    world = World(Policy(active=False, attempts=1))
    assert [world.life(0.1) for _ in range(20)] == [None] * 20


def test_a_stop_or_a_start_begins_a_new_row() -> None:
    for happens in (Detector.stopped, Detector.started):
        world = World()
        world.life(0.1)
        world.life(0.1)
        happens(world.detector)
        assert [world.life(0.1), world.life(0.1)] == [None, None]


# -- pauses --------------------------------------------------------------------------------------------


def test_after_max_retry_pauses_it_gives_up() -> None:
    world = World()
    for attempt in (1, 2):
        assert world.until_decision() == Pause(5.0, attempt)
        world.pause_and_restart()
    assert world.until_decision() == GiveUp()


def test_a_negative_max_retry_never_gives_up() -> None:
    world = World(Policy(max_retry=-1))
    for attempt in range(1, 50):
        assert world.until_decision() == Pause(7.0, attempt)
        world.pause_and_restart()


def test_max_retry_0_gives_up_at_once() -> None:
    assert World(Policy(max_retry=0)).until_decision() == GiveUp()


def test_a_long_life_gives_all_attempts_back() -> None:
    world = World()
    world.until_decision()
    world.pause_and_restart()
    assert world.life(60) is None
    assert world.until_decision() == Pause(5.0, attempt=1)


def test_an_operators_start_after_giving_up_gives_all_attempts_back() -> None:
    world = World(Policy(max_retry=0))
    assert world.until_decision() == GiveUp()
    world.detector.stopped()
    world.detector.policy = POLICY
    world.detector.started()
    assert world.until_decision() == Pause(5.0, attempt=1)


def test_giving_up_is_said_again_if_it_had_no_effect() -> None:
    world = World(Policy(max_retry=0))
    assert [world.until_decision(), world.until_decision()] == [GiveUp(), GiveUp()]


def test_deaths_while_it_is_stopped_do_not_count() -> None:
    world = World()
    world.until_decision()
    assert [world.life(0.1) for _ in range(20)] == [None] * 20


def test_deaths_during_its_own_start_count() -> None:
    world = World()
    world.until_decision()
    world.detector.stopped()
    world.detector.pause_over("stopped")
    assert world.until_decision() == Pause(5.0, attempt=2)


def test_the_start_event_that_its_stop_overtook_changes_nothing() -> None:
    world = World()
    world.until_decision()
    assert world.detector.started() is None
    assert world.detector.phase is Phase.STOPPING


def test_an_operators_start_during_the_pause_cancels_it_and_gives_all_attempts_back() -> None:
    world = World()
    world.until_decision()
    world.detector.stopped()
    assert world.detector.started() == CancelRestart()
    assert world.detector.pause_over("active") is None
    assert world.until_decision() == Pause(5.0, attempt=1)


def test_a_second_stop_during_the_pause_is_an_operators_and_cancels_it() -> None:
    world = World()
    world.until_decision()
    assert world.detector.stopped() is None
    assert world.detector.stopped() == CancelRestart()
    assert world.detector.pause_over("stopped") is None


def test_a_stop_that_is_no_longer_ours_is_left_alone() -> None:
    world = World()
    world.until_decision()
    world.detector.stopped()
    assert world.detector.pause_over("stopped", is_ours=False) == CancelRestart()
    assert world.detector.pause_over("stopped") is None


def test_a_stop_that_takes_longer_than_the_pause_is_waited_for() -> None:
    world = World()
    world.until_decision()
    assert world.detector.pause_over("stopping") == LookAgain(5.0)
    world.detector.stopped()
    assert world.detector.pause_over("stopped") == Restart()


@pytest.mark.parametrize("status", ["active", "starting", "error"])
def test_nothing_is_started_that_is_not_stopped(status: str) -> None:
    world = World()
    world.until_decision()
    assert world.detector.pause_over(status) == CancelRestart()
    assert world.detector.phase is Phase.WATCHING


def test_an_unanswered_start_is_tried_again_but_not_in_a_spin() -> None:
    world = World(Policy(retry_in=0))
    world.until_decision()
    world.detector.stopped()
    world.detector.pause_over("stopped")
    assert world.detector.not_asked() == LookAgain(1.0)
    assert world.detector.pause_over("stopped") == Restart()


def test_a_watcher_found_paused_is_started_after_the_pause_and_keeps_its_count() -> None:
    world = World()
    assert world.detector.found_paused(2) == Pause(5.0, attempt=2)
    assert world.detector.pause_over("stopped") == Restart()
    assert world.until_decision() == GiveUp()


# -- by the hundred ------------------------------------------------------------------------------------

policies = st.builds(
    Policy,
    attempts=st.integers(2, 8),
    window=st.floats(0.1, 60),
    retry_in=st.floats(0, 60),
    max_retry=st.integers(-1, 5),
)


@given(policies, st.data())
def test_any_loop_within_the_window_is_found_at_the_last_attempt(policy: Policy, data: st.DataObject) -> None:
    longest = policy.window / (policy.attempts - 1) * 0.999
    world = World(policy, now=0.0)
    said = []
    for _ in range(policy.attempts):
        life, pause = data.draw(st.floats(0, longest)), data.draw(st.floats(0, 100))
        said.append(world.life(life, pause))
    assert said[:-1] == [None] * (policy.attempts - 1)
    assert isinstance(said[-1], Pause | GiveUp)


@given(policies, st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), max_size=50))
def test_lives_longer_than_the_window_are_never_flapping(policy: Policy, lives: list[Any]) -> None:
    world = World(policy, now=0.0)
    assert not any(world.life(policy.window * 1.001 + more, pause) for more, pause in lives)


@given(policies, st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50))
def test_no_jump_of_the_clock_makes_one_death_two(policy: Policy, jumps: list[float]) -> None:
    """Deaths are counted once each, so there are at least `attempts` of them per decision."""
    world = World(policy)
    decisions = 0
    for jump in jumps:
        world.now += jump
        if world.life(0.01) is not None:
            decisions += 1
            world.detector.let_go()
    assert decisions <= len(jumps) // policy.attempts


class AnyHistory(RuleBasedStateMachine):
    """Any order of events: an operator's wish is never undone, and no pause is forgotten."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.pids = iter(range(1, 100_000))
        self.living: list[int] = []
        self.detector = Detector(Policy(attempts=2, window=1.0, retry_in=5.0, max_retry=2))
        self.is_due = False  # a pause is running
        self.pauses = 0  # since the last recovery or operator's start
        self.has_operator_stopped = False

    def hear(self, decision: Decision | None) -> None:
        match decision:
            case Pause(_, attempt):
                assert not self.is_due
                self.is_due = True
                self.has_operator_stopped = False  # what dies again was started again
                self.pauses = attempt
            case CancelRestart():
                self.is_due = False
            case LookAgain():
                self.is_due = True

    @rule(seconds=st.floats(0, 3))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def spawn(self) -> None:
        self.living.append(next(self.pids))
        self.detector.spawned(self.living[-1], self.now)

    @precondition(lambda self: self.living)
    @rule(is_told=st.booleans())
    def death(self, is_told: bool) -> None:
        pid = self.living.pop()
        if is_told:
            self.detector.told_to_stop(pid)
        decision = self.detector.reaped(pid, self.now)
        assert not (is_told and decision)
        self.hear(decision)

    @rule()
    def stop(self) -> None:
        if self.detector.phase is Phase.PAUSED:
            self.has_operator_stopped = True
        self.hear(self.detector.stopped())
        self.living.clear()

    @rule()
    def start(self) -> None:
        self.has_operator_stopped = False
        self.hear(self.detector.started())

    @precondition(lambda self: self.is_due)
    @rule(status=st.sampled_from(["stopped", "stopping", "active", "error"]), is_answered=st.booleans())
    def pause_ends(self, status: str, is_answered: bool) -> None:
        self.is_due = False
        decision = self.detector.pause_over(status)
        if decision == Restart():
            assert status == "stopped"
            assert not self.has_operator_stopped
            decision = None if is_answered else self.detector.not_asked()
        self.hear(decision)

    @invariant()
    def a_stopped_watcher_is_due(self) -> None:
        if self.detector.phase in (Phase.STOPPING, Phase.PAUSED):
            assert self.is_due

    @invariant()
    def no_more_pauses_than_allowed(self) -> None:
        assert self.pauses <= 2


TestAnyHistory = AnyHistory.TestCase


# -- options -------------------------------------------------------------------------------------------


def test_the_options_have_the_defaults_of_circus() -> None:
    expected = Policy(attempts=2, window=1.0, retry_in=7.0, max_retry=5, active=True)
    assert read_policy({}, Policy()) == Policy() == expected


def test_a_watcher_overrides_what_it_names() -> None:
    options = {"flapping.attempts": "4", "flapping.active": "off", "attempts": "9", "respawn": True}
    assert read_policy(options, Policy(), prefix="flapping.") == Policy(attempts=4, active=False)


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("attempts", "0", "attempts must be a whole number >= 1, got '0'"),
        ("attempts", "two", "attempts must be a whole number >= 1, got 'two'"),
        ("window", "-1", "window must be seconds >= 0, got '-1'"),
        ("window", "nan", "window must be seconds >= 0, got 'nan'"),
        ("retry_in", "7 z", "retry_in must be seconds >= 0, got '7 z'"),
        ("max_retry", "1.5", "max_retry must be a whole number >= -1, got '1.5'"),
        ("active", "perhaps", "active must be yes, true, on, 1 or no, false, off, 0, got 'perhaps'"),
    ],
)
def test_a_wrong_option_is_named(key: str, value: str, text: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011  # the text is looked at below
        read_policy({f"flapping.{key}": value}, Policy(), prefix="flapping.")
    assert str(error.value) == f"flapping.{text}"
