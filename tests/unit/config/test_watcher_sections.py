"""`[watcher:NAME]`: sections 8 to 10a of the reference, each row with its default and a value."""

import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from circus_core.config.model import HookConfig, StreamConfig
from circus_core.config.options import HOOK_NAMES
from tests.unit.config.loading import config_of, messages_of, watcher_of

DEFAULTS = {
    "args": "",
    "numprocesses": 1,
    "warmup_delay": 0.0,
    "shell": False,
    "shell_args": None,
    "executable": None,
    "working_dir": None,
    "uid": None,
    "gid": None,
    "copy_env": False,
    "copy_path": False,
    "virtualenv": None,
    "virtualenv_py_ver": None,
    "rlimits": {},
    "nice": None,
    "stdout_stream": None,
    "stderr_stream": None,
    "tail_bytes": 64 * 1024,
    "close_child_stdin": True,
    "close_child_stdout": False,
    "close_child_stderr": False,
    "stdin_socket": None,
    "use_sockets": False,
    "on_demand": False,
    "autostart": True,
    "respawn": True,
    "final_exits": (),
    "singleton": False,
    "priority": 0,
    "send_hup": False,
    "stop_signal": signal.SIGTERM,
    "stop_children": False,
    "kill_descendants": True,
    "graceful_timeout": 30.0,
    "max_retry": 5,
    "max_age": 0,
    "max_age_variance": 30,
    "hooks": {},
    "hook_timeout": 10.0,
    "backend": "local",
    "options": {},
    "env": {},
    "own_env": {},
}


def test_the_defaults_are_those_of_the_reference() -> None:
    config = watcher_of("cmd = sleep 60\n")
    assert {
        name: getattr(config, name) for name in config.__slots__ if name not in ("name", "cmd")
    } == DEFAULTS


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("args = -a -b", "args", "-a -b"),
        ("numprocesses = 3", "numprocesses", 3),
        ("numprocesses = 0", "numprocesses", 0),
        ("warmup_delay = 0.5", "warmup_delay", 0.5),
        ("shell = yes", "shell", True),
        ("executable = /bin/busybox", "executable", "/bin/busybox"),
        ("working_dir = /srv", "working_dir", "/srv"),
        ("uid = www-data", "uid", "www-data"),
        ("uid = 33", "uid", 33),
        ("user = www-data", "uid", "www-data"),
        ("gid = 33", "gid", 33),
        ("copy_env = 1", "copy_env", True),
        ("virtualenv_py_ver = 3.11", "virtualenv_py_ver", "3.11"),
        ("rlimit_nofile = 2048", "rlimits", {"nofile": 2048}),
        ("rlimit_NOFILE = 2048", "rlimits", {"nofile": 2048}),
        ("rlimit_core =", "rlimits", {"core": None}),
        ("rlimit_core = 0", "rlimits", {"core": 0}),
        ("nice = 10", "nice", 10),
        ("close_child_stdin = false", "close_child_stdin", False),
        ("close_child_stdout = on", "close_child_stdout", True),
        ("close_child_stderr = on", "close_child_stderr", True),
        ("use_sockets = True", "use_sockets", True),
        ("on_demand = True", "on_demand", True),
        ("autostart = off", "autostart", False),
        ("respawn = no", "respawn", False),
        ("final_exits = 0, 2", "final_exits", (0, 2)),
        ("final_exits =", "final_exits", ()),
        ("singleton = True", "singleton", True),
        ("priority = -3", "priority", -3),
        ("send_hup = True", "send_hup", True),
        ("stop_signal = int", "stop_signal", signal.SIGINT),
        ("stop_signal = 3", "stop_signal", 3),
        ("stop_children = True", "stop_children", True),
        ("kill_descendants = no", "kill_descendants", False),
        ("graceful_timeout = 12.5", "graceful_timeout", 12.5),
        ("graceful_timeout = 0", "graceful_timeout", 0.0),
        ("max_retry = -1", "max_retry", -1),
        ("max_age = 3600", "max_age", 3600),
        ("max_age_variance = 0", "max_age_variance", 0),
        ("hook_timeout = 2", "hook_timeout", 2.0),
        ("backend = other", "backend", "other"),
        ("flapping.max_retry = 10", "options", {"flapping.max_retry": "10"}),
        ("team = shop", "options", {"team": "shop"}),
    ],
)
def test_an_option_reaches_its_field(line: str, field: str, value: Any) -> None:
    assert getattr(watcher_of(f"cmd = sleep 60\n{line}\n"), field) == value


