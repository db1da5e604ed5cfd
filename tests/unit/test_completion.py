"""What may follow on a command line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from circus_core.cli.completion import KINDS, Completer
from circus_core.cli.live import Live
from circus_core.cli.words import Begun, quoted, split
from circus_core.commands.arguments import Option, Word
from circus_core.errors import CallTimeoutError, RefusedError
from tests.controlled import find_command, kernel_commands
from tests.unit.test_command_line import Commands

ANSWERS: Mapping[str, dict[str, Any]] = {
    "status": {"statuses": {"Web": "active", "worker": "stopped"}},
    "list": {"pids": [11, 12]},
    "options": {"options": {"numprocesses": 2, "cmd": "sleep 1", "respawn": True, "stop_signal": 15}},
    "globaloptions": {"options": {"endpoint": "x", "check_delay": 1}},
    "listsockets": {"sockets": [{"name": "web"}]},
}


class Daemon:
    """Answers what it is asked, or is silent."""

    def __init__(self, *, is_silent: bool = False) -> None:
        self.is_silent = is_silent
        self.asked: list[str] = []

    def ask_quickly(
        self, command: str, properties: Mapping[str, Any], /, *, timeout: float
    ) -> dict[str, Any]:
        self.asked.append(command)
        assert timeout < 1
        if self.is_silent:
            raise CallTimeoutError("Timed out.")
        if properties.get("name") == "ghost":
            raise RefusedError("program ghost not found", errno=3, reply={})
        return ANSWERS[command]


def complete(line: str, daemon: Daemon | None = None) -> list[str]:
    begun = split(line)
    found = Completer(Commands(), Live(daemon or Daemon())).candidates(begun.words, begun.word)
    return [each.word for each in found]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("numw", ["numwatchers"]),
        ("NUMW", ["numwatchers"]),
        ("--json numw", ["numwatchers"]),
        ("--endpoint numw", []),
        ("--endpoint tcp://h:1 numw", ["numwatchers"]),
        ("--endpoint=tcp://h:1 numw", ["numwatchers"]),
        ("stop ", ["Web", "worker"]),
        ("stop we", ["Web"]),
        ("stop Web ", []),
        ("stop --waiting w", ["Web", "worker"]),
        ("incr Web --w", ["--waiting"]),
        ("incr Web --waiting --w", []),
        ("start --match ", ["simple", "glob", "regex"]),
        ("start --match=re", ["--match=regex"]),
        ("start --match glob w", ["Web", "worker"]),
        ("start -- --w", []),
        ("kill Web ", ["11", "12"]),
        ("signal Web 1", ["11", "12"]),
        ("signal Web US", ["USR1", "USR2"]),
        ("signal Web 11 US", ["USR1", "USR2"]),
        ("signal Web 11 USR1 ", []),
        ("kill Web --signum US", ["USR1", "USR2"]),
        ("get Web nump", ["numprocesses"]),
        ("get Web numprocesses cm", ["cmd"]),
        ("get ghost autos", ["autostart"]),
        ("set Web resp", ["respawn"]),
        ("set Web respawn ", ["true", "false"]),
        ("set Web respawn false numpro", ["numprocesses"]),
        ("set Web numprocesses ", ["2"]),
        ("set Web stop_signal US", ["USR1", "USR2"]),
        ("globaloptions ch", ["check_delay"]),
        ("completion ", ["bash", "fish", "zsh"]),
        ("frobnicate w", []),
        ("add new ", []),
    ],
)
def test_candidates(line: str, found: list[str]) -> None:
    assert complete(line) == found


@pytest.mark.parametrize("name", sorted(kernel_commands()))
def test_commands_say_only_what_is_known_of_their_values(name: str) -> None:
    arguments = find_command(name).arguments
    assert {each.completes for each in arguments if isinstance(each, Word | Option)} <= set(KINDS)


def test_options_of_the_program_come_behind_those_of_the_command() -> None:
    found = complete("incr Web -")
    assert found[0] == "--waiting"
    assert {"--json", "--ssh-keyfile", "--timeout"} < set(found)
    assert "--ssh_keyfile" not in found


def test_files_complete_what_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "circus.ini").touch()
    (tmp_path / "conf.d").mkdir()
    (tmp_path / ".hidden").touch()
    assert complete(f"--config {tmp_path}/") == [f"{tmp_path}/circus.ini", f"{tmp_path}/conf.d/"]
    assert complete(f"--config={tmp_path}/ci") == [f"--config={tmp_path}/circus.ini"]
    assert complete("--config /nowhere/") == []


def test_a_silent_daemon_is_asked_once_and_then_left_alone_for_a_moment() -> None:
    daemon = Daemon(is_silent=True)
    completer = Completer(Commands(), Live(daemon))
    for words in (["stop"], ["kill", "Web"], ["stop"]):
        assert completer.candidates(words, "") == []
    assert daemon.asked == ["status"]


def test_answers_are_remembered_for_a_moment() -> None:
    daemon = Daemon()
    completer = Completer(Commands(), Live(daemon))
    for begun in ("", "w", "we"):
        assert completer.candidates(["stop"], begun)
    assert daemon.asked == ["status"]


@pytest.mark.parametrize(
    ("line", "begun"),
    [
        ("", Begun((), "", 0)),
        ("a", Begun((), "a", 0)),
        ("a ", Begun(("a",), "", 2)),
        ("a  b", Begun(("a",), "b", 3)),
        ("a 'b c", Begun(("a",), "b c", 2, "'")),
        ('a "b c', Begun(("a",), "b c", 2, '"')),
        ("a 'b c' ", Begun(("a", "b c"), "", 8)),
        ("a b\\ c", Begun(("a",), "b c", 2)),
        ("a '' ", Begun(("a", ""), "", 5)),
        ("a x'y z'", Begun(("a",), "xy z", 2)),
    ],
)
def test_a_line_is_taken_apart_as_far_as_it_is_typed(line: str, begun: Begun) -> None:
    assert split(line) == begun


@pytest.mark.parametrize(
    ("word", "quote", "written"),
    [("a", "", "a"), ("a b", "", "'a b'"), ("a b", '"', '"a b"'), ("it's", "'", "'it'\"'\"'s'")],
)
def test_words_are_written_so_that_they_are_one(word: str, quote: str, written: str) -> None:
    assert quoted(word, quote) == written
