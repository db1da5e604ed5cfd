"""The README names every class and each of its options, and no other."""

from __future__ import annotations

import inspect
import re
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import circus_streams

README = (Path(__file__).parents[1] / "README.md").read_text()
OLD_NAMES = (
    "FileStream",
    "WatchedFileStream",
    "TimedRotatingFileStream",
    "QueueStream",
    "StdoutStream",
    "FancyStdoutStream",
)


def _documented(name: str) -> list[str]:
    section = README.partition(f"### {name}\n")[2].partition("\n### ")[0]
    return re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)


@pytest.mark.parametrize("name", circus_streams.__all__)
def test_every_option_is_documented(name: str) -> None:
    parameters = inspect.signature(getattr(circus_streams, name)).parameters.values()
    assert _documented(name) == [each.name for each in parameters if each.kind is not each.VAR_KEYWORD]


@pytest.mark.parametrize("name", circus_streams.__all__)
def test_every_class_can_be_named_in_a_configuration(name: str) -> None:
    (entry,) = {each.value for each in entry_points(group="circus.streams", name=name)}
    assert entry_points(group="circus.streams", name=name)[name].load() is getattr(circus_streams, name)
    assert entry.endswith(f":{name}")
    assert f"`{name}`" in README


@pytest.mark.parametrize("name", OLD_NAMES)
@pytest.mark.parametrize("module", ["circus.stream.", "circus.stream:"])
def test_the_names_of_circus_still_work(name: str, module: str) -> None:
    (entry,) = set(entry_points(group="circus.streams", name=module + name))
    assert entry.load() is getattr(circus_streams, name)
