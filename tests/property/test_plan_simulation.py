"""The planner against random schedules of commands, exits, failures and time, in virtual time."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from circus_core.observed import UNKILLABLE
from circus_core.plan import SPAWNS_AT_ONCE, Desired, Policy, Replacement, is_settled, wanted
from circus_core.states import ProcessState, WatcherState
from tests.property.effort import examples

from .simulator import GRACE, Simulator, World

pytestmark = pytest.mark.timeout(600)  # thousands of schedules, perhaps on a busy machine

SCHEDULES = settings(max_examples=examples(1_500), deadline=None, suppress_health_check=list(HealthCheck))

Step = tuple[Any, ...]

seconds = st.sampled_from([0.0, 0.05, 0.5, 1.0, 2.9, 3.0, 3.1, 10.0, 60.0])
commands: st.SearchStrategy[Step] = st.one_of(
    st.just(("start",)),
    st.just(("stop",)),
    st.just(("restart",)),
    st.tuples(st.just("reload"), st.sampled_from(Replacement)),
    st.tuples(st.just("resize"), st.integers(0, 6)),
    st.tuples(st.just("crash"), st.integers(0, 5)),
    st.just(("connect",)),
)
steps: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("pass_time"), seconds),
    commands,
    st.tuples(st.just("in_one_turn"), st.lists(commands, max_size=3)),
)
policies = st.builds(
    Policy,
    warmup_delay=st.sampled_from([0.0, 0.0, 0.5, 2.0]),
    max_retry=st.sampled_from([-1, 1, 2, 5]),
    respawn=st.booleans(),
    singleton=st.booleans(),
    on_demand=st.booleans(),
)
worlds = st.builds(
    World,
    lives=st.lists(st.sampled_from([None, None, 0.0, 0.2, 5.0, 50.0]), min_size=1, max_size=4).map(tuple),
    stops=st.lists(st.sampled_from([0.0, 0.1, 2.0, None]), min_size=1, max_size=3).map(tuple),
    spawns=st.lists(st.sampled_from([True, True, True, False]), min_size=1, max_size=4).map(tuple),
    shortage=st.booleans(),
    hooks=st.lists(
        st.tuples(st.sampled_from([0.0, 0.0, 1.0, 10.0]), st.sampled_from([True, True, True, False])),
        min_size=1,
        max_size=3,
    ).map(tuple),
    spawn_time=st.sampled_from([0.0, 0.0, 0.3]),
    max_age=st.sampled_from([None, None, 7.0]),
)
schedules = st.lists(steps, max_size=15)


def run(policy: Policy, world: World, schedule: list[Step]) -> Simulator:
    """Play a schedule; the simulator checks its promises at every step."""
    sim = Simulator(policy=policy, world=world, desired=Desired(numprocesses=1 if policy.singleton else 2))
    for name, *arguments in schedule:
        getattr(sim, name)(*arguments)
        sim.pass_time(0.0)
    return sim


@SCHEDULES
@given(policies, worlds, schedules)
def test_no_schedule_breaks_a_promise_and_a_stop_always_wins(
    policy: Policy, world: World, schedule: list[Step]
) -> None:
    sim = run(policy, world, schedule)
    sim.stop()
    longest_hook = max(seconds for seconds, _ in world.hooks)
    sim.pass_time(longest_hook + GRACE + 0.1)
    assert sim.seen.state is WatcherState.STOPPED, sim.story()
    assert is_settled(sim.desired, sim.seen, sim.policy, sim.now), sim.story()


@SCHEDULES
@given(policies, worlds, schedules, st.lists(st.booleans(), min_size=1, max_size=3).map(tuple))
def test_a_process_that_does_not_even_end_by_sigkill_keeps_nobody_waiting(
    policy: Policy, world: World, schedule: list[Step], kills: tuple[bool, ...]
) -> None:
    sim = run(policy, replace(world, stops=(None,), kills=kills), schedule)
    sim.stop()
    longest_hook = max(seconds for seconds, _ in world.hooks)
    sim.pass_time(longest_hook + GRACE + UNKILLABLE + 0.1)
    assert is_settled(sim.desired, sim.seen, sim.policy, sim.now), sim.story()
    left = [worker for worker in sim.seen.workers.values() if worker.wid not in sim.seen.unkillable]
    assert not left, sim.story()


@pytest.mark.parametrize("how", Replacement)
def test_a_reload_goes_on_without_those_that_do_not_even_end_by_sigkill(how: Replacement) -> None:
    sim = Simulator(Policy(), World(stops=(None,), kills=(False,)), Desired(numprocesses=2))
    sim.start()
    sim.pass_time(5)
    sim.reload(how)
    sim.pass_time(2 * (GRACE + UNKILLABLE) + 5)
    assert is_settled(sim.desired, sim.seen, sim.policy, sim.now), sim.story()
    running = [w for w in sim.seen.workers.values() if w.state is ProcessState.RUNNING]
    assert [w.generation for w in running] == [2, 2], sim.story()


def test_a_singleton_has_no_successor_before_it_has_gone_and_that_is_told() -> None:
    sim = Simulator(Policy(singleton=True), World(stops=(None,), kills=(False,)), Desired(numprocesses=1))
    sim.start()
    sim.pass_time(5)
    sim.reload(Replacement.ROLLING)
    sim.pass_time(GRACE + UNKILLABLE + 1)
    assert is_settled(sim.desired, sim.seen, sim.policy, sim.now), sim.story()
    sim.crash(0)
    sim.pass_time(1)
    assert [w.generation for w in sim.seen.workers.values()] == [2], sim.story()


@SCHEDULES
@given(policies, worlds, schedules)
def test_a_start_converges_once_the_world_behaves(policy: Policy, world: World, schedule: list[Step]) -> None:
    sim = run(policy, world, schedule)
    sim.world = World()
    sim.pass_time(200.0)  # the processes of the bad world are gone or stay
    sim.resize(3)
    sim.start()
    sim.connect()
    sim.restart()
    sim.connect()
    sim.pass_time(100.0)
    sim.start()
    sim.connect()
    sim.pass_time(100.0)
    assert sim.seen.state is WatcherState.ACTIVE, sim.story()
    workers = sim.seen.workers.values()
    assert len(workers) == wanted(sim.desired, sim.seen) == sim.desired.numprocesses, sim.story()
    assert {w.state for w in workers} == {ProcessState.RUNNING}, sim.story()
    assert {w.generation for w in workers} == {sim.desired.generation}, sim.story()
    assert sim._next_instant() is None, "an idle watcher needs no timer\n" + sim.story()


def test_one_that_is_too_old_when_there_are_too_many_is_told_to_stop_once() -> None:
    hooks = ((0.0, True), (4.0, True))  # before_start, after_start: nobody is stopped while that is asked
    world = World(max_age=7.0, hooks=hooks)
    sim = Simulator(policy=Policy(warmup_delay=2.0), world=world, desired=Desired(numprocesses=3))
    sim.start()
    sim.pass_time(7.5)  # spawned after 0, 2 and 4 seconds: one is too old
    sim.resize(1)
    sim.pass_time(0.7)
    stops = [line for line in sim.log if "Stop(" in line]
    assert [line.split()[-1] for line in stops] == ["Stop(wid=1)", "Stop(wid=2)"], sim.story()


@pytest.mark.parametrize("how", list(Replacement))
def test_a_reload_replaces_every_process_and_never_goes_below_the_wanted_number(how: Replacement) -> None:
    sim = Simulator(policy=Policy(), world=World(), desired=Desired(numprocesses=3))
    sim.start()
    sim.pass_time(1.0)
    before = {w.serial for w in sim.seen.workers.values()}
    sim.reload(how)
    sim.pass_time(5.0)
    assert not before & {w.serial for w in sim.seen.workers.values()}
    assert len(sim.seen.workers) == 3


def test_a_process_that_dies_at_once_is_respawned_at_once_and_then_ever_later() -> None:
    sim = Simulator(policy=Policy(), world=World(lives=(0.0,)), desired=Desired(numprocesses=1))
    sim.start()
    sim.pass_time(120.0)
    spawns = [float(line.split()[0]) for line in sim.log if line.endswith("spawned")]
    gaps = [b - a for a, b in pairwise(spawns)]
    assert gaps[0] == 0.0
    assert gaps[1:] == sorted(gaps[1:])
    assert max(gaps) <= 30.0
    assert len(spawns) < 20


@pytest.mark.parametrize("life", [0.0, 0.05, 0.3, 0.9])
@pytest.mark.parametrize("number", [1, 2, 5])
def test_a_reload_into_a_program_that_dies_at_once_keeps_the_old_processes(number: int, life: float) -> None:
    world = World(lives=(*[None] * number, *[life] * 100))
    sim = Simulator(policy=Policy(), world=world, desired=Desired(numprocesses=number))
    sim.start()
    sim.pass_time(1.0)
    before = {w.serial for w in sim.seen.workers.values()}
    sim.reload(Replacement.ROLLING)
    sim.pass_time(60.0)
    assert before <= {w.serial for w in sim.seen.workers.values()}, sim.story()


@pytest.mark.parametrize("number", [1, 2, 5])
@pytest.mark.parametrize("how", Replacement)
def test_a_reload_into_a_program_that_dies_at_once_and_is_not_respawned_is_tried_once(
    how: Replacement, number: int
) -> None:
    sim = Simulator(Policy(respawn=False), World(), Desired(numprocesses=number))
    sim.start()
    sim.pass_time(1.0)
    before = {w.serial for w in sim.seen.workers.values()}
    sim.world = World(lives=(0.1,))
    sim.reload(how)
    sim.pass_time(60.0)
    left = {w.serial for w in sim.seen.workers.values()}
    assert left <= before
    assert len(left) == number - (how is Replacement.SEQUENTIAL), sim.story()
    assert sum(line.endswith("spawned") for line in sim.log) == number + 1, sim.story()
    sim.world = World()
    sim.start()
    sim.reload(how)
    sim.pass_time(60.0)
    assert len(sim.seen.workers) == number, sim.story()


@pytest.mark.parametrize("how", Replacement)
def test_a_reload_into_a_program_that_can_not_be_spawned_is_not_tried_until_nothing_is_left(
    how: Replacement,
) -> None:
    sim = Simulator(policy=Policy(max_retry=3), world=World(), desired=Desired(numprocesses=3))
    sim.start()
    sim.pass_time(1.0)
    sim.world = World(spawns=(False,))
    sim.reload(how)
    sim.pass_time(600.0)
    assert len(sim.seen.workers) == 3 - (how is Replacement.SEQUENTIAL), sim.story()
    assert sum("failed to spawn" in line for line in sim.log) == 3


def test_a_reload_into_a_program_that_can_not_be_spawned_keeps_the_old_processes() -> None:
    sim = Simulator(policy=Policy(max_retry=3), world=World(), desired=Desired(numprocesses=2))
    sim.start()
    sim.pass_time(1.0)
    before = set(sim.seen.workers)
    sim.world = World(spawns=(False,))
    sim.reload(Replacement.ROLLING)
    sim.pass_time(60.0)
    assert sim.seen.state is WatcherState.ACTIVE
    assert set(sim.seen.workers) == before


def test_a_program_that_can_not_be_spawned_is_given_up_after_max_retry_tries() -> None:
    sim = Simulator(policy=Policy(max_retry=3), world=World(spawns=(False,)))
    sim.start()
    sim.pass_time(60.0)
    assert sim.seen.state is WatcherState.STOPPED
    assert sum("failed to spawn" in line for line in sim.log) == 3


def test_with_max_retry_minus_one_the_tries_go_on_with_pauses() -> None:
    sim = Simulator(policy=Policy(max_retry=-1), world=World(spawns=(False,)))
    sim.start()
    sim.pass_time(600.0)
    tries = sum("failed to spawn" in line for line in sim.log)
    assert sim.seen.state is WatcherState.STARTING
    assert 20 < tries < 40


def test_a_start_that_can_only_wait_for_the_next_try_counts_as_settled() -> None:
    sim = Simulator(policy=Policy(max_retry=-1), world=World(spawns=(False,)))
    sim.start()
    sim.pass_time(0.01)
    assert is_settled(sim.desired, sim.seen, sim.policy, sim.now)


def test_a_wish_for_a_billion_processes_is_planned_in_portions() -> None:
    sim = Simulator(policy=Policy(), world=World(spawn_time=1.0), desired=Desired(numprocesses=10**9))
    sim.start()
    sim.pass_time(0.5)
    assert len(sim.seen.workers) == SPAWNS_AT_ONCE
    sim.resize(3)
    sim.pass_time(10.0)
    assert len(sim.seen.workers) == 3


def test_in_a_shortage_one_worker_tries_for_all() -> None:
    world = World(spawns=(False,), shortage=True)
    sim = Simulator(policy=Policy(max_retry=3), world=world, desired=Desired(numprocesses=10**9))
    sim.start()
    sim.pass_time(0.0)
    assert is_settled(sim.desired, sim.seen, sim.policy, sim.now)
    sim.pass_time(600.0)
    tries = sum("failed to spawn" in line for line in sim.log)
    assert SPAWNS_AT_ONCE + 20 < tries < SPAWNS_AT_ONCE + 50
    sim.world = World()
    sim.resize(2000)
    sim.pass_time(60.0)
    assert len(sim.seen.workers) == 2000
