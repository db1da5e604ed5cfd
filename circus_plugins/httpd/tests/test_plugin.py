"""`httpd = True`: what becomes of the options, and what is refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from circus_core import Config, ConfigError, config_from_file
from circus_core.testing import Daemon, until
from circus_httpd.plugin import NAME, config_loaded

pytestmark = pytest.mark.slow


def loaded(folder: Path, options: str, rest: str = "") -> Config:
    file = folder / "circus.ini"
    file.write_text(f"[circus]\n{options}\n{rest}\n[watcher:web]\ncmd = sleep 1000\n")
    config = config_from_file(file)
    return config_loaded(config) or config


def words(config: Config) -> list[str]:
    (watcher,) = [each for each in config.watchers if each.name == NAME]
    return [watcher.args] if isinstance(watcher.args, str) else list(watcher.args)


def test_without_the_option_nothing_is_added(tmp_path: Path) -> None:
    config = loaded(tmp_path, "httpd_port = 80")
    assert [watcher.name for watcher in config.watchers] == ["web"]
    assert config.sockets == ()


def test_a_socket_and_a_watcher_are_added(tmp_path: Path) -> None:
    config = loaded(tmp_path, "httpd = 1")
    (socket,) = config.sockets
    assert (socket.name, socket.host, socket.port) == (NAME, "localhost", 8080)
    (watcher,) = [each for each in config.watchers if each.name == NAME]
    assert watcher.singleton
    assert watcher.use_sockets
    assert watcher.env["PATH"] == os.environ["PATH"]
    given = words(config)
    assert given[given.index("--fd") + 1] == f"$(circus.sockets.{NAME})"
    assert given[given.index("--endpoint") + 1] == "tcp://127.0.0.1:5555"


def test_options_are_passed_on(tmp_path: Path) -> None:
    options = {
        "httpd": "1",
        "httpd_host": "::1",
        "httpd_prefix": "circus/",
        "httpd_allow_hosts": "a.example, b.example",
        "httpd_trusted_proxies": "10.0.0.0/8 ::1",
        "httpd_certificate": "/c.pem",
        "httpd_key": "/k.pem",
        "httpd_close_outputs": "1",
        "endpoint": "tcp://0.0.0.0:5550",
        "keys": str(tmp_path / "keys"),
    }
    config = loaded(tmp_path, "\n".join(f"{name} = {value}" for name, value in options.items()))
    text = " ".join(words(config))
    for part in (
        "--host ::1 --certificate /c.pem --key /k.pem --prefix /circus",
        "--allow-host a.example --allow-host b.example --trusted-proxy 10.0.0.0/8 --trusted-proxy ::1",
        "--endpoint tcp://127.0.0.1:5550",
    ):
        assert part in text
    (watcher,) = [each for each in config.watchers if each.name == NAME]
    assert watcher.close_child_stderr
    assert watcher.env["CIRCUS_KEYS"] == str(tmp_path / "keys")
    assert config.sockets[0].family == "AF_INET6"


@pytest.mark.parametrize(
    "option",
    ["httpd_port = 70000", "httpd_prefix = a b", "httpd_trusted_proxies = here", "httpd = perhaps"],
)
def test_impossible_values_are_told_with_their_place(tmp_path: Path, option: str) -> None:
    with pytest.raises(ConfigError, match=rf"circus.ini:2: \[circus\]: {option.split()[0]} must be"):
        loaded(tmp_path, option)


@pytest.mark.parametrize("section", [f"[watcher:{NAME}]\ncmd = x", f"[socket:{NAME}]\nport = 1"])
def test_a_section_of_the_same_name_is_told(tmp_path: Path, section: str) -> None:
    with pytest.raises(ConfigError, match="remove one of them"):
        loaded(tmp_path, "httpd = 1", section)


def test_the_dashboard_goes_and_comes_with_the_file(circusd: Callable[..., Daemon], tmp_path: Path) -> None:
    daemon = circusd("[watcher:web]\ncmd = sleep 1000\n")
    text = daemon.ini.read_text()
    options = f"httpd = 1\nhttpd_port = 0\nhttpd_state_dir = {tmp_path}/s\n"
    daemon.ini.write_text(text.replace("[circus]\n", f"[circus]\n{options}"))
    daemon.call("reloadconfig", waiting=True)
    assert daemon.watcher(NAME).status() == "active"
    daemon.ini.write_text(text)
    daemon.call("reloadconfig", waiting=True)
    assert NAME not in daemon.call("list")["watchers"]


def test_it_does_not_survive_a_daemon_that_was_killed(circusd: Callable[..., Daemon], tmp_path: Path) -> None:
    options = {"httpd": 1, "httpd_port": 0, "httpd_state_dir": tmp_path / "s"}
    daemon = circusd("", circus=options)
    until(lambda: "the dashboard is at" in daemon.log(), daemon.log)
    daemon.kill(signal.SIGKILL)
    until(lambda: not daemon.descendants(), lambda: str(daemon.descendants()))


# -- by hand ---------------------------------------------------------------------------------------------


def run(*command: str) -> Any:
    return subprocess.run(
        [sys.executable, "-m", "circus_httpd", *command], capture_output=True, text=True, timeout=30
    )


@pytest.mark.parametrize(
    ("command", "status", "told"),
    [
        (["--port", "70000"], 2, "must be a port from 0 to 65535, got '70000'"),
        (["--endpoint", "nonsense"], 2, "must be tcp://HOST:PORT or ipc://PATH, got 'nonsense'"),
        (["--endpoint", "ipc://a", "--endpoint", "tcp://a"], 2, "got 'tcp://a'"),
        (
            ["--allow-host", "a/b"],
            2,
            "must be a name such as dash.example.org, without scheme, port and path",
        ),
        (["--prefix", "a b"], 2, "a prefix must be a path"),
        (["--prefix", "/a/../b"], 2, "a prefix must be a path"),
        (["--trusted-proxy", "here"], 2, "argument --trusted-proxy: must be an address or a network"),
        (["--multicast", "here"], 2, "udp://GROUP:PORT"),
        (["--log-level", "loud"], 2, "loglevel must be one of"),
        (["--fd", "99", "--state-dir", "."], 1, "--fd 99 is no socket: bad file descriptor"),
        (["--host", "192.0.2.1", "--port", "0", "--state-dir", "."], 1, "can't listen at 192.0.2.1:0"),
        (["--port", "0", "--certificate", "nothing.pem"], 1, "can't use the certificate 'nothing.pem'"),
        (["--port", "0", "--key", "k.pem"], 1, "a key without a certificate"),
        (["--port", "0", "--state-dir", "/proc/x"], 1, "can't make the folder '/proc/x'"),
        (["token", "--state-dir", "/proc/x"], 1, "can't make the folder '/proc/x'"),
    ],
)
def test_what_cannot_be_is_told_without_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], status: int, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(*command)
    assert (done.returncode, "Traceback" in done.stderr) == (status, False), done.stderr
    assert told in done.stderr


def test_it_says_its_version() -> None:
    assert run("--version").stdout.strip()[0].isdigit()
