"""circus.config: files as mappings and as parsers."""

from __future__ import annotations

from pathlib import Path

import pytest

from circus.arbiter import Arbiter
from circus.config import DefaultConfigParser, get_config, read_config, rlimit_value, watcher_defaults
from circus_core import ConfigError

INI = """
[circus]
check_delay = 5
statsd = True
include = more.ini
[env]
G = 1
[env:a*]
X = $OLD_HOME/y
[watcher:a]
cmd = sleep $(circus.env.OLD_HOME)
numprocesses = 2
rlimit_nofile = 500
rlimit_core = infinity
hooks.before_start = os.path.join,True
stdout_stream.filename = /tmp/x
stdout_stream.max_bytes = 10
myopt = 3
max_age = 5
[socket:WEB]
port = 8080
blocking = yes
[socket:unix]
path = /tmp/s
[plugin:mine]
use = flapping
alpha = 1
priority = 3
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("OLD_HOME", "/old")
    (tmp_path / "more.ini").write_text("[watcher:b]\ncmd = cat\n")
    (tmp_path / "circus.ini").write_text(INI)
    return str(tmp_path / "circus.ini")


def test_a_file_becomes_mappings(file: str) -> None:
    config = get_config(file)
    assert config["check_delay"] == 5.0
    assert (config["statsd"], config["stats_endpoint"]) == (True, "tcp://127.0.0.1:5557")
    assert (config["httpd"], config["httpd_port"]) == (False, 8080)
    a, b = config["watchers"]
    assert a["cmd"] == "sleep /old"
    assert a["env"] == {"G": "1", "X": "/old/y"}
    assert a["hooks"] == {"before_start": ["os.path.join", True]}
    assert a["rlimits"] == {"nofile": 500, "core": -1}
    assert a["stdout_stream"] == {"filename": "/tmp/x", "max_bytes": "10"}
    assert (a["myopt"], a["max_age"], a["numprocesses"]) == ("3", 5, 2)
    assert b == {**watcher_defaults(), "name": "b", "cmd": "cat", "env": {"G": "1"}}
    unix, web = config["sockets"]
    assert (unix["name"], unix["path"], unix["so_reuseport"]) == ("unix", "/tmp/s", False)
    assert "port" not in unix
    assert (web["name"], web["port"], web["blocking"], web["replace"]) == ("web", "8080", "True", False)
    (plugin,) = config["plugins"]
    assert plugin == {"use": "flapping", "name": "plugin:mine", "alpha": "1", "priority": 3}


def test_each_reading_gives_mappings_of_its_own(file: str) -> None:
    get_config(file)["watchers"][0]["env"]["G"] = "changed"
    get_config(file)["watchers"][0]["hooks"].clear()
    assert get_config(file)["watchers"][0]["env"]["G"] == "1"
    assert get_config(file)["watchers"][0]["hooks"]


def test_what_is_wrong_with_a_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"the configuration file '.*none\.ini' does not exist"):
        get_config(str(tmp_path / "none.ini"))
    with pytest.raises(OSError, match="does not exist"):
        Arbiter.load_from_config(str(tmp_path / "none.ini"))
    (tmp_path / "bad.ini").write_text("[watcher:a]\ncmd = cat\nnumprocesses = many\n")
    with pytest.raises(ConfigError, match=r"bad\.ini:3: watcher 'a': numprocesses"):
        get_config(str(tmp_path / "bad.ini"))


def test_a_file_becomes_a_parser(file: str) -> None:
    parser, files = read_config(file)
    assert files == [file, str(Path(file).with_name("more.ini"))]
    assert parser.sections()[-1] == "watcher:b"
    assert parser.get("watcher:a", "cmd") == "sleep /old"
    assert ("cmd", "sleep $(circus.env.OLD_HOME)") in parser.items("watcher:a", noreplace=True)
    assert ("cmd", "sleep /old") in parser.items("watcher:a")
    parser.set_env({"old_home": "/new"})
    assert parser.get("watcher:a", "cmd") == "sleep /new"


def test_values_of_a_parser_have_types_and_defaults() -> None:
    parser = DefaultConfigParser()
    parser.read_string("[circus]\nhttpd = yes\ncheck_delay = 1.5\nport = 7\n")
    assert parser.dget("circus", "httpd", False, bool) is True
    assert parser.dget("circus", "check_delay", 5, float) == 1.5
    assert parser.dget("circus", "port", 1, int) == 7
    assert parser.dget("circus", "none", "x") == "x"
    with pytest.raises(NotImplementedError):
        parser.dget("circus", "port", [], list)


@pytest.mark.parametrize(
    ("text", "number"), [("10", 10), ("-1", -1), ("", -1), (None, -1), ("infinity", -1), ("unlimited", -1)]
)
def test_no_limit_is_minus_one(text: str | None, number: int) -> None:
    assert rlimit_value(text) == number
