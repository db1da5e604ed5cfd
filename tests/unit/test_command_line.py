"""What is typed behind `circusctl`."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from circus_core.cli.command_line import Line, Settings, UsageError, command_help, parse, program_help
from circus_core.cli.installed import InstalledCommands
from circus_core.commands.command import Command
from circus_core.errors import MessageError
from tests.controlled import find_command, kernel_commands


class Commands(InstalledCommands):
    """The kernel's, installed or not."""

    def __init__(self) -> None:
        super().__init__([])

    def names(self) -> list[str]:
        return sorted(kernel_commands())

    def find(self, name: str) -> Command[Any, Any]:
        return find_command(name)


def understand(text: str) -> Line:
    return parse(shlex.split(text), Commands())


@pytest.mark.parametrize(
    ("text", "properties"),
    [
        ("status", {}),
        ("STATUS Web", {"name": "Web"}),
        ("incr w", {"name": "w"}),
        ("incr w 2 --waiting", {"name": "w", "nb": 2, "waiting": True}),
        ("incr --waiting w -1", {"name": "w", "nb": -1, "waiting": True}),
        ("start w --match regex", {"name": "w", "match": "regex"}),
        ("start --match=simple w --wait", {"name": "w", "match": "simple", "waiting": True}),
        ("reload w --terminate --sequential", {"name": "w", "graceful": False, "sequential": True}),
        ("rm w --nostop --waiting", {"name": "w", "nostop": True, "waiting": True}),
        ("signal w USR1", {"name": "w", "signum": 10}),
        ("signal w 12 --children 9", {"name": "w", "pid": 12, "signum": 9, "children": True}),
        (
            "kill w 12 --signum hup --graceful_timeout 1.5",
            {"name": "w", "pid": 12, "signum": 1, "graceful_timeout": 1.5},
        ),
        ("get w a b", {"name": "w", "keys": ["a", "b"]}),
        ("add w /bin/x a --start", {"name": "w", "cmd": "/bin/x a", "start": True}),
        ("add w -- prog -v --json", {"name": "w", "cmd": "prog -v --json"}),
        ("add w 'prog -v'", {"name": "w", "cmd": "prog -v"}),
        ("listen", {"topics": []}),
        ("listen a. b.", {"topics": ["a.", "b."]}),
        ("quit --waiting", {"waiting": True}),
        ("set w NumProcesses 2 CMD foo", {"name": "w", "options": {"numprocesses": 2, "cmd": "foo"}}),
        ("set w send_hup yes", {"name": "w", "options": {"send_hup": True}}),
        ("set w stop_signal USR1", {"name": "w", "options": {"stop_signal": 10}}),
        ("set w uid 0", {"name": "w", "options": {"uid": "0"}}),
        ("set w stdout_stream.max_bytes 10", {"name": "w", "options": {"stdout_stream.max_bytes": 10}}),
        ("set w env A=1,B=2", {"name": "w", "options": {"env": {"A": "1", "B": "2"}}}),
        ("set w hooks a:b.c,d:e.f", {"name": "w", "options": {"hooks": {"a": "b.c", "d": "e.f"}}}),
        ("set w rlimit_nofile 10", {"name": "w", "options": {"rlimit_nofile": 10}}),
    ],
)
def test_words_become_properties(text: str, properties: dict[str, Any]) -> None:
    assert understand(text).properties() == properties


@pytest.mark.parametrize(
    "text",
    [
        "--json --timeout 2 --endpoint tcp://h:1 list w",
        "list --json --timeout 2 --endpoint tcp://h:1 w",
        "list w --js --time=2 --end tcp://h:1",
        "--end tcp://h:1 --timeout=2 list --json w",
    ],
)
def test_options_of_the_program_may_stand_anywhere(text: str) -> None:
    line = understand(text)
    assert (line.settings.json, line.settings.timeout, line.settings.endpoint) == (True, 2.0, "tcp://h:1")
    assert line.properties() == {"name": "w"}


