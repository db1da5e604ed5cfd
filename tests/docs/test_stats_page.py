"""docs/stats.md says what happens."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from circus_core.commands import Properties
from circus_stats.history import FIGURES, HOUR
from circus_stats.history_command import HistoryCommand, HistoryResult

PAGE = (Path(__file__).parents[2] / "docs" / "stats.md").read_text(encoding="utf-8")


def test_the_example_of_a_question_is_one() -> None:
    (question,) = re.findall(r"asks for `(.*?)`;", PAGE)
    asked = json.loads(question)
    assert asked["command"] == HistoryCommand.name
    request = HistoryCommand().parse(Properties(asked["properties"]))
    assert (request.name, request.seconds, request.series) == ("web", 120, ("cpu", "rss"))


def test_the_example_of_an_answer_can_be_read_and_shown() -> None:
    (reply,) = re.findall(r"```json\n(.*?)\n```", PAGE)
    text = HistoryResult.from_json(json.loads(reply)).to_text()
    assert text.splitlines()[0] == "web: the last 2 s"


@pytest.mark.parametrize("series", FIGURES)
def test_every_series_is_named(series: str) -> None:
    assert series in PAGE


def test_an_hour_is_what_is_remembered() -> None:
    assert HOUR == 360 * 10
