"""What `reloadconfig`, `plan` and `check` read, do, answer and print; when a file is refused."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from circus_core.commands.properties import Properties
from circus_core.config.diff import diff
from circus_core.config.model import Config, PluginConfig, WatcherConfig
from circus_core.errors import CircusError, ConfigError, MessageError
from circus_core.reconfigure import refusal
from tests.controlled import FakeArbiter, find_command

STEPS = ["socket 'web': added", "watcher 'new': added, it is started"]
DOUBT = "circus.ini:3: nmprocesses is not an option"


def carry_out(name: str, arbiter: FakeArbiter | None = None, /, **properties: Any) -> dict[str, Any]:
    async def main() -> dict[str, Any]:
        command = find_command(name)
        result = await command.execute(arbiter or FakeArbiter(), command.parse(Properties(properties)))
        if result.unfinished is not None:
            await result.unfinished
        told: dict[str, Any] = result.to_json()
        return told

    return asyncio.run(main())


def printed(name: str, reply: dict[str, Any]) -> list[str]:
    return find_command(name).result.from_json(reply).to_text().splitlines()


def test_reloadconfig_says_ok_when_it_has_begun() -> None:
    arbiter = FakeArbiter()
    reply = carry_out("reloadconfig", arbiter)
    assert (reply, arbiter.told) == ({}, [("reloadconfig", False)])
    assert printed("reloadconfig", reply) == ["ok"]


def test_reloadconfig_says_what_was_done_and_what_did_not_work_if_waited_for() -> None:
    reply = carry_out("reloadconfig", waiting=True)
    assert reply["applied"] is True
    assert [step["does"] for step in reply["plan"]["watchers"]] == ["start"]
    assert printed("reloadconfig", reply) == [DOUBT, *STEPS, "watcher 'new': no such program", "ok"]


def test_a_reply_of_circus_0_19_is_understood() -> None:
    assert printed("reloadconfig", {"status": "ok", "time": 1.0}) == ["ok"]


def test_reloadconfig_can_be_forced() -> None:
    arbiter = FakeArbiter()
    carry_out("reloadconfig", arbiter, force="yes")
    assert arbiter.told == [("reloadconfig", True)]


@pytest.mark.parametrize(("name", "properties"), [("plan", {}), ("reloadconfig", {"dry_run": True})])
def test_a_plan_changes_nothing(name: str, properties: dict[str, Any]) -> None:
    arbiter = FakeArbiter(refusal="3 of 4 are gone")
    reply = carry_out(name, arbiter, **properties)
    assert arbiter.told == []
    assert reply["applied"] is False
    assert printed(name, reply) == [DOUBT, *STEPS, "would be refused: 3 of 4 are gone"]


def test_a_plan_without_a_step_says_so() -> None:
    assert printed("plan", {"plan": diff(Config(), Config()).to_json()}) == ["nothing has changed"]


def test_a_file_that_can_not_be_used_is_an_error_without_waiting_too() -> None:
    with pytest.raises(ConfigError, match=r"circus.ini:3: bad"):
        carry_out("reloadconfig", FakeArbiter(failure=ConfigError("circus.ini:3: bad")))


@pytest.mark.parametrize("key", ["waiting", "dry_run", "force"])
def test_a_property_that_is_no_boolean_is_named(key: str) -> None:
    with pytest.raises(MessageError, match=f"'{key}' isn't a valid boolean"):
        carry_out("reloadconfig", **{key: "maybe"})


def test_who_may_only_look_may_ask_for_the_plan() -> None:
    access = {name: find_command(name).access for name in ("plan", "check", "reloadconfig")}
    assert access == {"plan": "read", "check": "full", "reloadconfig": "full"}


def test_check_tells_each_problem_with_its_place() -> None:
    reply = carry_out("check", path="other.ini")
    assert (reply["path"], reply["usable"], reply["clean"]) == ("other.ini", False, False)
    problem = reply["problems"][0]
    assert (problem["level"], problem["file"], problem["line"]) == ("doubt", "circus.ini", 3)
    assert printed("check", reply) == [f"{DOUBT} (doubt)", "other.ini: 1 doubt"]
    assert carry_out("check")["path"] == "/etc/circus.ini"


def test_circusctl_sends_the_whole_path_and_fails_for_a_file_that_should_be_mended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    command = find_command("check")
    assert command.message({"path": "new.ini"}) == {"path": str(tmp_path / "new.ini")}
    assert command.message({}) == {}

    class Conversation:
        wants_colours = False

        def ask(self, name: str, properties: Any, /, *, timeout: float | None = None) -> dict[str, Any]:
            return carry_out(name, **properties)

        def events(self, topics: Any = (), /, *, of_control: bool = False) -> Any:
            raise AssertionError

    answers = command.converse(Conversation(), {})
    assert next(answers).text().endswith("1 doubt")
    with pytest.raises(CircusError, match="the file should be mended"):
        next(answers)


def _watchers(*names: str) -> tuple[WatcherConfig, ...]:
    return tuple(WatcherConfig(name=name, cmd="x") for name in names)


@pytest.mark.parametrize(
    ("before", "after", "running", "is_refused"),
    [
        ("abcdef", "ab", "abcdef", True),
        ("abcdef", "abc", "abcdef", False),  # half of them
        ("abcd", "ab", "abcd", False),  # only two
        ("abcde", "ab", "abc", False),  # the others do not run
        ("abcde", "a", "abcd", True),
        ("a", "", "a", True),  # nothing is left
        ("a", "", "", False),
        ("abc", "xyz", "abc", True),
    ],
)
def test_a_file_that_was_cut_off_is_refused(before: str, after: str, running: str, is_refused: bool) -> None:
    plan = diff(Config(watchers=_watchers(*before)), Config(watchers=_watchers(*after)))
    assert bool(refusal(plan, list(running))) is is_refused


def test_a_file_with_plugins_alone_is_not_empty() -> None:
    plugin = PluginConfig(name="p", use="x", watcher=WatcherConfig(name="plugin:p", cmd="x"))
    plan = diff(Config(watchers=_watchers("a")), Config(plugins=(plugin,)))
    assert refusal(plan, ["a"]) == ""


def test_a_refusal_says_what_is_gone_and_the_way_out() -> None:
    plan = diff(Config(watchers=_watchers(*"abcdefg")), Config(watchers=_watchers("a")))
    assert refusal(plan, list("abcdefg")) == (
        "6 of 7 running watchers are not in the file any more ('b', 'c', 'd', 'e', 'f', ...): "
        "was it cut off? use --force (force: true) if that is meant"
    )