def test_the_endpoint_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIRCUSCTL_ENDPOINT", "ipc:///x")
    assert (understand("list").settings.endpoint, understand("list").settings.is_endpoint_typed) == (
        "ipc:///x",
        False,
    )
    assert understand("list --endpoint ipc:///y").settings.endpoint == "ipc:///y"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("incr", "Invalid number of arguments; usage: circusctl .options. incr W .N. .--waiting."),
        ("quit web", "Invalid number of arguments"),
        ("stop a b", "Invalid number of arguments"),
        ("get w", "Invalid number of arguments"),
        ("incr w many", "N must be a whole number, got 'many'"),
        ("kill w x", "PID must be a whole number, got 'x'"),
        ("kill w --graceful_timeout soon", "--graceful_timeout must be a number, got 'soon'"),
        ("kill w --signum NOPE", "signal invalid"),
        ("signal w NOPE", "signal invalid"),
        ("set w numprocesses x", "'numprocesses' isn't an integer"),
        ("set w bogus 1", "unknown key 'bogus'"),
        ("set w numprocesses", "List of key/values is invalid"),
        ("set w env A", "'env' must be NAME=VALUE"),
    ],
)
def test_arguments_that_make_no_sense_are_explained(text: str, reason: str) -> None:
    with pytest.raises(MessageError, match=reason):
        understand(text).properties()


@pytest.mark.parametrize(
    "text", ["foo", "list --bogus", "--timeout x list", "--timeout 0 list", "start --match no w"]
)
def test_a_line_that_can_not_be_understood_is_refused_with_its_usage(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        understand(text)
    assert caught.value.usage.startswith("usage: circusctl [options]")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("strat", "start"), ("numwatcher", "numwatchers"), ("rel", "reload"), ("LISST", "list")],
)
def test_a_misspelt_command_is_recognised(typed: str, meant: str) -> None:
    with pytest.raises(UsageError, match=f"did you mean '{meant}'"):
        understand(typed)


def test_a_word_that_resembles_no_command_gets_the_advice_to_look() -> None:
    with pytest.raises(UsageError, match="no such command, see circusctl --help"):
        understand("frobnicate")


def test_a_line_in_a_shell_goes_before_the_settings_of_the_program() -> None:
    given = Settings(endpoint="tcp://h:1", timeout=2.5, json=True, ssh="me@h")
    line = parse(["list", "--timeout", "7"], Commands(), given)
    assert (line.settings.endpoint, line.settings.timeout) == ("tcp://h:1", 7.0)
    assert (line.settings.json, line.settings.ssh) == (True, "me@h")
    assert not line.settings.is_endpoint_typed


def test_a_configuration_file_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIRCUSCTL_ENDPOINT", "ipc:///x")
    settings = understand("list --config circus.ini").settings
    assert (settings.endpoint, settings.config) == (None, "circus.ini")
    assert understand("--endpoint tcp://h:1 list").settings.config is None


@pytest.mark.parametrize("option", ["--ssh-keyfile", "--ssh_keyfile"])
def test_ssh_has_its_options(option: str) -> None:
    settings = understand(f"--ssh me@host:22 {option} key list").settings
    assert (settings.ssh, settings.ssh_keyfile) == ("me@host:22", "key")


def test_a_dash_stands_for_commands_from_standard_input() -> None:
    assert understand("-").is_batch
    assert understand("--json - -e").is_batch
    assert not understand("").is_batch


def test_fractions_of_a_second_are_understood() -> None:
    assert understand("list --timeout 0.25").settings.timeout == 0.25
    assert understand("list").settings.timeout is None


def test_help_and_version_need_no_command() -> None:
    assert understand("--help").wants_help
    assert understand("--version").wants_version
    assert understand("incr --help").wants_help
    assert understand("").command is None


def test_help_is_a_word_too() -> None:
    assert (understand("help").wants_help, understand("help").command) == (True, None)
    line = understand("help incr")
    assert line.wants_help
    assert line.command is not None
    assert line.command.name == "incr"


def test_the_list_of_commands_has_a_line_for_each() -> None:
    text = program_help(Commands())
    assert all(f"\n  {name} " in text for name in kernel_commands())


@pytest.mark.parametrize("name", sorted(kernel_commands()))
def test_help_of_a_command_explains_its_arguments(name: str) -> None:
    command = find_command(name)
    text = command_help(command)
    assert text.startswith(f"usage: circusctl [options] {name}")
    assert all(argument.help in text for argument in command.arguments)


@pytest.mark.parametrize("timeout", ["x", "0", "-1", "nan", "1e9"])
def test_a_timeout_is_a_positive_number_of_seconds(timeout: str) -> None:
    with pytest.raises(UsageError, match=f"argument --timeout: must be seconds above 0, got '{timeout}'"):
        understand(f"--timeout={timeout} list")