def test_every_field_of_the_model_has_a_default_here() -> None:
    assert set(watcher_of("cmd = x\n").__slots__) == {*DEFAULTS, "name", "cmd"}


def test_the_name_is_kept_as_written_without_outer_blanks() -> None:
    names = [watcher.name for watcher in config_of("[watcher: my Web ]\ncmd = x\n").watchers]
    assert names == ["my Web"]


def test_a_name_option_overrules_the_header() -> None:
    assert watcher_of("cmd = x\nname = api\n").name == "api"


def test_watchers_are_sorted_by_name_upper_case_first() -> None:
    text = "".join(f"[watcher:{name}]\ncmd = x\n" for name in ("b", "a", "C"))
    assert [watcher.name for watcher in config_of(text).watchers] == ["C", "a", "b"]


def test_uid_beats_its_alias() -> None:
    assert watcher_of("cmd = x\nuser = a\nuid = b\n").uid == "b"
    assert watcher_of("cmd = x\nuid = b\nuser = a\n").uid == "b"


def test_continued_commands_keep_their_newlines_which_act_as_blanks() -> None:
    assert watcher_of("cmd = a\n  b\n  c\n").cmd == "a\nb\nc"


@pytest.mark.parametrize("name", ["stdout_stream", "stderr_stream"])
def test_a_stream_with_class(name: str) -> None:
    text = f"cmd = x\n{name}.class = Own\n{name}.filename = a.log\n{name}.max_bytes = 10\n"
    stream = StreamConfig(class_name="Own", options={"filename": "a.log", "max_bytes": "10"})
    assert getattr(watcher_of(text), name) == stream


def test_a_stream_without_class_is_the_default_one() -> None:
    stream = watcher_of("cmd = x\nstdout_stream.filename = a.log\n").stdout_stream
    assert stream == StreamConfig(class_name="default", options={"filename": "a.log"})


def test_refresh_time_is_not_handed_to_the_stream() -> None:
    stream = watcher_of(
        "cmd = x\nstdout_stream.class = Own\nstdout_stream.refresh_time = 0.3\n"
    ).stdout_stream
    assert stream == StreamConfig(class_name="Own", options={})


@pytest.mark.parametrize("name", HOOK_NAMES)
def test_every_hook_of_the_reference_can_be_named(name: str) -> None:
    hooks = watcher_of(f"cmd = x\nhooks.{name} = shop.checks.up, true\n").hooks
    assert hooks == {name: HookConfig(target="shop.checks.up", ignore_failure=True)}


@pytest.mark.parametrize(
    "key", ["port", "team", "host", "path", "queue", "timeout", "log_level", "owner", "game"]
)
def test_own_keys_raise_no_doubt(key: str) -> None:
    assert messages_of(f"[watcher:web]\ncmd = x\n{key} = 1\n") == []


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("numproces", "numprocesses"),
        ("numprocess", "numprocesses"),
        ("numprocs", "numprocesses"),
        ("graceful_timout", "graceful_timeout"),
        ("stopsignal", "stop_signal"),
        ("stdout_steam.class", "stdout_stream.class"),
        ("stdout-stream.class", "stdout_stream.class"),
        ("autorestart", "respawn"),
        ("autosart", "autostart"),
        ("arg", "args"),
        ("CMD", "cmd"),
        ("use_socket", "use_sockets"),
        ("hook.before_start", "hooks.before_start"),
        ("rlimit.nofile", "rlimit_nofile"),
        ("rlimt_core", "rlimit_core"),
        ("max-age", "max_age"),
        ("Priority", "priority"),
    ],
)
def test_a_misspelt_option_is_found(key: str, meant: str) -> None:
    (message,) = messages_of(f"[watcher:web]\ncmd = x\n{key} = 1\n")
    assert message.endswith(f"; did you mean {meant}?")


def test_a_virtualenv_extends_the_paths(tmp_path: Path) -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    site = tmp_path / "lib" / f"python{version}" / "site-packages"
    (site / "own").mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    (site / "b.pth").write_text("# comment\nimport os\nown\nmissing\n")
    (site / "a.pth").write_text(f"{tmp_path}\n")
    config = watcher_of(
        f"cmd = x\ncopy_env = True\nvirtualenv = {tmp_path}\n", {"PATH": "/bin", "PYTHONPATH": "/lib"}
    )
    assert config.env == {
        "PATH": f"{tmp_path}/bin:/bin",
        "PYTHONPATH": f"{tmp_path}:{site}/own:/lib:{site}",
    }


def test_an_empty_section_makes_no_watcher() -> None:
    assert config_of("[watcher:web]\n[watcher:api]\ncmd = x\n").watchers[0].name == "api"
