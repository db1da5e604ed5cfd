"""circus.commands and circus.circusctl: what programs do with them without a daemon."""

from __future__ import annotations

import json
import re
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, ClassVar

import pytest

from circus import circusctl
from circus.commands import base, error, get_commands, ok
from circus.commands.base import Command
from circus.commands.errors import MESSAGE_ERROR
from circus.commands.util import convert_option, validate_option
from circus.exc import ArgumentError, CallError, MessageError


def test_all_installed_commands_are_known() -> None:
    commands = get_commands()
    assert {entry.name for entry in entry_points(group="circus.commands")} <= set(commands)
    assert commands["list"].short == "List the watchers, or the processes of one"
    assert commands["list"].desc.startswith(commands["list"].short)
    with pytest.raises(NotImplementedError, match="carried out by the daemon"):
        commands["list"].execute(None, {})


@pytest.mark.parametrize(
    ("name", "words", "options", "properties"),
    [
        ("list", ["w"], {}, {"name": "w"}),
        ("incr", ["w", 2], {"waiting": True}, {"name": "w", "nb": 2, "waiting": True}),
        ("set", ["w", "numprocesses", "3"], {}, {"name": "w", "options": {"numprocesses": 3}}),
        ("restart", [], {"waiting": None}, {}),
        ("reload", ["w"], {"terminate": True}, {"name": "w", "graceful": False}),
        ("reload", [], {"terminate": False}, {}),
    ],
)
def test_words_make_the_message(
    name: str, words: list[Any], options: dict[str, Any], properties: dict[str, Any]
) -> None:
    assert get_commands()[name].message(*words, **options) == {"command": name, "properties": properties}


def test_too_few_words_are_an_argument_error() -> None:
    with pytest.raises(ArgumentError, match="Invalid number of arguments"):
        get_commands()["incr"].message()


def test_replies_become_text() -> None:
    commands = get_commands()
    assert commands["list"].console_msg(ok({"watchers": ["a", "b"]})) == "a,b"
    assert commands["list"].console_msg(error("not now", errno=MESSAGE_ERROR)) == "error: not now"
    assert error("x", "where", 3) | {"time": 0} == {
        "status": "error", "reason": "x", "tb": "where", "errno": 3, "time": 0,
    }  # fmt: skip


def test_a_subclass_is_a_command_of_circus_core_too() -> None:
    class Twice(Command):
        """Do it twice"""

        name = "twice"
        options: ClassVar = [("n", "num", 1, "how many"), ("", "quick", True, "take time")]

        def message(self, *args: Any, **opts: Any) -> Any:
            return [self.make_message(name=word, **opts) for word in args]

    assert Twice in base.KNOWN_COMMANDS
    assert get_commands()["twice"].short == "Do it twice"
    asked = []

    class Daemon:
        def ask(self, command: str, properties: Any) -> dict[str, Any]:
            asked.append((command, properties))
            return ok()

    command = Twice.as_installed()
    properties = command.message({"circus.words": ["a", "b"], "quick": False})
    daemon: Any = Daemon()
    texts = [answer.text() for answer in command.converse(daemon, properties)]
    assert asked == [("twice", {"name": each, "num": 1, "quick": False}) for each in "ab"]
    assert texts == ["ok", "ok"]


@pytest.mark.parametrize(
    ("key", "typed", "value"),
    [
        ("numprocesses", "3", 3),
        ("shell", "true", True),
        ("env", "A=1", {"A": "1"}),
        ("warmup_delay", "2", 2.0),
    ],
)
def test_options_are_converted_and_checked(key: str, typed: str, value: Any) -> None:
    assert convert_option(key, typed) == value
    validate_option(key, value)


def test_options_that_are_not_possible_are_refused() -> None:
    with pytest.raises(ArgumentError, match="unknown key 'nope'"):
        convert_option("nope", "3")
    with pytest.raises(MessageError, match="'numprocesses' isn't an integer"):
        validate_option("numprocesses", "x")


def test_the_constants_of_circusctl() -> None:
    assert circusctl.USAGE == "circusctl [options] command [args]"
    assert re.fullmatch(r"circusctl 0\.19\.0\+core\.\S+", circusctl.VERSION)
    assert circusctl.prettify({"b": 1, "a": 2}, False) == '{"b": 1, "a": 2}'
    assert json.loads(circusctl.prettify({"b": 1})) == {"b": 1}
    with pytest.raises(AttributeError, match="no attribute 'NOPE'"):
        circusctl.NOPE  # noqa: B018


def test_the_shell_asks_the_daemon_of_its_client(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    client = circusctl.CircusClient(endpoint=f"ipc://{tmp_path}/nobody", timeout=0.1)
    shell = circusctl.CircusCtl(client, get_commands())
    assert shell.onecmd("--timeout 0.1 list") == 1
    assert f"{tmp_path}/nobody" in capsys.readouterr().err
    with pytest.raises(CallError):
        client.send_message("list")
    client.stop()
