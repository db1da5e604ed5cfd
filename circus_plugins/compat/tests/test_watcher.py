"""circus.watcher.Watcher, made by hand and not given to an arbiter yet, or run alone."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import Any

import pytest

from circus.util import ImportStringError
from circus.watcher import Watcher


def allowed(**_: Any) -> bool:
    return True


def test_its_parameters_are_its_attributes() -> None:
    watcher = Watcher("My Web", "sleep", ["1"], numprocesses=2, priority=3, max_retry=7, colour="red")
    assert (watcher.name, watcher.res_name) == ("My Web", "my_web")
    assert (watcher.cmd, watcher.numprocesses, watcher.priority, watcher.max_retry) == ("sleep", 2, 3, 7)
    assert watcher._options["colour"] == "red"
    assert dict(watcher.options())["colour"] == "red"
    assert "graceful_timeout" in watcher.optnames
    assert repr(watcher) == "<circus.Watcher name=My Web numprocesses=2>"
    assert (watcher.status(), watcher.is_stopped(), watcher.is_active()) == ("stopped", True, False)
    assert (len(watcher), watcher.pids, watcher.processes, watcher.info()) == (0, [], {}, {})


def test_an_attribute_may_be_assigned() -> None:
    watcher = Watcher("web", "sleep 1")
    watcher.graceful_timeout = 2
    watcher.numprocesses = 4
    watcher.env["COLOUR"] = "red"
    assert watcher.final_config().graceful_timeout == 2.0
    assert watcher.final_config().numprocesses == 4
    assert watcher.final_config().env == {"COLOUR": "red"}
    with pytest.raises(ValueError, match="graceful_timeout"):
        watcher.graceful_timeout = "soon"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"singleton": True, "numprocesses": 2}, "singleton"),
        ({"virtualenv": "/nowhere"}, "virtualenv"),
        ({"graceful_timeout": "soon"}, "graceful_timeout"),
    ],
)
def test_what_does_not_fit_is_a_value_error(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Watcher("web", "sleep 1", **options)


def test_a_hook_that_is_not_there_is_an_import_error() -> None:
    with pytest.raises(ImportStringError, match="nowhere"):
        Watcher("web", "sleep 1", hooks={"before_start": ("nowhere.at.all", False)})


def test_hooks_are_given_as_pairs_or_as_functions() -> None:
    watcher = Watcher("web", "sleep 1", hooks={"before_start": (allowed, True), "after_start": allowed})
    assert watcher.hooks == {"before_start": allowed, "after_start": allowed}
    assert "before_start" in watcher.ignore_hook_failure
    assert "after_start" not in watcher.ignore_hook_failure
    assert watcher.call_hook("before_start") is True
    assert watcher.call_hook("before_stop") is True


def test_a_mapping_is_not_changed_and_may_be_used_again() -> None:
    mapping = {"cmd": "/bin/sleep 1", "numprocesses": 2, "env": None, "hooks": {}, "rlimits": {"nofile": 100}}
    before = dict(mapping)
    first, second = Watcher.load_from_config(mapping), Watcher.load_from_config(mapping)
    assert mapping == before
    assert (first.name, second.name, first._cfg) == ("sleep", "sleep", before)
    assert first.rlimits == {"nofile": 100}
    with pytest.raises(KeyError, match="cmd"):
        Watcher.load_from_config({"name": "web"})


def test_old_parameters_become_options() -> None:
    watcher = Watcher("web", "sleep 1", stopped=True)
    assert watcher._options == {"stopped": True}


def test_set_opt_returns_what_do_action_takes(caplog: pytest.LogCaptureFixture) -> None:
    watcher = Watcher("web", "sleep 1", colour="red")
    numbers = {
        "colour": -1, "numprocesses": 0, "warmup_delay": 0, "graceful_timeout": -1, "cmd": 1, "env": 1,
        "max_age": 1, "send_hup": 0, "stop_signal": 0, "stdout_stream.class": 1,
    }  # fmt: skip
    values: dict[str, Any] = dict.fromkeys(numbers, 1) | {
        "cmd": "sleep 2", "env": {"A": "1"}, "stop_signal": "QUIT", "stdout_stream.class": "StdoutStream",
    }  # fmt: skip
    assert {key: watcher.set_opt(key, values[key]) for key in numbers} == numbers
    assert (watcher.cmd, watcher.stop_signal, watcher.env) == ("sleep 2", 3, {"A": "1"})
    assert watcher.set_opt("stdout_stream.colour", "red") == 0
    assert watcher.set_opt("no_such_option", 1) == 0
    assert "there is no option 'no_such_option' to set" in caplog.text
    with pytest.raises(ValueError, match="max_age"):
        watcher.set_opt("max_age", "old")


def test_what_changes_nothing_is_done_at_once() -> None:
    watcher = Watcher("web", "sleep 1", singleton=True)
    assert watcher.stop().result(0) is None
    assert isinstance(watcher.stop(), Future)
    with pytest.raises(ValueError, match="Singleton watcher has a single process"):
        watcher.incr()


def test_it_can_not_be_started_without_any_loop() -> None:
    with pytest.raises(RuntimeError, match="give it to an Arbiter"):
        Watcher("web", "sleep 1").start()


def test_alone_it_runs_on_the_loop_that_runs() -> None:
    async def scenario() -> None:
        watcher = Watcher("web", "sleep 1000", numprocesses=2)
        changes = await watcher.start()
        assert changes == {"started": watcher.pids, "kept": []}
        assert (watcher.status(), len(watcher)) == ("active", 2)
        assert await watcher.incr() == 3
        await watcher.stop()
        assert (watcher.status(), watcher.pids) == ("stopped", [])

    asyncio.run(scenario())
