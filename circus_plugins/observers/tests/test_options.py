"""Options, and that the README tells of all of them."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from circus_observers.command_reloader import CommandReloader, WatcherOptions
from circus_observers.http_observer import HttpObserver
from circus_observers.options import ObserverOptions, read_options
from circus_observers.redis_observer import RedisObserver
from circus_observers.resource_watcher import ResourceWatcher
from circus_observers.sections import HttpOptions, RedisOptions, ReloaderOptions, ResourceOptions
from circus_observers.usage import Amount

README = Path(__file__).parents[1] / "README.md"
ROW = re.compile(r"^\| `([a-z_.]+)` \| (?:(.*?) \| )?(.+?) \|$", re.MULTILINE)


def rows(section: str) -> dict[str, str]:
    """Name and default of the options in one part of the README."""
    part = re.split(r"^## ", README.read_text(), flags=re.MULTILINE)
    (text,) = [each for each in part if each.startswith(section + "\n")]
    table = text.split("A watcher can say", 1)[0]
    return {
        name: default.strip() for name, default in re.findall(r"^\| `([a-z_]+)` \| (.*?) ?\| ", table, re.M)
    }


def defaults(kind: type[Any], base: type[Any] | None = None) -> dict[str, Any]:
    inherited = {f.name for f in dataclasses.fields(base)} if base is not None else set()
    return {f.name: f.default for f in dataclasses.fields(kind) if f.name not in inherited}


@pytest.mark.parametrize(
    ("section", "kind", "base"),
    [
        ("Common options", ObserverOptions, None),
        ("resource_watcher", ResourceOptions, ObserverOptions),
        ("http_observer", HttpOptions, ObserverOptions),
        ("redis_observer", RedisOptions, ObserverOptions),
        ("command_reloader", ReloaderOptions, None),
    ],
)
def test_the_readme_has_every_option_with_its_default(section: str, kind: type[Any], base: type[Any]) -> None:
    told, known = rows(section), defaults(kind, base)
    assert told.keys() == known.keys()
    given = {name: text for name, text in told.items() if text}
    options = read_options(kind, given)
    assert {name: getattr(options, name) for name in known} == known


def test_the_readme_has_every_option_of_a_watcher() -> None:
    told = re.findall(r"^\| `command_reloader\.([a-z_]+)`", README.read_text(), re.MULTILINE)
    assert set(told) == {f.name for f in dataclasses.fields(WatcherOptions)} - {"loop_rate"}


def test_application_names_are_those_of_old() -> None:
    names = [
        kind().application_name for kind in (ObserverOptions, ResourceOptions, HttpOptions, RedisOptions)
    ]
    assert names == ["app", "app", "http_observer", "redis_observer"]


@pytest.mark.parametrize(
    ("plugin", "config", "complaint"),
    [
        (ResourceWatcher, {}, "the option watcher is missing: write watcher = NAME"),
        (ResourceWatcher, {"watcher": "w", "max_mem": "much"}, "max_mem must be a number of percent"),
        (ResourceWatcher, {"watcher": "w", "child_signal": "NONE"}, "child_signal must be a signal"),
        (ResourceWatcher, {"watcher": "w", "max_count": "-1"}, "max_count must be a whole number >= 0"),
        (HttpObserver, {"loop_rate": "0"}, "loop_rate must be seconds"),
        (HttpObserver, {"timeout": "soon"}, "timeout must be seconds"),
        (RedisObserver, {"redis_url": "http://x"}, "redis_url must be the URL of a Redis server"),
        (RedisObserver, {"sample_rate": "2"}, "sample_rate must be a number > 0"),
        (CommandReloader, {"loop_rate": "x"}, "loop_rate must be seconds"),
    ],
)
def test_a_wrong_option_is_told(plugin: Any, config: Mapping[str, str], complaint: str) -> None:
    with pytest.raises(ValueError, match=re.escape(complaint)):
        plugin("", "", 5.0, **config)


def test_text_becomes_values() -> None:
    options = read_options(
        ResourceOptions, {"max_mem": "1K", "child_signal": "usr1", "process_children": "1", "loop_rate": "1m"}
    )
    assert options.max_mem == Amount(1024, is_bytes=True)
    assert (options.child_signal, options.process_children, options.loop_rate) == (10, True, 60.0)
    assert read_options(ReloaderOptions, {"files": "*.py, *.html"}).files == ("*.py", "*.html")


def test_options_of_a_watcher_are_checked_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "circus.ini"
    path.write_text("[watcher:web]\ncmd = sleep 1\ncommand_reloader.active = maybe\n")
    words = [sys.executable, "-m", "circus_core.cli.circusd", "--check", str(path), "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert "command_reloader.active must be" in json.dumps(json.loads(done.stdout))
