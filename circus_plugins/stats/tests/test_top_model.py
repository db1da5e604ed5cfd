"""What circus-top knows and what lines it makes of it: whatever comes, in any order."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from circus_stats.top.columns import COLUMNS, Looks, cells, heading, layout, plain_layout
from circus_stats.top.figures import age_text, bytes_of, clean, end_text, number_of, size_text, whole_of
from circus_stats.top.graphs import ASCII, BLOCKS
from circus_stats.top.known import PAST, form_of, key_of
from circus_stats.top.model import Model
from circus_stats.top.rows import SORTS, Kind, Row, View, expandable, rows_of

NAMES = [
    "web",
    "web one",
    "Web_One",
    "a.b",
    "circus",
    "sockets",
    "näme 漢字",
    "\x1b[31mred\x07",
    "\u202eevil",
    "",
]
PIDS = st.integers(1, 6)

numbers = st.one_of(st.floats(), st.integers(-5, 10**12), st.just("N/A"), st.none(), st.booleans())
junk = st.one_of(numbers, st.text(max_size=5), st.lists(st.integers(), max_size=2))
names = st.sampled_from(NAMES)
figures = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("cpu", "mem", "rss", "vms", "threads", "fds", "read_rate", "write_rate"), junk),
)
infos = st.fixed_dictionaries(
    {"pid": PIDS},
    optional={
        **dict.fromkeys(("cpu", "mem", "mem_info1", "mem_info2", "age", "cmdline", "wid", "interval"), junk),
        "name": st.one_of(st.none(), names),
        "watcher": st.one_of(st.none(), names),
        "family": figures,
        "children": st.one_of(junk, st.lists(figures, max_size=2)),
        "kind": st.just("process"),
    },
)
aggregates = st.fixed_dictionaries(
    {"pid": st.lists(PIDS, max_size=3)}, optional={"kind": st.just("watcher"), "watcher": names, "cpu": junk}
)
sockets = st.fixed_dictionaries(
    {"fd": junk}, optional={"reads": junk, "address": st.text(max_size=9), "name": junk}
)
descriptions = st.fixed_dictionaries(
    {"name": names},
    optional={
        "state": st.sampled_from(["active", "stopped"]),
        "cmd": st.text(max_size=9),
        "args": junk,
        "numprocesses": junk,
        "restarts": junk,
        "exits": st.lists(st.fixed_dictionaries({"exit_code": junk, "time": junk, "pid": PIDS}), max_size=2),
        "processes": st.lists(st.fixed_dictionaries({"pid": PIDS, "wid": junk, "state": names}), max_size=2),
    },
)
messages = st.one_of(
    st.tuples(st.just("stat"), names, PIDS, infos),
    st.tuples(st.just("stat"), names, st.none(), aggregates),
    st.tuples(st.just("stat"), st.just("sockets"), PIDS, sockets),
    st.tuples(st.just("infos"), st.dictionaries(names, st.dictionaries(PIDS.map(str), infos, max_size=2))),
    st.tuples(st.just("own"), infos),
    st.tuples(st.just("statuses"), st.dictionaries(names, st.sampled_from(["active", "stopped"]))),
    st.tuples(st.just("sockets"), st.lists(sockets, max_size=2)),
    st.tuples(st.just("description"), descriptions),
    st.tuples(
        st.just("event"),
        names,
        st.sampled_from(["spawn", "reap", "kill", "state", "stop", "remove", "add"]),
        st.fixed_dictionaries({}, optional={"process_pid": PIDS, "exit_code": junk, "state": names}),
    ),
    st.tuples(st.just("past"), names, st.lists(st.one_of(st.none(), st.floats(0, 100)), max_size=200)),
    st.tuples(st.just("expire"), st.integers(0, 5)),
)
views = st.builds(
    View,
    sort=st.sampled_from(sorted(SORTS)),
    is_descending=st.booleans(),
    filter=st.sampled_from(["", "web", "1", "nothing"]),
    is_flat=st.booleans(),
)


def tell(model: Model, message: tuple[Any, ...], now: float) -> None:
    kind, *what = message
    match kind:
        case "stat":
            model.apply_stat(what[0], what[1], what[2], now)
        case "infos":
            model.apply_infos(what[0], now)
        case "own":
            model.apply_own(what[0], now)
        case "statuses":
            model.apply_statuses(what[0], {"web": "too\x1bmany"}, now)
        case "sockets":
            model.apply_sockets(what[0], now)
        case "description":
            model.apply_description(what[0], now)
        case "event":
            model.apply_event(what[0], what[1], what[2], now)
        case "past":
            model.apply_past(what[0], what[1], what[1])
        case _:
            model.expire(now, what[0])


@given(st.lists(messages, max_size=25), views, st.integers(12, 300))
def test_whatever_is_told_lines_fit_the_screen_and_are_harmless(
    told: list[tuple[Any, ...]], view: View, width: int
) -> None:
    model = Model()
    for now, message in enumerate(told):
        tell(model, message, float(now))
    rows = rows_of(model, view)
    assert len({row.key for row in rows}) == len(rows)
    looks = Looks(glyphs=BLOCKS, now=1e9)
    for columns in (layout(width, rows), plain_layout(rows)):
        total = sum(width + 1 for _, width in columns) - 1
        assert columns[0][0].name == "name"
        for row in rows:
            line = " ".join(cell.text for cell in cells(row, columns, looks))
            assert cell_len(line) == total
            assert clean(line) == line
        assert cell_len(" ".join(title for title, _ in heading(columns, view, BLOCKS))) == total
    assert sum(width + 1 for _, width in layout(width, rows)) - 1 <= width


@given(st.lists(messages, max_size=25), st.sampled_from(sorted(SORTS)), st.booleans())
def test_any_sorting_shows_the_same_lines(
    told: list[tuple[Any, ...]], sort: str, is_descending: bool
) -> None:
    model = Model()
    for now, message in enumerate(told):
        tell(model, message, float(now))
    plain, other = rows_of(model, View()), rows_of(model, View(sort=sort, is_descending=is_descending))
    assert {row.key for row in plain} == {row.key for row in other}
    assert all(len(watcher.cpu_past) <= PAST for watcher in model.watchers.values())


def stat(pid: int, cpu: float = 1.0, **more: Any) -> dict[str, Any]:
    return {"pid": pid, "cpu": cpu, "mem": 0.5, "mem_info1": "2.00M", "age": 7.0, "name": None, **more}


def modelled() -> Model:
    model = Model()
    for pid, cpu in ((11, 5.0), (12, 30.0), (13, 10.0)):
        model.apply_stat("web one", pid, stat(pid, cpu), 0.0)
    model.apply_stat("idle", 21, stat(21, 0.0, cmdline="tail"), 0.0)
    model.apply_stat("circus", 1, stat(1, name="circusd"), 0.0)
    model.apply_stat("sockets", 7, {"fd": 7, "address": "127.0.0.1:80", "reads": 3}, 0.0)
    return model


def shown(rows: list[Row]) -> list[str]:
    return [row.name for row in rows]


def test_watchers_come_first_then_the_daemon_then_the_sockets() -> None:
    rows = rows_of(modelled(), View())
    assert [row.kind for row in rows] == [
        Kind.WATCHER, Kind.PROCESS, Kind.WATCHER, *[Kind.PROCESS] * 3, Kind.OWN, Kind.PROCESS,
        Kind.SOCKETS, Kind.SOCKET,
    ]  # fmt: skip


def test_a_watcher_shows_the_sums_of_its_processes() -> None:
    watcher = modelled().watchers["web one"].figures()
    assert (watcher.cpu, watcher.mem, watcher.rss, watcher.age) == (45.0, 1.5, 6 << 20, 7.0)


def test_watchers_and_their_processes_are_sorted_by_numbers_not_by_text() -> None:
    rows = rows_of(modelled(), View(sort="cpu", is_descending=True))
    assert shown(rows)[:5] == ["web one", "web one:12", "web one:13", "web one:11", "idle"]


def test_who_sorts_by_the_same_again_gets_the_other_way_round() -> None:
    view = View().sorted_by("cpu")
    assert (view.sort, view.is_descending) == ("cpu", True)
    assert not view.sorted_by("cpu").is_descending


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("WEB", ["web one", "web one:11", "web one:12", "web one:13"]),
        ("12", ["web one", "web one:12", "sockets", "127.0.0.1:80"]),
        ("tail", ["idle", "idle:21"]),
        ("none of them", []),
    ],
)
def test_a_filter_keeps_whole_watchers_and_single_processes(text: str, found: list[str]) -> None:
    assert shown(rows_of(modelled(), View(filter=text))) == found


def test_what_is_collapsed_shows_nothing_below() -> None:
    model = modelled()
    rows = rows_of(model, View(collapsed=expandable(model)))
    assert shown(rows) == ["idle", "web one", "circus", "sockets"]
    assert not any(row.is_expanded for row in rows)


def test_the_flat_list_has_the_processes_of_all() -> None:
    rows = rows_of(modelled(), View(is_flat=True, sort="cpu", is_descending=True))
    assert shown(rows) == ["web one:12", "web one:13", "web one:11", "circusd", "idle:21"]


def test_the_two_names_that_an_old_daemon_gives_one_watcher_are_one() -> None:
    model = Model()
    model.apply_stat("web one", 1, stat(1), 0.0)
    model.apply_stat("web_one", 2, stat(2), 0.0)
    model.apply_stat("web one", None, {"pid": [1]}, 0.0)
    model.apply_stat("web_one", None, {"pid": [2]}, 0.0)
    assert list(model.watchers) == ["web one"]
    assert sorted(model.watchers["web one"].processes) == [1, 2]


def test_watchers_whose_names_differ_by_a_blank_or_an_underscore_are_told_apart() -> None:
    model = Model()
    for pid, name in ((1, "Web one"), (2, "web_one")):
        model.apply_stat(name.lower(), pid, stat(pid, watcher=name, kind="process"), 0.0)
        model.apply_stat(name.lower(), None, {"pid": [pid], "watcher": name, "kind": "watcher"}, 0.0)
    model.apply_statuses({"Web one": "active", "web_one": "stopping"}, {}, 0.0)
    model.apply_event("web_one", "reap", {"process_pid": 1, "exit_code": 0}, 0.0)  # of which of them?
    model.apply_past("web one", [1.0, 2.0], [1.0, 2.0])
    found = [(each.name, each.state, list(each.processes)) for each in model.watchers.values()]
    assert found == [("Web one", "active", [1]), ("web_one", "stopping", [2])]
    assert [len(each.cpu_past) for each in model.watchers.values()] == [2, 1]
    assert [each.name for each in model.of_form("web_one")] == ["Web one", "web_one"]


def test_a_watcher_called_circus_is_not_the_daemon() -> None:
    model = Model()
    model.apply_stat("circus", 1, stat(1, name="circusd"), 0.0)
    model.apply_stat("circus", 2, stat(2, watcher="Circus", kind="process"), 0.0)
    assert list(model.own.processes) == [1]
    assert model.watchers["circus"].name == "Circus"


def test_a_watcher_called_circus_may_seem_to_have_a_process_of_the_daemon() -> None:
    model = Model()
    model.apply_own({"pid": 1}, 0.0)
    model.apply_stat("circus", 1, stat(1), 0.0)  # as told by a daemon of Circus 0.19
    rows = rows_of(model, View())
    assert len({row.key for row in rows}) == len(rows) == 4


def test_descendants_count_for_their_process() -> None:
    model = Model()
    model.apply_infos({"w": {"5": stat(5, 10.0, children=[stat(6, 20.0), stat(7, 0.5)])}}, 0.0)
    assert model.watchers["w"].figures().cpu == 30.5


def test_what_the_sum_of_a_watcher_does_not_name_is_gone() -> None:
    model = modelled()
    model.apply_stat("web one", None, {"pid": [11], "kind": "watcher"}, 1.0)
    assert list(model.watchers["web one"].processes) == [11]


def test_processes_and_watchers_of_which_nothing_is_heard_go_unless_the_daemon_names_them() -> None:
    model = modelled()
    model.apply_statuses({"web one": "active"}, {}, 0.0)
    model.expire(2.0, 3.0)
    assert len(model.watchers["web one"].processes) == 3
    model.expire(4.0, 3.0)
    assert list(model.watchers) == ["web one"]
    assert not model.watchers["web one"].processes
    assert not model.sockets


def test_ends_and_restarts_are_told_by_events_where_the_daemon_does_not_describe() -> None:
    model = modelled()
    model.apply_event("web_one", "reap", {"process_pid": 12, "exit_code": -9, "time": 90.0}, 1.0)
    model.apply_event("web_one", "spawn", {"process_pid": 14}, 1.0)
    rows = {row.name: row for row in rows_of(model, View())}
    line = texts(rows["web one"])
    assert (line["restarts"].strip(), line["exit"].strip()) == ("+1", "SIGKILL 10s")
    assert "web one:14" in rows
    assert "web one:12" not in rows


def test_a_description_tells_restarts_ends_and_what_is_wanted() -> None:
    model = modelled()
    model.apply_description(
        {
            "name": "Web One",
            "state": "active",
            "reason": "",
            "cmd": "run",
            "args": ["-x", 1],
            "numprocesses": 5,
            "restarts": 3,
            "exits": [{"exit_code": 0, "time": 1.0}, {"exit_code": 2, "time": 40.0, "pid": 9}],
            "processes": [{"pid": 11, "wid": 2, "state": "running", "restarts": 1}],
        },
        0.0,
    )
    row = next(row for row in rows_of(model, View()) if row.name == "Web One")
    line = texts(row)
    assert (line["pid"].strip(), line["restarts"].strip(), line["exit"].strip()) == (
        "(3/5)",
        "3",
        "exit 2 1m00s",
    )
    assert line["command"].strip() == "run -x 1"
    assert "Web One.2" in shown(rows_of(model, View()))


def test_names_that_are_cut_keep_what_tells_processes_apart_and_are_whole_where_there_is_room() -> None:
    model, name = Model(), "catalogue with a rather long name"
    for pid in (11, 12):
        model.apply_stat(name, pid, stat(pid), 0.0)
    rows = rows_of(model, View())

    def shown_names(width: int) -> list[str]:
        columns = layout(width, rows)
        return [cells(row, columns, Looks(glyphs=ASCII, now=1.0))[0].text.strip() for row in rows]

    narrow = shown_names(80)
    assert narrow[1].endswith("~:11")
    assert narrow[2].endswith("~:12")
    assert shown_names(200) == [f"- {name}", f"{name}:11", f"{name}:12"]


def test_a_service_of_the_daemon_is_shown_once_and_as_a_watcher_when_it_is_stopped() -> None:
    model = modelled()
    model.apply_statuses({"circusd-stats": "active", "web one": "active", "idle": "active"}, {}, 0.0)
    model.apply_infos({"circusd-stats": {"2": stat(2)}}, 0.0)
    model.apply_stat("circus", 2, stat(2, name="circusd-stats"), 0.0)
    assert shown(rows_of(model, View())).count("circusd-stats") == 1
    model.expire(10.0, 3.0)
    model.apply_statuses({"circusd-stats": "stopped"}, {}, 10.0)
    assert shown(rows_of(model, View())) == ["circusd-stats"]


def test_the_past_that_is_told_replaces_a_shorter_one() -> None:
    model = modelled()
    model.apply_past("web one", [1.0, None, 3.0], [0.1, None, 0.3])
    assert list(model.watchers["web one"].cpu_past) == [1.0, None, 3.0]
    model.apply_past("web one", [7.0], [7.0])
    model.apply_past("gone", [7.0], [7.0])
    assert list(model.watchers["web one"].cpu_past) == [1.0, None, 3.0]
    assert "gone" not in model.watchers


def texts(row: Row) -> Mapping[str, str]:
    columns = [(column, 14) for column in COLUMNS]
    found = cells(row, columns, Looks(glyphs=ASCII, now=100.0))
    return {column.name: cell.text for (column, _), cell in zip(columns, found, strict=True)}


@pytest.mark.parametrize(
    ("value", "number"), [(1, 1.0), (0.5, 0.5), ("N/A", None), (None, None), (True, None), (math.nan, None)]
)
def test_a_figure_is_a_finite_number_or_unknown(value: object, number: float | None) -> None:
    assert number_of(value) == number


def test_sizes_of_any_form_are_bytes() -> None:
    found = [bytes_of(text) for text in ("13.70M", "100B", "2.00G", 4096, "N/A", None)]
    assert found == [14365491, 100, 2 << 30, 4096, None, None]
    assert [whole_of(value) for value in ("12", 12.0, "x", "٣")] == [12, 12, None, None]


@given(st.integers(0, 10**19))
def test_sizes_fit_their_column(size: int) -> None:
    assert len(size_text(size)) <= 5


@given(st.floats(0, 86400 * 365 * 99))
def test_ages_fit_their_column(seconds: float) -> None:
    assert len(age_text(seconds)) <= 6


def test_ages_and_ends_are_told_in_few_words() -> None:
    ages = [age_text(seconds) for seconds in (4.26, 59.6, 728, 11105, 17 * 86400 + 4 * 3600, 800 * 86400)]
    assert ages == ["4.3s", "1m00s", "12m08s", "3h05m", "17d04h", "2y70d"]
    assert [end_text(code) for code in (0, 3, -9, -250, None)] == [
        "exit 0",
        "exit 3",
        "SIGKILL",
        "signal 250",
        "unknown",
    ]


@given(st.text(max_size=20))
def test_clean_text_can_do_nothing_to_a_terminal(text: str) -> None:
    cleaned = clean(text)
    assert cleaned.isprintable()
    assert clean(cleaned) == cleaned


def test_pictures_have_the_width_that_was_asked_for() -> None:
    for glyphs in (BLOCKS, ASCII):
        assert [len(glyphs.bar(share, 4)) for share in (None, -1.0, 0.0, 0.49, 1.0, 9.0)] == [4] * 6
        assert glyphs.bar(1.0, 2) == glyphs.parts[-1] * 2
        assert glyphs.sparkline([0.0, None, 5.0, 10.0], 6).rstrip() == glyphs.sparkline(
            [0.0, None, 5.0, 10.0], 6
        )
        assert glyphs.sparkline([1.0] * 200, 7) == glyphs.levels[1] * 7
        assert glyphs.sparkline([1.0], 0) == ""


def test_names_are_compared_in_the_form_of_topics() -> None:
    assert (key_of("Web One"), form_of("Web One")) == ("web one", "web_one")


def test_the_interval_is_that_of_the_processes() -> None:
    model = Model()
    model.apply_stat("web", 5, {"pid": 5, "kind": "process", "interval": None}, 1.0)
    model.apply_stat("sockets", 3, {"fd": 3, "reads": 0, "interval": 0.03}, 1.0)
    assert model.interval is None
    model.apply_stat("web", 5, {"pid": 5, "kind": "process", "interval": 1.1}, 2.1)
    assert model.interval == 1.1
