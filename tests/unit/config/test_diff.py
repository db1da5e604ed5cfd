"""What leads from one configuration to another, and that nothing else is touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circus_core.config.diff import ConfigPlan, Consequence, WatcherStep, diff
from circus_core.config.model import (
    ArbiterConfig,
    Config,
    HookConfig,
    PluginConfig,
    SocketConfig,
    StreamConfig,
    WatcherConfig,
)
from circus_core.config.options import Effect, Option, Table
from circus_core.config.units import TEXT
from circus_core.errors import ConfigError

WEB = WatcherConfig(name="web", cmd="serve", use_sockets=True)
JOB = WatcherConfig(name="job", cmd="work --number $(circus.wid)")
PORT = SocketConfig(name="front", port=8001)


def config(*watchers: WatcherConfig, **rest: Any) -> Config:
    return Config(watchers=watchers, **rest)


def only(plan: ConfigPlan) -> WatcherStep:
    """The one step of a plan."""
    assert (plan.arbiter, plan.sockets) == ((), ())
    (step,) = plan.watchers
    return step


def change(old: WatcherConfig = JOB, **changes: Any) -> WatcherStep:
    """What changing options of one watcher does."""
    return only(diff(config(old), config(replace(old, **changes))))


@pytest.mark.parametrize(
    ("changes", "options", "consequence"),
    [
        ({"numprocesses": 3}, ("numprocesses",), Consequence.RESIZE),
        ({"numprocesses": 3, "max_age": 5}, ("max_age", "numprocesses"), Consequence.NOW),
        ({"graceful_timeout": 1.0}, ("graceful_timeout",), Consequence.NOW),
        ({"priority": 5}, ("priority",), Consequence.NOW),
        ({"name": "JOB"}, ("name",), Consequence.NOW),
        ({"cmd": "work"}, ("cmd",), Consequence.REPLACE),
        ({"env": {"A": "1"}, "own_env": {"A": "1"}}, ("env",), Consequence.REPLACE),
        ({"own_env": {"A": "1"}}, ("env",), Consequence.NOW),
        ({"rlimits": {"nofile": 9}}, ("rlimit_nofile",), Consequence.REPLACE),
        ({"hooks": {"after_stop": HookConfig(target="a.b")}}, ("hooks.after_stop",), Consequence.NOW),
        ({"options": {"flapping.window": "5"}}, ("flapping.window",), Consequence.NOW),
        ({"backend": "other", "uid": 5}, ("backend", "uid"), Consequence.REPLACE),
        (
            {"stdout_stream": StreamConfig(class_name="x", options={"filename": "f"})},
            ("stdout_stream.class", "stdout_stream.filename"),
            Consequence.REPLACE,
        ),
    ],
)
def test_a_changed_option_does_what_the_documentation_says(
    changes: dict[str, Any], options: tuple[str, ...], consequence: Consequence
) -> None:
    step = change(**changes)
    assert (step.options, step.consequence) == (options, consequence)


def test_a_stream_that_goes_elsewhere_leaves_the_processes_alone() -> None:
    old = replace(JOB, stdout_stream=StreamConfig(class_name="x", options={"filename": "a"}))
    step = change(old, stdout_stream=StreamConfig(class_name="x", options={"filename": "b"}))
    assert (step.options, step.consequence) == (("stdout_stream.filename",), Consequence.NOW)


@pytest.mark.parametrize(
    "changes", [{"options": {"shop": "2"}}, {"max_age": 7}, {"numprocesses": 2}, {"name": "Job"}]
)
def test_an_option_that_stands_in_the_command_replaces_processes(changes: dict[str, Any]) -> None:
    cmd = "run $(circus.shop) $(circus.max_age) ((circus.numprocesses)) $(circus.watcher)"
    step = change(replace(JOB, cmd=cmd, options={"shop": "1"}), **changes)
    assert step.consequence is Consequence.REPLACE


def test_watchers_that_come_and_go() -> None:
    lazy = replace(JOB, name="lazy", autostart=False)
    plan = diff(config(JOB), config(WEB, lazy))
    assert [(step.name, step.consequence) for step in plan.watchers] == [
        ("job", Consequence.STOP),
        ("lazy", Consequence.ADD),
        ("web", Consequence.START),
    ]
    assert plan.to_text().splitlines() == [
        "watcher 'job': removed, it is stopped",
        "watcher 'lazy': added, not started: autostart is off",
        "watcher 'web': added, it is started",
    ]


def test_a_resize_is_told_with_its_numbers() -> None:
    assert change(numprocesses=4).text() == "watcher 'job': numprocesses 1 -> 4"


def test_a_stopped_watcher_stays_so_unless_autostart_is_turned_on() -> None:
    changed = config(replace(JOB, cmd="other"))
    step = only(diff(config(JOB), changed, stopped=["JOB"]))
    assert step.consequence is Consequence.NOTED
    assert step.text() == "watcher 'job': cmd: it is stopped and stays so"
    step = only(diff(config(replace(JOB, autostart=False)), changed, stopped=["job"]))
    assert step.consequence is Consequence.START


def test_a_watcher_that_gave_up_tries_again_when_its_section_changed() -> None:
    changed = config(replace(JOB, max_retry=9))
    assert only(diff(config(JOB), changed, failed=["job"])).consequence is Consequence.START
    assert diff(config(JOB), config(JOB), failed=["job"]).is_empty


def test_a_job_that_is_done_is_run_again_only_for_another_command() -> None:
    job = replace(JOB, respawn=False)
    step = only(diff(config(job), config(replace(job, priority=3)), failed=["job"]))
    assert step.consequence is Consequence.NOTED
    step = only(diff(config(job), config(replace(job, cmd="x")), failed=["job"]))
    assert step.consequence is Consequence.START


@pytest.mark.parametrize(
    ("user", "is_user"),
    [
        (WEB, True),
        (JOB, False),
        (replace(JOB, cmd="serve $(circus.sockets.front)"), True),
        (replace(WEB, cmd="serve $(circus.sockets.back)"), False),
        (replace(JOB, stdin_socket="Front"), True),
    ],
)
def test_a_socket_that_is_bound_anew_replaces_the_processes_that_have_it(
    user: WatcherConfig, is_user: bool
) -> None:
    plan = diff(config(user, sockets=(PORT,)), config(user, sockets=(replace(PORT, port=1),)))
    assert [step.consequence for step in plan.sockets] == [Consequence.REBIND]
    assert [step.reasons for step in plan.watchers] == [("socket 'front'",)] * is_user
    assert [step.consequence for step in plan.watchers] == [Consequence.REPLACE] * is_user


def test_the_backlog_of_a_socket_changes_in_place() -> None:
    plan = diff(config(WEB, sockets=(PORT,)), config(WEB, sockets=(replace(PORT, backlog=5),)))
    assert [(step.options, step.consequence) for step in plan.sockets] == [(("backlog",), Consequence.NOW)]
    assert plan.watchers == ()
    assert plan.to_text() == "socket 'front': backlog: applied at once"


def test_sockets_that_come_and_go_replace_those_who_get_all() -> None:
    plan = diff(config(WEB, JOB), config(WEB, JOB, sockets=(PORT,)))
    assert [step.name for step in plan.watchers] == ["web"]
    assert (
        diff(config(JOB, sockets=(PORT,)), config(JOB)).to_text() == "socket 'front': removed, it is closed"
    )


def test_a_plugin_may_ask_for_new_processes() -> None:
    step = only(diff(config(JOB, WEB), config(JOB, WEB), remake=["Job", "unknown"]))
    assert step.text() == "watcher 'job': asked for by a plugin: its processes are replaced"


def test_options_of_the_daemon_are_taken_over_or_named() -> None:
    old, new = ArbiterConfig(), ArbiterConfig(endpoint="tcp://127.0.0.1:1", check_delay=1.0, pidfile="p")
    plan = diff(Config(arbiter=old), Config(arbiter=new))
    assert plan.to_text().splitlines() == [
        "[circus] check_delay: applied at once",
        "[circus] endpoint: needs a restart of circusd",
        "[circus] pidfile: needs a restart of circusd",
    ]
    assert plan.target.arbiter == ArbiterConfig(check_delay=1.0)


def test_what_needs_a_restart_is_named_again_and_the_rest_is_not() -> None:
    new = Config(arbiter=ArbiterConfig(umask=7, warmup_delay=1.0))
    again = diff(diff(Config(), new).target, new)
    assert [step.option for step in again.arbiter] == ["umask"]


def test_options_of_packages_are_taken_over() -> None:
    options = [Option(name="a", kind=TEXT, doc="", effect=Effect.NOW), Option(name="b", kind=TEXT, doc="")]
    new = Config(arbiter=ArbiterConfig(options={"a": "1", "b": "2"}))
    plan = diff(Config(), new, table=Table(options))
    assert [step.consequence for step in plan.arbiter] == [Consequence.NOW, Consequence.RESTART]
    assert diff(plan.target, new, table=Table(options)).is_empty


def run(plugin: PluginConfig, arbiter: ArbiterConfig) -> WatcherConfig:
    return replace(plugin.watcher, cmd=plugin.use, env={"c": str(plugin.options), "e": arbiter.endpoint})


def test_a_plugin_is_told_by_its_own_options() -> None:
    plugin = PluginConfig(
        name="p", use="x", options={"a": "1"}, watcher=WatcherConfig(name="plugin:p", singleton=True)
    )
    new = config(plugins=(replace(plugin, options={"a": "2"}),))
    step = only(diff(config(plugins=(plugin,)), new, run_plugin=run))
    assert step.text() == "plugin 'p': a: its processes are replaced"


def test_a_plugin_is_run_with_what_is_in_force_not_with_what_needs_a_restart() -> None:
    plugin = PluginConfig(name="p", use="x", watcher=WatcherConfig(name="plugin:p"))
    new = config(plugins=(plugin,), arbiter=ArbiterConfig(endpoint="other"))
    assert diff(config(plugins=(plugin,)), new, run_plugin=run).watchers == ()


def test_two_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="two watchers are called 'WEB'; case does not count"):
        diff(Config(), config(WEB, replace(WEB, name="WEB")))


def test_no_value_of_an_option_is_told() -> None:
    plan = diff(config(JOB), config(replace(JOB, env={"TOKEN": "secret"}, cmd="secret")))
    assert "secret" not in str(plan.to_json()) + plan.to_text()


# -- any two configurations ------------------------------------------------------------------------

_NAMES = ("a", "B", "b", "c", "C", "d")
_STREAMS = st.none() | st.builds(StreamConfig, options=st.just({"filename": "f"}) | st.just({}))
_WATCHERS = st.builds(
    WatcherConfig,
    name=st.sampled_from(_NAMES),
    cmd=st.sampled_from(["x", "y $(circus.sockets.s)", "$(circus.shop)"]),
    numprocesses=st.integers(0, 3),
    autostart=st.booleans(),
    use_sockets=st.booleans(),
    max_age=st.integers(0, 2),
    env=st.sampled_from([{}, {"A": "1"}]),
    options=st.sampled_from([{}, {"shop": "1"}]),
    rlimits=st.sampled_from([{}, {"nofile": 5}]),
    stdout_stream=_STREAMS,
)
_SOCKETS = st.builds(
    SocketConfig, name=st.sampled_from(["s", "t"]), port=st.integers(1, 2), backlog=st.integers(1, 2)
)
_ARBITERS = st.builds(
    ArbiterConfig,
    endpoint=st.sampled_from(["x", "y"]),
    check_delay=st.sampled_from([1.0, 2.0]),
    umask=st.none() | st.just(7),
)


def _unique(items: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(items, max_size=4, unique_by=lambda item: item.name.lower()).map(tuple)


CONFIGS = st.builds(Config, arbiter=_ARBITERS, watchers=_unique(_WATCHERS), sockets=_unique(_SOCKETS))


def by_name(items: Any) -> dict[str, Any]:
    return {item.name.lower(): item for item in items}


def applied(plan: ConfigPlan, old: Mapping[str, WatcherConfig]) -> dict[str, WatcherConfig]:
    """Do with plain values what is done with watchers."""
    live = dict(old)
    for step in plan.watchers:
        if step.new is None:
            del live[step.name.lower()]
        elif step.old is None:
            live[step.name.lower()] = step.new
        else:
            changes = {name: getattr(step.new, name) for name in step.fields}
            live[step.name.lower()] = replace(live[step.name.lower()], **changes)
    return live


@given(CONFIGS)
def test_nothing_leads_from_a_configuration_to_itself(one: Config) -> None:
    assert diff(one, one).is_empty
    reordered = replace(one, watchers=one.watchers[::-1], sockets=one.sockets[::-1])
    assert diff(one, reordered).is_empty


@given(CONFIGS, CONFIGS)
def test_the_steps_lead_from_one_to_the_other(old: Config, new: Config) -> None:
    plan = diff(old, new)
    assert applied(plan, by_name(old.watchers)) == by_name(new.watchers)
    sockets = {**by_name(old.sockets), **{step.name: step.new for step in plan.sockets}}
    assert {name: each for name, each in sockets.items() if each} == by_name(new.sockets)
    assert replace(plan.target, arbiter=new.arbiter) == new


@given(CONFIGS, CONFIGS)
def test_nothing_is_touched_that_did_not_change(old: Config, new: Config) -> None:
    plan = diff(old, new)
    before, after = by_name(old.watchers), by_name(new.watchers)
    for step in plan.watchers:
        key = step.name.lower()
        assert before.get(key) != after.get(key) or step.reasons
    for step_of_socket in plan.sockets:
        assert by_name(old.sockets).get(step_of_socket.name) != by_name(new.sockets).get(step_of_socket.name)
    kept = [field for field in ("endpoint", "check_delay", "umask")
            if getattr(old.arbiter, field) == getattr(new.arbiter, field)]  # fmt: skip
    assert not {step.option for step in plan.arbiter} & set(kept)


@given(CONFIGS, CONFIGS)
def test_a_second_reload_of_the_same_file_finds_only_what_needs_a_restart(old: Config, new: Config) -> None:
    again = diff(diff(old, new).target, new)
    assert (again.sockets, again.watchers) == ((), ())
    assert all(step.consequence is Consequence.RESTART for step in again.arbiter)


@given(CONFIGS, CONFIGS)
def test_a_changed_environment_or_limit_never_goes_unnoticed(old: Config, new: Config) -> None:
    before, steps = by_name(old.watchers), {step.name.lower(): step for step in diff(old, new).watchers}
    for key, watcher in by_name(new.watchers).items():
        last = before.get(key)
        if last is not None and (last.env, last.rlimits) != (watcher.env, watcher.rlimits):
            assert steps[key].replaces


@given(CONFIGS, CONFIGS)
def test_every_step_has_a_line_of_its_own(old: Config, new: Config) -> None:
    plan = diff(old, new)
    lines = plan.to_text().splitlines()
    assert len(set(lines)) == len(lines) == len(plan.arbiter) + len(plan.sockets) + len(plan.watchers)
