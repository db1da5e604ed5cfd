"""The options: what is accepted, and what the README says about them."""

from __future__ import annotations

import re
from dataclasses import fields
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import circus_statsd
from circus_statsd import BaseObserver, FullStats, StatsdEmitter
from circus_statsd.settings import Settings, read_settings

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_every_option_is_documented_with_its_default() -> None:
    section = README.partition("| option |")[2].partition("\n## ")[0]
    documented = dict(re.findall(r"^\| `(\w+)` \| ([^|]*) ?\|", section, re.MULTILINE))
    assert list(documented) == [*(f.name for f in fields(Settings)), "active"]
    default = Settings(loop_rate=60.0)
    for name, value in documented.items():
        if name != "active":
            assert getattr(read_settings({name: value.strip()}, default), name) == getattr(default, name)


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("port", "0", "port must be a whole number from 1 to 65535, got '0'"),
        ("sample_rate", "0", "sample_rate must be a number above 0 and at most 1, got '0'"),
        ("sample_rate", "1.5", "sample_rate must be a number above 0 and at most 1, got '1.5'"),
        ("application_name", "a:b", "application_name must be a name without any of : | @ #, got 'a:b'"),
        ("tags", "a b", "tags must be tags such as env:production, eu, got 'a b'"),
        ("watcher_tag", "maybe", "watcher_tag must be yes"),
        ("loop_rate", "0", "loop_rate must be seconds >= 0.01, got '0'"),
    ],
)
def test_a_mistake_is_told(name: str, value: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=re.escape(complaint)):
        FullStats("tcp://127.0.0.1:1", "tcp://127.0.0.1:2", 5.0, None, **{name: value})


def test_a_section_without_a_name_has_that_of_the_class() -> None:
    class Shop(BaseObserver):
        default_app_name = "shop"

    plugin = Shop("tcp://127.0.0.1:1", "tcp://127.0.0.1:2", 5.0)
    assert (plugin.prefix, plugin.loop_rate) == ("circus.shop.watcher", 60.0)


@pytest.mark.parametrize(
    ("name", "plugin"),
    [
        ("statsd_emitter", StatsdEmitter),
        ("circus.plugins.statsd.StatsdEmitter", StatsdEmitter),
        ("circus.plugins._statsd.StatsdEmitter", StatsdEmitter),
        ("full_stats", FullStats),
        ("circus.plugins.statsd.FullStats", FullStats),
        ("circus.plugins._statsd.FullStats", FullStats),
    ],
)
def test_plugins_are_found_by_their_names(name: str, plugin: type) -> None:
    assert entry_points(group="circus.plugins", name=name)[name].load() is plugin
    assert f"`{name}`" in README


def test_the_public_names_exist() -> None:
    assert all(hasattr(circus_statsd, name) for name in circus_statsd.__all__)
