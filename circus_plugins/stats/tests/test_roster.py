"""Who is who, by what the daemon tells."""

from __future__ import annotations

from circus_stats.roster import Roster, Socket


def shown(roster: Roster) -> dict[str, list[int]]:
    return {group.topic: list(group.pids) for group in roster.groups()}


def roster() -> Roster:
    return Roster(
        1,
        {"Web One": [10, 11], "solo.x": [12], "circusd-stats": [20], "circushttpd": [], "plugin:x": [2**30]},
        [Socket(8, "b", "/b"), Socket(7, "a", "/a")],
    )


def test_the_daemon_and_what_serves_it_are_shown_together_with_their_names() -> None:
    first, *_ = roster().groups()
    assert (first.topic, first.watcher, list(first.pids)) == ("circus", None, [1, 20])
    assert first.names == {1: "circusd", 20: "circusd-stats"}


def test_watchers_are_shown_in_lower_case_with_their_real_names() -> None:
    assert shown(roster()) == {"circus": [1, 20], "web one": [10, 11], "solo.x": [12], "plugin:x": []}
    assert {group.watcher for group in roster().groups()} == {None, "Web One", "solo.x", "plugin:x"}


def test_what_is_no_process_is_not_looked_at() -> None:
    assert roster().pids() == {1, 10, 11, 12, 20}


def test_sockets_are_in_the_order_of_their_numbers() -> None:
    assert [socket.fd for socket in roster().sockets] == [7, 8]


def test_events_have_their_own_form_of_names() -> None:
    subject = roster()
    subject.take("web_one", "spawn", 13)
    subject.take("web_one", "reap", 10)
    subject.take("circushttpd", "spawn", 30)
    assert shown(subject)["web one"] == [11, 13]
    assert shown(subject)["circus"] == [1, 20, 30]
    assert not subject.is_doubtful


def test_a_process_that_was_told_to_end_is_shown_until_it_has() -> None:
    subject = roster()
    subject.take("web_one", "kill", 10)
    subject.take("web_one", "stop", None)
    assert shown(subject)["web one"] == [10, 11]


def test_an_unknown_watcher_is_a_reason_to_ask() -> None:
    subject = roster()
    subject.take("new", "spawn", 40)
    assert subject.is_doubtful


def test_two_watchers_that_share_a_form_are_a_reason_to_ask() -> None:
    subject = Roster(1, {"a b": [5], "a_b": [6]})
    subject.take("a_b", "spawn", 7)
    assert subject.is_doubtful
    assert shown(subject) == {"circus": [1], "a b": [5], "a_b": [6]}


def test_a_pid_that_is_used_again_is_never_shown_under_the_old_watcher() -> None:
    subject = roster()
    pids = subject.pids()
    births: dict[int, float | None] = dict.fromkeys(pids, 1.0)
    subject.take_look(births, pids)
    subject.take_look({**births, 10: 2.0}, pids)
    assert shown(subject)["web one"] == [11]
    assert subject.is_doubtful


def test_a_pid_that_is_used_again_by_the_daemon_is_shown_where_it_is_now() -> None:
    subject = roster()
    pids = subject.pids()
    births: dict[int, float | None] = dict.fromkeys(pids, 1.0)
    subject.take_look(births, pids)
    subject.take("web_one", "reap", 10)
    subject.take("solo.x", "spawn", 10)
    subject.take_look({**births, 10: 2.0}, pids)
    assert shown(subject) == {"circus": [1, 20], "web one": [11], "solo.x": [12, 10], "plugin:x": []}
    assert not subject.is_doubtful


def test_one_that_is_missing_twice_without_a_word_is_a_reason_to_ask() -> None:
    subject = roster()
    pids = subject.pids()
    births: dict[int, float | None] = dict.fromkeys(pids - {12}, 1.0)
    subject.take_look(births, pids)
    assert not subject.is_doubtful
    subject.take_look(births, pids)
    assert subject.is_doubtful


def test_one_that_was_not_looked_for_is_not_missing() -> None:
    subject = roster()
    pids = subject.pids()
    subject.take("solo.x", "spawn", 99)
    for _ in range(3):
        subject.take_look(dict.fromkeys(pids, 1.0), pids)
    assert not subject.is_doubtful
