"""What the daemon says becomes metrics, as the README lists them."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from circus_prometheus.counts import EventCounts, exit_labels
from circus_prometheus.families import Page, Reading
from circus_prometheus.options import Options, read_options

README = (Path(__file__).parents[1] / "README.md").read_text()

LABELS = ("watcher", "state", "stream", "wid", "how", "code", "hook")

PROCESS = {
    "wid": 1,
    "pid": 4711,
    "started": 100.0,
    "restarts": 2,
    "open_files": 5,
    "threads": 3,
    "memory": 4096,
    "cpu_time": 1.25,
}
UNKNOWN = {**PROCESS, "wid": 2, "open_files": None, "threads": None, "memory": None, "cpu_time": None}
WEB = {
    "name": 'My "Web"',
    "state": "active",
    "since": 50.0,
    "numprocesses": 3,
    "running": 2,
    "spawned": 7,
    "failed_spawns": 1,
    "restarts": 4,
    "ended": 5,
    "backoffs": [{"wid": 3}],
    "exits": [{"exit_code": 0, "time": 60.0}, {"exit_code": -9, "time": 70.0}],
    "processes": [PROCESS, UNKNOWN],
    "streams": {"stdout": {"dropped_bytes": 12}, "stderr": {"dropped_bytes": 0}},
}
DAEMON = {
    "info": {"create_time": 10.0, "ctime": "2:01.50", "mem_info1": "1.50K"},
    "events_dropped": 3,
    "replies_dropped": 0,
    "requests_refused": 1,
    "output_bytes_dropped": 12,
}


def samples(page: Page) -> dict[tuple[str, ...], float]:
    """Every sample by its name and the values of its labels, read by the library's own parser."""
    found = {}
    for family in text_string_to_metric_families(generate_latest(page).decode()):
        for sample in family.samples:
            key = (sample.name, *(sample.labels[label] for label in LABELS if label in sample.labels))
            assert key not in found
            found[key] = sample.value
    return found


@pytest.fixture
def counts() -> EventCounts:
    made = EventCounts()
    for exit_code in (0, 1, -9, -9, -40):
        made.take('my_"web"', "reap", {"exit_code": exit_code})
    made.take('my_"web"', "hook_failure", {"name": "before_spawn", "error": "x"})
    made.take('my_"web"', "hook_timeout", {"name": "before_spawn", "timeout": 1})
    made.take('my_"web"', "backoff", {"wid": 3})
    made.take("plugin:x", "hung", {})
    made.take("anything", "else", {})
    made.missed += 8
    return made


def test_all_that_the_daemon_says_is_on_the_page(counts: EventCounts) -> None:
    found = samples(Page(Reading(is_up=True, took=0.25, watchers=[WEB], daemon=DAEMON), counts))
    web = 'My "Web"'
    assert found == {
        ("circus_up",): 1,
        ("circus_reading_duration_seconds",): 0.25,
        ("circus_daemon_start_time_seconds",): 10,
        ("circus_daemon_cpu_seconds_total",): 121.5,
        ("circus_daemon_resident_memory_bytes",): 1536,
        ("circus_daemon_events_dropped_total",): 3,
        ("circus_daemon_replies_dropped_total",): 0,
        ("circus_daemon_requests_refused_total",): 1,
        ("circus_daemon_output_dropped_bytes_total",): 12,
        ("circus_watcher_state", web, "active"): 1,
        ("circus_watcher_state", web, "starting"): 0,
        ("circus_watcher_state", web, "stopping"): 0,
        ("circus_watcher_state", web, "stopped"): 0,
        ("circus_watcher_state_change_timestamp_seconds", web): 50,
        ("circus_watcher_processes_wanted", web): 3,
        ("circus_watcher_processes", web): 2,
        ("circus_watcher_delayed", web): 1,
        ("circus_watcher_spawns_total", web): 7,
        ("circus_watcher_failed_spawns_total", web): 1,
        ("circus_watcher_restarts_total", web): 4,
        ("circus_watcher_ends_total", web): 5,
        ("circus_watcher_last_exit_code", web): -9,
        ("circus_watcher_last_exit_timestamp_seconds", web): 70,
        ("circus_watcher_output_dropped_bytes_total", web, "stdout"): 12,
        ("circus_watcher_output_dropped_bytes_total", web, "stderr"): 0,
        ("circus_process_cpu_seconds_total", web, "1"): 1.25,
        ("circus_process_resident_memory_bytes", web, "1"): 4096,
        ("circus_process_open_fds", web, "1"): 5,
        ("circus_process_threads", web, "1"): 3,
        ("circus_process_start_time_seconds", web, "1"): 100,
        ("circus_process_start_time_seconds", web, "2"): 100,
        ("circus_process_restarts_total", web, "1"): 2,
        ("circus_process_restarts_total", web, "2"): 2,
        ("circus_watcher_exits_total", web, "exit", "0"): 1,
        ("circus_watcher_exits_total", web, "exit", "1"): 1,
        ("circus_watcher_exits_total", web, "signal", "SIGKILL"): 2,
        ("circus_watcher_exits_total", web, "signal", "40"): 1,
        ("circus_watcher_hook_failures_total", web, "before_spawn"): 1,
        ("circus_watcher_hook_timeouts_total", web, "before_spawn"): 1,
        ("circus_watcher_backoffs_total", web): 1,
        ("circus_watcher_hangs_total", "plugin:x"): 1,
        ("circus_events_missed_total",): 8,
    }


