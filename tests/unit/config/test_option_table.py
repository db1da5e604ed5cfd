"""The table of options fits the model, and docs/options.md is written from it."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from circus_core.config.docs import options_markdown
from circus_core.config.misspelling import Speller, distance
from circus_core.config.model import ArbiterConfig, SocketConfig, WatcherConfig
from circus_core.config.options import FAMILIES, OPTIONS, Table

PAGE = Path(__file__).parents[3] / "docs" / "options.md"
COMPOSED = {"rlimits", "hooks", "stdout_stream", "stderr_stream", "env", "own_env", "options"}


@pytest.mark.skipif(not PAGE.exists(), reason="a source distribution has no docs")
def test_the_page_of_options_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == options_markdown(), "run `python docs/generate_options.py`"


@pytest.mark.parametrize(
    ("section", "model"), [("watcher", WatcherConfig), ("socket", SocketConfig), ("circus", ArbiterConfig)]
)
def test_each_field_of_the_model_is_an_option_with_the_same_default(section: str, model: Any) -> None:
    options = {option.name: option for option in OPTIONS if option.section == section and not option.retired}
    for field in fields(model):
        if field.name in COMPOSED or (field.name == "name" and section == "socket"):
            continue
        option = options.pop(field.name)
        if field.name != "name":
            assert option.default == field.default
    left = {name for name in options if not name.startswith(FAMILIES)}
    assert left == ({"include", "include_dir"} if section == "circus" else set())


def test_no_option_is_declared_twice() -> None:
    names = [(option.section, name) for option in OPTIONS for name in (option.name, *option.aliases)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: f"{option.section}-{option.name}")
def test_every_option_is_documented(option: Any) -> None:
    assert option.retired or option.doc.endswith(".")


@pytest.mark.parametrize("section", ["circus", "watcher", "socket"])
def test_every_option_is_nearest_to_itself(section: str) -> None:
    names = Table().names(section)
    speller = Speller(names)
    plain = [name for name in names if not name.endswith(("NAME", "KEY"))]
    assert [speller.nearest(name) for name in plain] == plain


@pytest.mark.parametrize(
    ("one", "two", "steps"),
    [("", "", 0), ("ab", "ba", 1), ("port", "prt", 1), ("abc", "xyz", 3), ("", "abc", 3)],
)
def test_distance(one: str, two: str, steps: int) -> None:
    assert distance(one, two) == distance(two, one) == steps
