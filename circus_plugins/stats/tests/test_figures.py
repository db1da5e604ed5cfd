"""Numbers made of two looks, and sums: no process is needed for that."""

from __future__ import annotations

from typing import Any

import pytest

from circus_stats.collector import Look, Seen
from circus_stats.figures import NOTHING, Before, figures_of_family, figures_of_one, sum_figures
from circus_stats.messages import messages_of_group, messages_of_sockets, socket_stat
from circus_stats.pace import Pace
from circus_stats.payloads import Figures, read_message
from circus_stats.process_info import hidden_info, info_of
from circus_stats.roster import Group, Socket
from circus_stats.samples import Sample, descendants

MEMORY = 1000 * 1024


def sample(pid: int = 1, **changes: Any) -> Sample:
    plain = Sample(
        pid=pid,
        birth=10.0,
        created=1_000_010.0,
        is_zombie=False,
        command="web",
        user="ann",
        nice=0,
        cpu=2.0,
        waited_cpu=0.0,
        rss=10 * 1024,
        vms=20 * 1024,
        shared=1024,
        pss=None,
        uss=None,
        threads=1,
        fds=3,
        read_chars=5,
        write_chars=6,
        read_bytes=1000,
        write_bytes=2000,
        voluntary=7,
        involuntary=8,
    )
    return plain._replace(**changes)


def one(now: Sample, before: Sample | None = None, *, elapsed: float = 2.0, age: float = 10.0) -> Figures:
    return figures_of_one(now, before, elapsed=elapsed, age=age, memory=MEMORY)


def family(
    members: list[Sample], before: Before | None = None, *, elapsed: float = 2.0, age: float = 10.0
) -> tuple[Figures, Before]:
    own = [one(member) for member in members]
    return figures_of_family(members, own, before, elapsed=elapsed, age=age)


def test_the_first_figures_are_about_the_time_since_the_start() -> None:
    figures = one(sample())
    assert (figures["cpu"], figures["read_rate"], figures["write_rate"]) == (20.0, 100.0, 200.0)


def test_later_figures_are_about_the_time_since_the_look_before() -> None:
    figures = one(sample(cpu=3.0, read_bytes=1500), sample())
    assert (figures["cpu"], figures["cpu_time"], figures["read_rate"]) == (50.0, 3.0, 250.0)


def test_what_may_not_be_read_stays_unknown_and_makes_sums_unknown() -> None:
    hidden = one(sample(read_bytes=None, fds=None))
    assert (hidden["read_bytes"], hidden["read_rate"], hidden["fds"]) == (None, None, None)
    total = sum_figures([one(sample()), hidden])
    assert (total["fds"], total["read_rate"]) == (None, None)
    assert (total["threads"], total["rss"]) == (2, 20 * 1024)


def test_a_child_that_has_ended_between_two_looks_is_not_lost() -> None:
    parent, child = sample(1, cpu=1.0), sample(2, cpu=1.0)
    _, before = family([parent, child])
    now, _ = family([parent._replace(waited_cpu=1.5, read_bytes=2400)], before)
    assert now["cpu"] == 25.0  # half a second of two
    assert now["read_rate"] == 200.0  # 2400 - 2 * 1000 in two seconds


def test_what_takes_its_time_away_with_it_does_not_hide_the_others() -> None:
    parent, orphan = sample(1, cpu=1.0), sample(2, cpu=100.0)
    before_parent = parent
    _, before = family([parent, orphan])
    grown = parent._replace(cpu=2.0)
    own = [one(grown, before_parent)]
    now, _ = figures_of_family([grown], own, before, elapsed=2.0, age=10.0)
    assert now["cpu"] == 50.0


def test_what_has_begun_between_two_looks_is_measured_by_the_time_between_them() -> None:
    assert one(sample(cpu=0.1), elapsed=1.0, age=0.1)["cpu"] == 10.0
    assert one(sample(cpu=0.1), elapsed=1.0, age=5.0)["cpu"] == 2.0
    parent, child = sample(1, cpu=1.0), sample(2, cpu=0.1)
    _, before = family([parent])
    own = [one(parent, parent, elapsed=1.0), one(child, elapsed=1.0, age=0.1)]
    now, _ = figures_of_family([parent, child], own, before, elapsed=1.0, age=10.0)
    assert now["cpu"] == 10.0


def test_what_ends_during_a_look_is_not_counted_again_at_the_next() -> None:
    parent, child = sample(1, cpu=1.0), sample(2, cpu=100.0, read_bytes=9000)
    _, before = family([parent, child])
    during, before = figures_of_family([parent], [one(parent, parent)], before, elapsed=2.0, age=10.0)
    assert (during["cpu"], during["read_rate"]) == (0.0, 0.0)
    later = parent._replace(waited_cpu=100.5, read_bytes=10_000)
    now, _ = figures_of_family([later], [one(later, parent)], before, elapsed=2.0, age=12.0)
    assert now["cpu"] == 25.0


