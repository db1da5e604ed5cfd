"""The options: what is accepted, what follows from them, and what the README says about them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import fields
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from circus_watchdog.plugin import WatchDog
from circus_watchdog.settings import WATCHER_KINDS, Rule, Settings, read_rule, read_settings

README = (Path(__file__).parents[1] / "README.md").read_text()


def check(folder: Path, text: str) -> dict[str, Any]:
    """What `circusd --check` makes of a file."""
    path = folder / "circus.ini"
    path.write_text(text)
    words = [sys.executable, "-m", "circus_core.cli.circusd", "--check", "--json", str(path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_every_option_is_documented_with_its_default() -> None:
    documented = dict(re.findall(r"^\| `(\w+)` \| ([^|]*) \|", README, re.MULTILINE))
    made_up = {"watchers_stop_signal", "watchers_graceful_timeout", "notify_socket"}
    assert list(documented) == [*(f.name for f in fields(Settings)), "active"]
    for name, default in documented.items():
        if name not in made_up | {"active"}:
            given = {name: default.strip("`")}
            assert getattr(read_settings(given), name) == getattr(Settings(), name)


def test_every_option_of_a_watcher_is_documented() -> None:
    assert re.findall(r"^\| `watchdog\.(\w+)` \|", README, re.MULTILINE) == list(WATCHER_KINDS)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"loop_rate": "0"}, "loop_rate must be seconds >= 0.01, got '0'"),
        ({"max_count": "0"}, "max_count must be a whole number >= 1, got '0'"),
        ({"max_count": "2x"}, "max_count must be a whole number >= 1, got '2x'; write 2"),
        ({"watchers_regex": "("}, "watchers_regex must be a regular expression, got '"),
        ({"msg_regex": "x"}, r"msg_regex must be a regular expression with a group \(\?P<pid>...\), got 'x'"),
        ({"port": "65536"}, "port must be a whole number from 0 to 65535, got '65536'"),
        ({"watchers_stop_signal": "TREM"}, "watchers_stop_signal must be .*; write SIGTERM"),
        ({"port": "0"}, "there is nothing to listen at: port is 0"),
    ],
)
def test_a_mistake_is_told(options: Mapping[str, str], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        WatchDog("tcp://127.0.0.1:1", "tcp://127.0.0.1:2", 5.0, None, **options)


@pytest.mark.parametrize("use", ["watchdog", "circus.plugins.watchdog.WatchDog"])
def test_it_is_found_by_its_names(use: str) -> None:
    assert entry_points(group="circus.plugins", name=use)[use].load() is WatchDog


def test_a_watcher_has_its_own_values() -> None:
    settings = read_settings({"loop_rate": "10", "watchers_regex": "web", "watchers_stop_signal": "int"})
    assert read_rule(["web one"], {}, settings) == Rule(timeout=30.0, stop_signal=2)
    assert read_rule(["other", "webs"], {}, settings) is not None
    assert read_rule(["other"], {}, settings) is None
    own = {"watchdog.active": True, "watchdog.max_count": 1, "watchdog.graceful_timeout": 3.0}
    assert read_rule(["other"], own, settings) == Rule(timeout=10.0, stop_signal=2, graceful_timeout=3.0)
    assert read_rule(["web"], {"watchdog.active": False}, settings) is None
    assert read_rule(["plugin:web"], {}, Settings()) is None
    with pytest.raises(ValueError, match=r"watchdog\.max_count must be"):
        read_rule(["web"], {"watchdog.max_count": "many"}, settings)


@pytest.mark.parametrize(
    ("section", "complaint"),
    [
        (
            "[watcher:web]\ncmd = true\nwatchdog.max_count = 0\n",
            "watcher 'web': watchdog.max_count must be a whole number >= 1, got '0'",
        ),
        (
            "[plugin:dog]\nuse = watchdog\nmsg_regex = ^(.*)$\n",
            "plugin 'dog': msg_regex must be a regular expression with a group (?P<pid>...), got '^(.*)$'",
        ),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, section: str, complaint: str) -> None:
    path = tmp_path / "circus.ini"
    path.write_text(section)
    words = [sys.executable, "-m", "circus_core.cli.circusd", "--check", str(path)]
    said = subprocess.run(words, capture_output=True, text=True, check=False).stdout
    assert f"circus.ini:3: {complaint}" in said


SECTIONS = """
[plugin:dog]
use = {use}
loop_rate = 2
watchers_regex = web|own
{more}
[watcher:web]
cmd = true
watchdog.max_count = 5
[watcher:Web Two]
cmd = true
watchdog.notify = {web_two}
[watcher:own]
cmd = true
[env:own]
NOTIFY_SOCKET = /elsewhere
[watcher:other]
cmd = true
"""


def environments(config: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    return {
        watcher["name"]: {
            key: value for key, value in watcher.get("env", {}).items() if key[:4] in ("NOTI", "WATC")
        }
        for watcher in config["config"]["watchers"]
    }


@pytest.mark.parametrize("use", ["watchdog", "circus_watchdog.plugin:WatchDog"])
def test_processes_are_told_where_to_send_their_heartbeats(tmp_path: Path, use: str) -> None:
    more = "notify = True\nnotify_socket = /run/dog"
    config = check(tmp_path, SECTIONS.format(use=use, more=more, web_two="True"))
    assert environments(config) == {
        "web": {"NOTIFY_SOCKET": "/run/dog", "WATCHDOG_USEC": "10000000"},
        "Web Two": {"NOTIFY_SOCKET": "/run/dog", "WATCHDOG_USEC": "6000000"},
        "own": {"NOTIFY_SOCKET": "/elsewhere"},
        "other": {},
    }


def test_plugin_and_processes_agree_on_an_address_that_is_made_up(tmp_path: Path) -> None:
    text = SECTIONS.format(use="watchdog", more="", web_two="True")
    config = check(tmp_path, text)
    (plugin,) = config["config"]["plugins"]
    address = plugin["options"]["notify_socket"]
    found = environments(config)
    assert found["Web Two"]["NOTIFY_SOCKET"] == address
    assert found["web"] == {}
    assert environments(check(tmp_path, text)) == found


@pytest.mark.parametrize("more", ["", "active = False\nnotify = True"])
def test_nothing_is_set_that_nobody_hears(tmp_path: Path, more: str) -> None:
    text = SECTIONS.format(use="watchdog", more=more, web_two="False").replace("loop_rate = 2\n", "")
    config = check(tmp_path, text)
    assert all("WATCHDOG_USEC" not in env for env in environments(config).values())
