"""Metrics as text, and figures from what `stats` says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circus_statsd.figures import figures, read_size
from circus_statsd.metrics import clean, format_metric, read_tags, tag


@pytest.mark.parametrize(
    ("value", "kind", "more", "text"),
    [
        (1, "c", {}, "a.b:1|c"),
        (-2, "c", {}, "a.b:-2|c"),
        (1, "c", {"rate": 0.5}, "a.b:1|c|@0.5"),
        (0.1, "g", {}, "a.b:0.1|g"),
        (3.0, "ms", {}, "a.b:3|ms"),
        (1e15, "g", {}, "a.b:1000000000000000|g"),
        (1e-7, "g", {}, "a.b:0|g"),
        (1, "c", {"tags": ("env:x", "eu")}, "a.b:1|c|#env:x,eu"),
        (1, "c", {"tags": ("env:x",), "rate": 0.1}, "a.b:1|c|@0.1|#env:x"),
    ],
)
def test_a_metric_is_one_line(value: float, kind: str, more: dict[str, Any], text: str) -> None:
    assert format_metric("a.b", value, kind, **more) == text.encode()


def test_names_keep_blanks_and_dots_but_nothing_that_garbles_a_metric() -> None:
    assert clean("web one.x:1|c@#\n") == "web one.x_1_c___"
    assert tag("watcher", "plugin:x, y") == "watcher:plugin_x__y"


@given(st.text(max_size=50))
def test_whatever_the_name_there_is_one_metric(name: str) -> None:
    head, _, tail = format_metric(clean(name), 1, "c", tags=[tag("watcher", name)]).decode().partition(":")
    assert head == clean(name)
    assert tail.startswith("1|c|#watcher:")
    assert tail.count("|") == 2
    assert "\n" not in tail


def test_tags_are_read() -> None:
    assert read_tags("env:prod, eu,url:http://x ,") == ("env:prod", "eu", "url:http://x")
    for wrong in (":x", "a|b", "a b", "a:b#c"):
        with pytest.raises(ValueError, match="is no tag"):
            read_tags(wrong)


@pytest.mark.parametrize(
    ("text", "size"), [("0B", 0), ("100B", 100), ("1.52M", 1593835), ("9.77K", 10004), ("2.00G", 2**31)]
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert read_size(text) == size


@pytest.mark.parametrize("text", ["N/A", "", "M", "1.5", "-1M", "1,5M"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no size"):
        read_size(text)


def test_figures_are_largest_and_sum() -> None:
    processes = {
        "1": {"cpu": 0.1, "mem": 0.5, "mem_info1": "1.00M"},
        "2": {"cpu": 0.2, "mem": 0.25, "mem_info1": "2.00M"},
        "3": "No such process (stopped?)",
    }
    assert figures(processes) == {
        "watchers_num": 2,
        "cpu_max": 0.2,
        "cpu_sum": 0.3,
        "mem_pct_max": 0.5,
        "mem_pct_sum": 0.75,
        "mem_max": 2 * 2**20,
        "mem_sum": 3 * 2**20,
    }


def test_what_is_not_available_is_left_out() -> None:
    assert figures({}) == {"watchers_num": 0}
    assert figures({"1": {"cpu": "N/A", "mem": "N/A", "mem_info1": "N/A"}}) == {"watchers_num": 1}
    mixed = {"1": {"cpu": "N/A"}, "2": {"cpu": 3.5, "mem": 1, "mem_info1": "10B"}}
    assert figures(mixed)["cpu_sum"] == 3.5
    assert figures(mixed)["watchers_num"] == 2