def test_who_takes_his_time_away_for_good_is_forgotten() -> None:
    parent, child = sample(1, cpu=1.0), sample(2, cpu=100.0)
    _, before = family([parent, child])
    for _ in range(2):
        _, before = figures_of_family([parent], [one(parent, parent)], before, elapsed=2.0, age=10.0)
    later = parent._replace(waited_cpu=0.5)
    now, _ = figures_of_family([later], [one(later, parent)], before, elapsed=2.0, age=14.0)
    assert now["cpu"] == 25.0


def test_the_sum_of_nothing_is_nothing() -> None:
    assert sum_figures([]) == NOTHING
    assert sum_figures([]) is not NOTHING


def test_descendants_are_found_once_also_in_a_circle() -> None:
    assert list(descendants(1, {1: [2, 3], 2: [4], 4: [1, 2]})) == [2, 3, 4]


# The pace


def test_the_pace_is_the_wanted_one_while_looking_is_cheap() -> None:
    assert Pace(1.0, share=0.1).note(0.1) == 1.0


def test_the_pace_slows_down_at_once_and_comes_back_gently() -> None:
    pace = Pace(1.0, share=0.1)
    assert pace.note(0.5) == 5.0
    assert pace.note(0.01) == 4.0
    for _ in range(30):
        pace.note(0.01)
    assert pace.interval == 1.0


# Messages


def seen(pid: int, *, cpu: float, age: float) -> Seen:
    figures = one(sample(pid, cpu=cpu * 0.1))
    info = info_of(sample(pid), figures, age=age)
    return Seen(info=info, family=figures, birth=10.0, interval=1.0, age=age)


def test_processes_are_told_before_their_watcher_with_mean_sum_and_oldest() -> None:
    look = Look(
        processes={5: seen(5, cpu=10.0, age=3.0), 6: seen(6, cpu=30.0, age=9.0)}, time=1.0, interval=1.0
    )
    messages = list(messages_of_group(Group("web.v2", "Web.V2", (5, 6, 7)), look, "9@ipc://c"))
    assert [topic for topic, _ in messages] == ["stat.web.v2.5", "stat.web.v2.6", "stat.web.v2"]
    total: Any = messages[-1][1]
    assert {key: total[key] for key in ("pid", "cpu", "mem", "age", "watcher")} == {
        "pid": [5, 6],
        "cpu": 20.0,
        "mem": 2.0,
        "age": 9.0,
        "watcher": "Web.V2",
    }
    first: Any = messages[0][1]
    assert (first["subtopic"], first["name"], first["kind"]) == (5, None, "process")


def test_one_that_may_not_be_read_makes_the_sum_so_too() -> None:
    hidden = Seen(info=hidden_info(6), family=hidden_info(6)["figures"], birth=None, interval=None, age=None)
    look = Look(processes={5: seen(5, cpu=1.0, age=3.0), 6: hidden}, time=1.0, interval=1.0)
    *_, (_, total) = messages_of_group(Group("web", "web", (5, 6)), look, "9@ipc://c")
    assert (total["cpu"], total["mem"], total["age"]) == ("N/A", "N/A", "N/A")
    assert total["family"]["rss"] is None
    assert total["family"]["processes"] == 2


def test_a_watcher_whose_last_process_has_gone_is_told_as_empty() -> None:
    look = Look(processes={}, time=1.0, interval=1.0)
    ((topic, stat),) = messages_of_group(Group("web", "web", ()), look, "9@ipc://c")
    assert (topic, stat["pid"], stat["cpu"], stat["age"]) == ("stat.web", [], 0, "N/A")


def test_sockets_are_told_one_by_one_and_then_summed() -> None:
    stats = [
        socket_stat(Socket(fd, f"s{fd}", f"127.0.0.1:{fd}"), fd, daemon="9@ipc://c", time=1.0, interval=1.0)
        for fd in (7, 8)
    ]
    messages = list(messages_of_sockets(stats))
    assert [topic for topic, _ in messages] == ["stat.sockets.7", "stat.sockets.8", "stat.sockets"]
    assert messages[-1][1]["reads"] == 15
    assert list(messages_of_sockets([])) == []


@pytest.mark.parametrize(
    ("topic", "stat", "expected"),
    [
        ("stat.web.5", {"subtopic": 5}, ("web", "5")),
        ("stat.web", {"pid": [5]}, ("web", None)),
        ("stat.web.v2.5", {"subtopic": 5}, ("web.v2", "5")),
        ("stat.web.v2", {"pid": [5]}, ("web.v2", None)),
        ("stat.web.5", {"pid": [7]}, ("web.5", None)),
        ("stat.web.5.7", {"subtopic": 7}, ("web.5", "7")),
        ("stat.sockets.8", {"subtopic": 8, "fd": 8}, ("sockets", "8")),
        ("stat.ünï cöde.8", {"subtopic": 8}, ("ünï cöde", "8")),
    ],
)
def test_a_topic_is_read_right_wherever_its_dots_are(
    topic: str, stat: dict[str, Any], expected: tuple[str, str | None]
) -> None:
    watcher, subtopic, read = read_message(topic, stat)
    assert ((watcher, subtopic), read) == (expected, stat)
