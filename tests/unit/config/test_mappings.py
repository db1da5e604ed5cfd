"""Configuration through the API: the same table, the same messages, the caller's mapping stays as it is."""

import copy
import signal
from typing import Any

import pytest

from circus_core.config.mappings import (
    arbiter_from_mapping,
    plugin_from_mapping,
    set_option,
    socket_from_mapping,
    watcher_from_mapping,
)
from circus_core.config.model import HookConfig, StreamConfig
from circus_core.errors import ConfigError


def test_typed_values_are_accepted() -> None:
    config = watcher_from_mapping(
        {
            "name": "web",
            "cmd": "sleep",
            "args": ["60", 5],
            "numprocesses": 3,
            "stop_signal": signal.SIGINT,
            "graceful_timeout": 2,
            "copy_env": False,
            "uid": 33,
            "env": {"A": 1, "B": "$HOME/x", "C": "$$A"},
            "rlimits": {"nofile": 10, "core": None},
            "stdout_stream": {"class": "Own", "filename": "a", "max_bytes": 5, "refresh_time": 0.3},
            "stderr_stream": None,
            "working_dir": None,
            "flag": True,
        },
        environ={"HOME": "/root"},
    )
    assert (config.name, config.args, config.numprocesses) == ("web", ("60", "5"), 3)
    assert (config.stop_signal, config.graceful_timeout, config.uid) == (2, 2.0, 33)
    assert config.env == {"A": "1", "B": "/root/x", "C": "$A"}
    assert config.rlimits == {"nofile": 10, "core": None}
    assert config.stdout_stream == StreamConfig(class_name="Own", options={"filename": "a", "max_bytes": 5})
    assert (config.stderr_stream, config.working_dir, config.options) == (None, None, {"flag": True})


def test_the_mapping_is_not_changed_and_can_be_used_again() -> None:
    mapping = {"cmd": "sleep 60", "env": {"A": "$HOME"}, "stdout_stream": {"class": "X", "refresh_time": 1}}
    before = copy.deepcopy(mapping)
    assert watcher_from_mapping(mapping) == watcher_from_mapping(mapping)
    assert mapping == before


def test_the_name_is_that_of_the_program() -> None:
    assert watcher_from_mapping({"cmd": "/usr/bin/sleep 60"}).name == "sleep"


def up(**_: Any) -> bool:
    return True


@pytest.mark.parametrize(
    ("value", "hook"),
    [
        (up, HookConfig(target=up)),
        ((up, True), HookConfig(target=up, ignore_failure=True)),
        (("a.b", False), HookConfig(target="a.b")),
        ("a.b, true", HookConfig(target="a.b", ignore_failure=True)),
        (HookConfig(target=up, ignore_failure=True), HookConfig(target=up, ignore_failure=True)),
    ],
)
def test_hooks_are_callables_or_paths(value: Any, hook: HookConfig) -> None:
    assert watcher_from_mapping({"cmd": "x", "hooks": {"before_start": value}}).hooks == {
        "before_start": hook
    }


