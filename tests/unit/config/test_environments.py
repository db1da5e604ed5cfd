"""Sections 5 and 6 of the configuration reference: variables and the environment of workers."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.config.loading import ENVIRON, config_of, watcher_of


def env_of(text: str, **environ: str) -> dict[str, str]:
    return dict(watcher_of(f"cmd = x\n{text}", {**ENVIRON, **environ}).env)


def test_nothing_is_inherited_by_default() -> None:
    assert env_of("") == {}


def test_copy_env_gives_the_environment_of_the_daemon_unchanged() -> None:
    secret = {"PASSWORD": " a$HOME$$b ", "PS1": "$ "}
    assert env_of("copy_env = True\n", **secret) == {**ENVIRON, **secret}


def test_copy_path_gives_the_import_path() -> None:
    env = env_of("copy_env = True\ncopy_path = True\n")
    assert env["PYTHONPATH"].split(":") == [entry for entry in sys.path if entry]


def test_an_env_section_overrules_the_import_path() -> None:
    env = env_of("copy_env = True\ncopy_path = True\n[env]\nPYTHONPATH = /mine\n")
    assert env["PYTHONPATH"] == "/mine"


def test_sections_from_general_to_special() -> None:
    text = (
        "copy_env = True\n[env:web]\nA = 3\nB = 3\n[env]\nA = 1\nB = 1\nC = 1\nHOME = /e\n[env:w*]\nB = 4\n"
    )
    env = env_of(text)
    assert (env["A"], env["B"], env["C"], env["HOME"]) == ("3", "4", "1", "/e")


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("web", True),
        ("w*", True),
        ("api, web", True),
        ("we?", True),
        ("[vw]eb", True),
        ("W*", False),
        ("we", False),
    ],
)
def test_patterns(pattern: str, matches: bool) -> None:
    assert env_of(f"[env:{pattern}]\nA = 1\n") == ({"A": "1"} if matches else {})


def test_a_renamed_watcher_is_matched_by_both_names() -> None:
    text = "name = api\n[env:web]\nA = 1\n[env:api]\nB = 2\n"
    assert env_of(text) == {"A": "1", "B": "2"}


def test_names_are_expanded_from_the_daemon() -> None:
    assert env_of("[env]\nPATH = $PATH:/x\nA = ${HOME} $lower $$HOME $HOME\n") == {
        "PATH": "/bin:/x",
        "A": "${HOME} $lower $HOME /root",
    }


def test_an_unset_name_gives_nothing_and_blanks_are_stripped() -> None:
    assert env_of("[env]\nA = $NOT_SET x $NOT_SET\n") == {"A": "x"}


def test_a_name_the_daemon_lacks_is_an_earlier_value() -> None:
    assert env_of("[env]\nROOT = /srv\nHOME = /e\n[env:web]\nLIB = $ROOT/lib\nOLD = $HOME\n") == {
        "ROOT": "/srv",
        "HOME": "/e",
        "LIB": "/srv/lib",
        "OLD": "/root",
    }


def test_inserted_text_is_not_expanded_again() -> None:
    env = env_of("[env]\nA = $SECRET\nB = $(circus.env.SECRET)\n", SECRET="x$HOME$$y$(circus.env.HOME)")
    assert env == {"A": "x$HOME$$y$(circus.env.HOME)", "B": "x$HOME$$y$(circus.env.HOME)"}


def test_env_sections_can_use_circus_env_and_its_escape() -> None:
    assert env_of("[env:web]\nA = $(circus.env.user)\nB = $$(circus.env.user)\n") == {
        "A": "joe",
        "B": "$(circus.env.user)",
    }


def test_defaults_do_not_become_variables_of_workers() -> None:
    assert env_of("[env]\nA = 1\n[DEFAULT]\ncopy_path = no\nB = 2\n") == {"A": "1"}


def test_no_variable_is_named_after_the_section() -> None:
    assert env_of("[env:web]\nA = 1\n") == {"A": "1"}


# -- $(circus.env.X) in other sections


def test_watcher_values_see_all_layers() -> None:
    text = (
        "cmd = $(circus.env.shell) $(circus.env.a) $(circus.env.b)\nbaz = $(circus.env.user)\n"
        "stdout_stream.class = X\nstdout_stream.filename = $(circus.env.HOME)/log\n"
        "[env]\nA = 1\nB = 1\n[env:web]\nB = 2\n"
    )
    config = watcher_of(f"{text}")
    assert config.cmd == "/bin/sh 1 2"
    assert config.options == {"baz": "joe"}
    assert config.stdout_stream is not None
    assert config.stdout_stream.options == {"filename": "/root/log"}


def test_values_of_env_sections_are_expanded_before_they_are_used() -> None:
    assert watcher_of("cmd = $(circus.env.PATH)\n[env]\nPATH = $PATH:/x\n").cmd == "/bin:/x"


def test_typed_options_signals_limits_and_hooks_can_use_variables() -> None:
    config = watcher_of(
        "cmd = x\nstop_signal = $(circus.env.SIG)\nrlimit_nofile = ((circus.env.N))\n"
        "numprocesses = $(circus.env.N)\nhooks.before_start = $(circus.env.HOOK)\n"
        "[env:web]\nSIG = INT\nN = 7\nHOOK = a.b\n"
    )
    assert (config.stop_signal, config.rlimits, config.numprocesses) == (2, {"nofile": 7}, 7)
    assert config.hooks["before_start"].target == "a.b"


def test_other_sections_see_the_daemon_and_the_common_variables() -> None:
    config = config_of(
        "[circus]\npidfile = $(circus.env.home)/pid\n[socket:s]\nport = $(circus.env.port)\n"
        "[plugin:p]\nuse = some.path\nparameter = $(circus.env.plugin_param)\n"
        "[env]\nport = 8001\nplugin_param = x\nHOME = /e\n"
    )
    assert config.arbiter.pidfile == "/e/pid"
    assert config.sockets[0].port == 8001
    assert config.plugins[0].options == {"parameter": "x"}


def test_an_unknown_variable_stays_as_it_is() -> None:
    assert watcher_of("cmd = x $(circus.env.NOPE) $(circus.wid) ${circus.env.HOME}\n").cmd == (
        "x $(circus.env.NOPE) $(circus.wid) ${circus.env.HOME}"
    )


def test_escapes_in_commands_wait_for_the_spawn() -> None:
    config = watcher_of("cmd = x $$(circus.env.HOME)\nown = $$(circus.env.HOME)\n")
    assert config.cmd == "x $$(circus.env.HOME)"
    assert config.options == {"own": "$(circus.env.HOME)"}


@given(st.dictionaries(st.text("ABC_", min_size=1), st.text("a$ (){}.HOME", max_size=20)))
def test_a_copied_environment_is_never_altered(environ: dict[str, str]) -> None:
    assert dict(watcher_of("cmd = x\ncopy_env = True\n", environ).env) == environ
