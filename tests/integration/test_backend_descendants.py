"""A daemon of its own: nothing that a process leaves behind survives it, nobody else's child is touched."""

from __future__ import annotations

import pytest

from .backend_runs import run_scenario

as_whom = pytest.mark.parametrize(
    "uid", [None, pytest.param(65531, marks=pytest.mark.root)], ids=["self", "ordinary user"]
)


@as_whom
@pytest.mark.parametrize("program", ["FAMILY", "SESSION_HOPPER"])
def test_no_kind_of_descendant_outlives_its_owner(uid: int | None, program: str) -> None:
    found = run_scenario("family", program, uid=uid)
    assert found["code"] == -9
    assert found["gone"]
    assert found["children"] == []


def test_many_owners_end_at_once_and_none_leaves_anything() -> None:
    found = run_scenario("many_families", "40")
    assert found["gone"]
    assert found["children"] == []


@as_whom
def test_an_orphan_is_spared_while_its_owner_lives(uid: int | None) -> None:
    found = run_scenario("orphan_of_the_living", uid=uid)
    assert found["spared"]
    assert (found["code"], found["other"], found["gone"], found["children"]) == (6, 0, True, [])


def test_dead_orphans_of_a_living_owner_do_not_pile_up() -> None:
    assert run_scenario("zombies_do_not_pile_up") | {"log": ""} == {"lives": True, "children": [], "log": ""}


def test_children_of_the_program_itself_live_and_keep_their_status() -> None:
    found = run_scenario("unrelated_children")
    assert found["codes"] == [3] * 5
    assert found["dead"] == [7, 7]
    assert found["alive"] == [True, True]
    assert found["killed"] == [-9, -9]
    assert found["other"] == 7


def test_descendants_are_left_alone_if_asked() -> None:
    found = run_scenario("left_alone")
    assert (found["code"], found["other"], found["alive"], found["gone"]) == (3, 4, [True, True], True)


def test_waiting_without_a_loop_leaves_nothing_either() -> None:
    found = run_scenario("without_a_loop")
    assert (found["before"], found["code"], found["gone"], found["children"]) == (None, 5, True, [])


def test_processes_of_a_killed_supervisor_below_are_known_by_the_mark_of_the_outer_one() -> None:
    found = run_scenario("nested")
    assert found["gone"]
    assert found["children"] == []


@pytest.mark.root
def test_the_first_process_reaps_strangers_and_does_not_kill_them() -> None:
    found = run_scenario("as_first_process", prefix=("unshare", "--pid", "--fork", "--mount-proc"))
    assert (found["pid"], found["code"], found["lived"], found["host"]) == (1, 3, True, 7)


def test_a_daemon_that_inherits_an_ignored_sigchld_still_learns_of_exits() -> None:
    found = run_scenario("ignored_sigchld")
    assert found["code"] == 3
    assert "is lost" not in found["log"]


@pytest.mark.slow
def test_a_dead_child_in_its_own_session_is_reaped_when_nobody_asked_for_it_for_long() -> None:
    assert run_scenario("doubtful")["kept"]