def stream(_data: Any) -> None:
    return None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (stream, StreamConfig(stream=stream)),
        ({"stream": stream}, StreamConfig(stream=stream)),
        ({"filename": "a"}, StreamConfig(options={"filename": "a"})),
        (StreamConfig(class_name="X"), StreamConfig(class_name="X")),
        ({}, None),
    ],
)
def test_streams_are_mappings_or_objects(value: Any, expected: StreamConfig | None) -> None:
    assert watcher_from_mapping({"cmd": "x", "stdout_stream": value}).stdout_stream == expected


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"name": "a"}, r"^watcher 'a': cmd is missing; write cmd = PROGRAM$"),
        (
            {"cmd": "x", "numprocesses": "many"},
            r"^watcher 'x': numprocesses must be a whole number >= 0, got 'many'$",
        ),
        ({"cmd": "x", "singleton": True, "numprocesses": 2}, "a singleton can't have 2 processes"),
        ({"cmd": "x", "copy_path": True}, "copy_path needs copy_env"),
        (
            {"cmd": "x", "hooks": {"before_stat": up}},
            "there is no hook called 'before_stat'; write hooks.before_start",
        ),
        ({"cmd": "x", "hooks": "a.b"}, "hooks must be a mapping, got 'a.b'"),
        ({"cmd": "x", "env": 3}, "env must be a mapping, got 3"),
        ({"cmd": "x", "env": {"A": []}}, r"env: A must be text, got \[\]"),
        ({"cmd": "x", "rlimits": {"nope": 1}}, "no limit called 'nope'"),
        ({"cmd": "x", "stdout_stream": 5}, "stdout_stream must be a mapping, got 5"),
        ({"cmd": ["x"]}, r"cmd must be text, got \['x'\]"),
    ],
)
def test_problems_are_raised(mapping: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        watcher_from_mapping(mapping)


def test_unknown_keys_can_be_refused() -> None:
    with pytest.raises(ConfigError, match=r"unknown key 'numproces'; did you mean numprocesses\?"):
        watcher_from_mapping({"cmd": "x", "numproces": 2}, allow_unknown=False)


def test_the_other_kinds() -> None:
    assert socket_from_mapping({"name": "Web", "port": 80}).name == "web"
    plugin = plugin_from_mapping({"use": "a.b", "flag": True, "text": '"x"'})
    assert (plugin.name, plugin.watcher.name) == ("a.b", "plugin:a.b")
    assert plugin.options == {"flag": True, "text": '"x"'}
    assert arbiter_from_mapping({"check_delay": 1.0, "umask": 0o22, "pidfile": None}).umask == 0o22
    with pytest.raises(ConfigError, match="unknown option 'check_dely'"):
        arbiter_from_mapping({"check_dely": 1})


# -- set


CONFIG = watcher_from_mapping(
    {
        "name": "web",
        "cmd": "x",
        "env": {"A": "1"},
        "hooks": {"before_start": "a.b"},
        "rlimits": {"core": 0},
        "stdout_stream": {"class": "X", "filename": "a"},
        "team": "shop",
    }
)


@pytest.mark.parametrize(
    ("key", "value", "field", "expected"),
    [
        ("numprocesses", 4, "numprocesses", 4),
        ("numprocesses", "4", "numprocesses", 4),
        ("numprocesses", None, "numprocesses", 1),
        ("stop_signal", "quit", "stop_signal", 3),
        ("uid", None, "uid", None),
        ("user", "joe", "uid", "joe"),
        ("rlimit_nofile", 5, "rlimits", {"core": 0, "nofile": 5}),
        ("rlimit_nofile", None, "rlimits", {"core": 0, "nofile": None}),
        (
            "hooks.after_stop",
            "c.d",
            "hooks",
            {"before_start": HookConfig(target="a.b"), "after_stop": HookConfig(target="c.d")},
        ),
        (
            "stdout_stream.max_bytes",
            5,
            "stdout_stream",
            StreamConfig(class_name="X", options={"filename": "a", "max_bytes": 5}),
        ),
        (
            "stdout_stream.class",
            "Y",
            "stdout_stream",
            StreamConfig(class_name="Y", options={"filename": "a"}),
        ),
        ("stdout_stream", {"class": "Z"}, "stdout_stream", StreamConfig(class_name="Z")),
        ("stdout_stream", None, "stdout_stream", None),
        ("stderr_stream.filename", "e", "stderr_stream", StreamConfig(options={"filename": "e"})),
        ("env", {"B": "2"}, "env", {"B": "2"}),
        ("copy_env", True, "env", {"HOME": "/root", "A": "1"}),
        ("team", "ops", "options", {"team": "ops"}),
        ("flapping.max_retry", "3", "options", {"team": "shop", "flapping.max_retry": "3"}),
    ],
)
def test_set_option(key: str, value: Any, field: str, expected: Any) -> None:
    changed = set_option(CONFIG, key, value, environ={"HOME": "/root"})
    assert getattr(changed, field) == expected


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("bogus", 1, "^watcher 'web': unknown key 'bogus'$"),
        ("numproces", 1, "did you mean numprocesses"),
        ("stdout_steam.class", "x", "did you mean stdout_stream.class"),
        ("name", "x", "name can't be changed"),
        ("numprocesses", "x", "must be a whole number"),
        ("hooks.nope", "a.b", "no hook called 'nope'"),
        ("copy_path", True, "copy_path needs copy_env"),
        ("cmd", "", "cmd is empty"),
        ("cmd", 'a "b', "no closing quotation"),
    ],
)
def test_set_option_refuses(key: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        set_option(CONFIG, key, value)


def test_set_option_leaves_the_old_value_alone() -> None:
    before = copy.copy(CONFIG)
    set_option(CONFIG, "rlimit_nofile", 5)
    assert before == CONFIG
