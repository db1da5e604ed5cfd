"""The watcher that runs a plugin."""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import replace
from typing import Any

import pytest

from circus_core.config.model import ArbiterConfig, PluginConfig, WatcherConfig
from circus_core.plugin_watcher import (
    CONFIG_VARIABLE,
    DAEMON_VARIABLE,
    HANG_VARIABLE,
    IN_DAEMON,
    IN_PROCESS,
    plugin_command,
    plugin_keywords,
)


def _plugin(options: dict[str, Any] | None = None, **watcher: Any) -> PluginConfig:
    config = WatcherConfig(name="plugin:mine", singleton=True, priority=1, copy_env=True, **watcher)
    return PluginConfig(name="mine", use="a.b.C", options=options or {}, watcher=config)


def _keywords(watcher: WatcherConfig) -> Any:
    return json.loads(watcher.env[CONFIG_VARIABLE])


def test_the_command_is_this_interpreter_running_circus_plugin() -> None:
    watcher = plugin_command(_plugin(), ArbiterConfig())
    assert shlex.split(watcher.cmd) == [sys.executable, "-m", "circus_core.cli.circus_plugin"]
    assert watcher.args[-1] == "a.b.C"


def test_endpoints_check_delay_and_log_are_those_of_the_daemon() -> None:
    arbiter = ArbiterConfig(
        endpoint="ipc:///run/with blank/c",
        pubsub_endpoint="tcp://127.0.0.1:7",
        check_delay=2.5,
        loglevel="warning",
        logoutput="/var/log/c.log",
    )
    words = plugin_command(_plugin(), arbiter).args
    assert isinstance(words, tuple)
    options = dict(zip(words[:-1:2], words[1:-1:2], strict=True))
    assert options == {
        "--endpoint": "ipc:///run/with blank/c",
        "--pubsub": "tcp://127.0.0.1:7",
        "--check-delay": "2.5",
        "--log-level": "warning",
        "--log-output": "/var/log/c.log",
    }


def test_debug_of_the_daemon_is_debug_of_the_plugin() -> None:
    assert "debug" in plugin_command(_plugin(), ArbiterConfig(debug=True, loglevel="error")).args


def test_a_wildcard_address_is_reached_on_this_machine() -> None:
    assert "tcp://127.0.0.1:5" in plugin_command(_plugin(), ArbiterConfig(endpoint="tcp://*:5")).args


@pytest.mark.parametrize("value", ["two words", "a:::b", "\"'", "$(circus.wid)", "$HOME", "ü\n", ""])
def test_a_value_arrives_as_written_and_stays_out_of_the_command_line(value: str) -> None:
    watcher = plugin_command(_plugin({"key": value}), ArbiterConfig())
    assert _keywords(watcher) == {"key": value, "name": "plugin:mine"}
    assert not any(value in word for word in (watcher.cmd, *watcher.args) if value)


def test_scalars_become_text_and_none_is_left_out() -> None:
    plugin = _plugin({"a": 1, "b": 1.5, "c": True, "d": None, "e": [1, "x"]})
    assert plugin_keywords(plugin) == {
        "a": "1",
        "b": "1.5",
        "c": "True",
        "e": [1, "x"],
        "name": "plugin:mine",
    }


def test_everything_else_comes_from_the_watcher_of_the_section() -> None:
    plugin = _plugin({}, env={"HOME": "/h"}, graceful_timeout=3.0, uid="somebody")
    watcher = plugin_command(plugin, ArbiterConfig(), daemon_pid=42)
    assert watcher.env == {
        "HOME": "/h",
        CONFIG_VARIABLE: '{"name": "plugin:mine"}',
        DAEMON_VARIABLE: "42",
        HANG_VARIABLE: "60.0",
    }
    assert (watcher.name, watcher.graceful_timeout, watcher.singleton) == ("plugin:mine", 3.0, True)


def test_the_same_section_gives_the_same_watcher_again() -> None:
    plugin = _plugin({"b": "1", "a": "2"})
    assert plugin_command(plugin, ArbiterConfig()) == plugin_command(plugin, ArbiterConfig())


@pytest.mark.parametrize("value", ["False", "no", "0", False])
def test_an_inactive_plugin_is_neither_started_nor_respawned(value: Any) -> None:
    watcher = plugin_command(_plugin({"active": value}), ArbiterConfig())
    assert (watcher.autostart, watcher.respawn) == (False, False)


@pytest.mark.parametrize("value", ["True", "yes", "perhaps"])
def test_any_other_plugin_is(value: str) -> None:
    watcher = plugin_command(_plugin({"active": value}), ArbiterConfig())
    assert (watcher.autostart, watcher.respawn) == (True, True)


@pytest.mark.parametrize(("output", "is_closed"), [("-", False), ("stdout", False), ("/var/log/c.log", True)])
def test_a_plugin_logs_to_standard_error_where_the_daemon_does(output: str, is_closed: bool) -> None:
    watcher = plugin_command(_plugin(close_child_stderr=True), ArbiterConfig(logoutput=output))
    assert watcher.close_child_stderr is is_closed


def test_it_is_told_where_the_keys_of_the_daemon_are_unless_another_user_runs_it() -> None:
    arbiter = ArbiterConfig(keys="/etc/circus/keys")
    assert plugin_command(_plugin({}), arbiter).env["CIRCUS_KEYS"] == "/etc/circus/keys"
    assert "CIRCUS_KEYS" not in plugin_command(_plugin({}, uid="somebody"), arbiter).env


def test_a_plugin_in_the_daemon_is_a_single_thread_named_by_its_class() -> None:
    plugin = replace(_plugin({"a": "1"}, numprocesses=3), run_in="daemon")
    watcher = plugin_command(plugin, ArbiterConfig())
    assert (watcher.backend, watcher.cmd, watcher.args) == (IN_DAEMON, "a.b.C", ())
    assert (watcher.numprocesses, watcher.singleton) == (1, True)
    assert _keywords(watcher) == {"a": "1", "name": "plugin:mine"}


@pytest.mark.parametrize(("backend", "expected"), [("local", IN_PROCESS), ("containers", "containers")])
def test_signs_of_life_are_heard_where_the_daemon_starts_the_process(backend: str, expected: str) -> None:
    assert plugin_command(_plugin(backend=backend), ArbiterConfig()).backend == expected


def test_a_hang_timeout_of_zero_is_none() -> None:
    watcher = plugin_command(replace(_plugin(), hang_timeout=0.0), ArbiterConfig())
    assert HANG_VARIABLE not in watcher.env
