"""The options, and what the package adds to a configuration because of them."""

from __future__ import annotations

import dataclasses
import logging
import os
import re
from pathlib import Path
from typing import Any

import pytest

from circus_core import ArbiterConfig, Config, ConfigError, SocketConfig, WatcherConfig
from circus_stats import plugin
from circus_stats.names import HISTORY_VARIABLE
from circus_stats.options import OPTIONS

README = (Path(__file__).parents[1] / "README.md").read_text()


def loaded(
    *, sockets: tuple[SocketConfig, ...] = (), arbiter: dict[str, Any] | None = None, **options: Any
) -> Config:
    given = {option.name: option.default for option in OPTIONS} | options
    config = Config(arbiter=ArbiterConfig(options=given, **(arbiter or {})), sockets=sockets)
    return plugin.config_loaded(config)


def watcher(config: Config) -> WatcherConfig:
    (found,) = config.watchers
    return found


def argument(config: Config, name: str) -> list[str]:
    words = list(watcher(config).args)
    return [words[place + 1] for place, word in enumerate(words) if word == name]


def test_every_option_is_documented_with_its_default() -> None:
    section = README.partition("| option |")[2].partition("\n\n")[0]
    documented = dict(re.findall(r"^\| `(\w+)` \| ([^|]*?) \|", section, re.MULTILINE))
    assert list(documented) == [option.name for option in OPTIONS]
    for option in OPTIONS:
        default = "tcp://127.0.0.1:5557" if option.name == "stats_endpoint" else str(option.default)
        assert documented[option.name].strip("`") == default


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("stats_endpoint", "5557"),
        ("stats_endpoint", "http://x"),
        ("stats_interval", "0.01"),
        ("stats_max_cpu", "0"),
        ("stats_max_cpu", "101"),
        ("stats_max_cpu", "nan"),
        ("stats_pss", "perhaps"),
    ],
)
def test_what_makes_no_sense_is_refused(name: str, value: str) -> None:
    (option,) = [option for option in OPTIONS if option.name == name]
    with pytest.raises(ValueError, match=f"^{value}$|^could not convert"):
        option.kind.parse(value)


def test_nothing_is_added_while_it_is_off_but_the_endpoint_is_known() -> None:
    config = loaded()
    assert config.watchers == ()
    assert config.arbiter.options["stats_endpoint"] == "tcp://127.0.0.1:5557"


def test_the_watcher_is_that_of_before() -> None:
    added = watcher(loaded(statsd=True))
    assert added.name == "circusd-stats"
    assert (added.priority, added.singleton, added.copy_env, added.copy_path, added.autostart) == (
        0,
        True,
        True,
        True,
        True,
    )
    assert (added.use_sockets, added.close_child_stdout, added.close_child_stderr) == (False, False, False)


def test_equal_configurations_give_equal_watchers() -> None:
    assert loaded(statsd=True) == loaded(statsd=True)


def test_an_endpoint_alone_switches_it_on(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "circus")
    config = loaded(stats_endpoint="tcp://127.0.0.1:7777")
    assert argument(config, "--statspoint") == ["tcp://127.0.0.1:7777"]
    assert "without statsd" in caplog.text


def test_options_become_arguments() -> None:
    config = loaded(
        statsd=True,
        stats_interval=0.5,
        stats_max_cpu=20.0,
        stats_pss=True,
        statsd_close_outputs=True,
        arbiter={
            "endpoint": "tcp://*:5555",
            "auth": "curve",
            "allow_read": ("ann", 1007),
            "debug": True,
            "logoutput": "/var/log/c",
        },
    )
    assert argument(config, "--endpoint") == ["tcp://127.0.0.1:5555"]
    assert argument(config, "--interval") == ["0.5"]
    assert argument(config, "--max-cpu") == ["20"]
    assert argument(config, "--allow-read") == ["ann", "1007"]
    assert argument(config, "--auth") == ["curve"]
    assert argument(config, "--log-level") == ["debug"]
    assert "--pss" in watcher(config).args
    assert watcher(config).close_child_stderr


def test_sockets_are_inherited_by_name_but_not_those_that_are_made_for_each_process() -> None:
    sockets = (SocketConfig(name="web"), SocketConfig(name="each", so_reuseport=True))
    config = loaded(statsd=True, sockets=sockets)
    assert argument(config, "--fd") == ["$(circus.sockets.web)"]
    assert watcher(config).use_sockets


def test_the_environment_is_that_of_the_daemon_with_its_keys_and_a_name_for_the_past() -> None:
    env = watcher(loaded(statsd=True, arbiter={"keys": "~/k"})).env
    assert env["CIRCUS_KEYS"] == os.path.expanduser("~/k")
    assert env["PATH"] == os.environ["PATH"]
    assert env[HISTORY_VARIABLE].startswith("circus-stats-")


def test_a_watcher_of_the_same_name_is_refused() -> None:
    config = Config(
        arbiter=ArbiterConfig(options={"statsd": True}),
        watchers=(WatcherConfig(name="Circusd-Stats", cmd="x"),),
    )
    with pytest.raises(ConfigError, match="rename yours"):
        plugin.config_loaded(config)


def test_changed_sockets_make_it_anew() -> None:
    one = Config(sockets=(SocketConfig(name="web", port=1),))
    two = dataclasses.replace(one, sockets=(SocketConfig(name="web", port=2),))
    assert plugin.config_diff(one, one) is None
    assert plugin.config_diff(one, two) == ["circusd-stats"]


def test_the_example_of_the_readme_reads_the_stream() -> None:
    """It is run with a stream that ends."""
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    lines: list[object] = []

    class Stream:
        def __init__(self, endpoint: str) -> None:
            assert endpoint == "tcp://127.0.0.1:5557"

        def __enter__(self) -> list[tuple[str, str | None, dict[str, float]]]:
            return [("web", "5", {"cpu": 1.0, "mem": 2.0}), ("web", None, {"cpu": 3.0, "mem": 4.0})]

        def __exit__(self, *_: object) -> None: ...

    code = example.replace("from circus_stats import StatsClient", "")
    exec(code, {"StatsClient": Stream, "print": lambda *words: lines.append(words)})
    assert lines == [("web", 3.0, 4.0)]
