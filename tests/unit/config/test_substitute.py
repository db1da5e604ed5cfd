"""Variables of a spawn: section 5.2 of the configuration reference."""

import signal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circus_core.config.model import StreamConfig, WatcherConfig
from circus_core.config.substitute import Scope, expand, expand_env, references, spawn_variables

CONFIG = WatcherConfig(
    name="Web",
    cmd="serve",
    numprocesses=3,
    uid="joe",
    stop_signal=signal.SIGINT,
    rlimits={"nofile": 7, "core": None},
    stdout_stream=StreamConfig(class_name="Own", options={"filename": "a.log"}),
    options={"team": "shop", "flapping.max_retry": "10"},
)
VARIABLES = spawn_variables(
    CONFIG, wid=2, env={"HOME": "/root", "a.b": "dotted"}, sockets={"shop.front": 9, "web": 7}
)


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("--slot $(circus.wid)", "--slot 2"),
        ("((circus.wid))", "2"),
        ("$(CIRCUS.WID)", "2"),
        ("--fd $(circus.sockets.web)", "--fd 7"),
        ("$(circus.sockets.WEB) $(circus.sockets.shop.front)", "7 9"),
        ("$(circus.env.home) $(circus.env.HOME) $(circus.env.a.b)", "/root /root dotted"),
        ("$(circus.rlimits.nofile) $(circus.rlimits.core)", "7 None"),
        ("$(circus.stop_signal)", "2"),
        ("$(circus.gid) $(circus.uid)", "None joe"),
        ("$(circus.stdout_stream_conf.filename)", "a.log"),
        ("$(circus.stdout_stream_conf.class)", "Own"),
        ("$(circus.numprocesses) $(circus.shell) $(circus.graceful_timeout)", "3 False 30.0"),
        ("$(circus.watcher) $(circus.team) $(circus.flapping.max_retry)", "Web shop 10"),
        ("$(circus.use_fds)", "False"),
        (
            "$(circus.nope) $(circus.env.NOPE) $(circus.sockets.we)",
            "$(circus.nope) $(circus.env.NOPE) $(circus.sockets.we)",
        ),
        ("$$(circus.wid)", "$(circus.wid)"),
        ("$((circus.wid))", "$2"),
        ("${circus.wid} $HOME", "${circus.wid} $HOME"),
        ("w-$WID $WIDTH", "w-2 $WIDTH"),
    ],
)
def test_expand(text: str, expanded: str) -> None:
    assert expand(text, VARIABLES) == expanded


def test_inserted_text_is_not_scanned_again() -> None:
    assert expand("$(circus.env.a)", {"env": {"a": "$(circus.wid)"}, "wid": 1}) == "$(circus.wid)"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("--fd $(circus.sockets.web)", {"web"}),
        ("((CIRCUS.Sockets.Web)) $(circus.sockets.web2)", {"web", "web2"}),
        ("$$(circus.sockets.web) ${circus.sockets.api} circus.sockets.x $(circus.socketsx.y)", set()),
    ],
)
def test_references_are_exact_names_in_lower_case(text: str, names: set[str]) -> None:
    assert references(text) == names


def test_a_scope_prefers_the_special_layer_and_the_exact_name() -> None:
    scope = Scope({"a": "1", "B": "1"}).under({"A": "2"})
    assert (scope.get("A"), scope.get("a"), scope.get("b"), scope.get("c")) == ("2", "2", "1", None)


def test_only_circus_env_is_expanded_when_a_file_is_loaded() -> None:
    scope = Scope({"A": "1"})
    assert expand_env("$(circus.env.a) $(circus.wid)", scope) == "1 $(circus.wid)"


@given(st.text())
def test_text_without_variables_is_unchanged(text: str) -> None:
    if "circus." not in text.lower() and "$WID" not in text:
        assert expand(text, VARIABLES) == text


NAMES = st.text("abcXYZ09_", min_size=1, max_size=8)
VALUES: st.SearchStrategy[Any] = st.text(max_size=8) | st.integers() | st.none()


@given(st.dictionaries(NAMES.map(str.lower), VALUES, min_size=1), st.data())
def test_every_variable_is_found_in_any_case(variables: dict[str, Any], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(variables)))
    if "wid" not in variables:
        assert expand(f"<$(Circus.X.{name.upper()})>", {"x": variables}) == f"<{variables[name]}>"