def test_the_readme_lists_every_metric_with_its_labels(counts: EventCounts) -> None:
    page = Page(Reading(is_up=True, took=0.1, watchers=[WEB], daemon=DAEMON), counts)
    known = {
        sample.name: {*sample.labels}
        for family in text_string_to_metric_families(generate_latest(page).decode())
        for sample in family.samples
    }
    told = re.findall(r"^\| `(circus_[a-z_]+)` \| (.*?) ?\| ", README, re.MULTILINE)
    assert {name: {*re.findall(r"\w+", labels)} for name, labels in told} == known


def test_the_readme_lists_every_option_with_its_default() -> None:
    told = dict(
        re.findall(r"^\| `([a-z_]+)` \| ((?:[^|]*?)) ?\| ", README.split("## Metrics")[0], re.MULTILINE)
    )
    assert told.keys() == {field.name for field in dataclasses.fields(Options)}
    assert read_options({name: text for name, text in told.items() if text}) == Options()


def test_a_daemon_that_does_not_answer_is_down() -> None:
    found = samples(Page(Reading(is_up=False, took=5.0), EventCounts()))
    assert found == {
        ("circus_up",): 0,
        ("circus_reading_duration_seconds",): 5,
        ("circus_events_missed_total",): 0,
    }


def test_figures_that_are_not_known_are_left_out() -> None:
    web: dict[str, Any] = {**WEB, "exits": [], "processes": [UNKNOWN]}
    info = dict.fromkeys(("create_time", "ctime", "mem_info1"), "N/A")
    found = samples(Page(Reading(is_up=True, took=0, watchers=[web], daemon={"info": info}), EventCounts()))
    names = {name for name, *_ in found}
    assert not {name for name in names if name.startswith("circus_daemon")}
    assert not {name for name in names if "last_exit" in name or "fds" in name or "memory" in name}


def test_names_that_share_a_form_in_events_stay_in_this_form() -> None:
    counts = EventCounts()
    counts.take("a_b", "backoff", {})
    watchers = [{**WEB, "name": name} for name in ("a b", "A_b")]
    found = samples(Page(Reading(is_up=True, took=0, watchers=watchers), counts))
    assert found["circus_watcher_backoffs_total", "a_b"] == 1


def test_counts_of_watchers_that_are_gone_are_forgotten(counts: EventCounts) -> None:
    counts.keep_only({"plugin:x"})
    assert not counts.exits
    assert not counts.hook_failures
    assert counts.hung
    counts.take("plugin:x", "add", {})
    assert not counts.hung


@pytest.mark.parametrize(
    ("code", "labels"), [(3, ("exit", "3")), (-15, ("signal", "SIGTERM")), (-40, ("signal", "40"))]
)
def test_an_exit_code_says_how_it_ended(code: int, labels: tuple[str, str]) -> None:
    assert exit_labels(code) == labels


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"port": "70000"}, "port must be a whole number from 0 to 65535, got '70000'"),
        ({"path": "metrics"}, "path must be a path that begins with /, got 'metrics'"),
        ({"cache": "long"}, "cache must be seconds >= 0, got 'long'"),
    ],
)
def test_a_wrong_option_is_told(config: dict[str, str], complaint: str) -> None:
    with pytest.raises(ValueError, match=re.escape(complaint)):
        read_options(config)
