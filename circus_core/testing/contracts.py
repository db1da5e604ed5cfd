"""What every plugin, stream and command owes, as classes of tests. Derive one with your name in it:

class TestSpare(PluginContract):
    use = "spare"
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from circus_core.commands.arguments import Argument, Word
from circus_core.commands.command import Command, LocalCommand
from circus_core.commands.properties import Properties
from circus_core.drivers import Drivers
from circus_core.errors import MessageError
from circus_core.testing.circusd import Daemon, Watch

__all__ = ["CommandContract", "PluginContract", "StreamContract"]

Run = Callable[..., Watch]

_WATCHERS = """
[watcher:Two Words]
cmd = sleep 1000
numprocesses = 2
autostart = False
[watcher:dot.ted]
cmd = sleep 1000
autostart = False
[watcher:brief]
cmd = sleep 0.05
autostart = False
respawn = False
"""


class PluginContract:
    """Whatever a plugin does, in a process of its own and inside circusd:

    it gets ready, takes every event without raising, survives watchers that come and go, is restarted, and
    ends in an orderly way when it is told, leaving nothing behind.

    Attributes:
        use: its name, or the dotted path of its class.
        options: of its section.
    """

    use: ClassVar[str]
    options: ClassVar[Mapping[str, object]] = {}

    @pytest.fixture
    def plugin_name(self) -> str:
        """Give the name; to be parametrized for several."""
        return self.use

    @pytest.fixture
    def plugin_options(self, plugin_name: str, tmp_path: Path) -> Mapping[str, object]:
        """Give the options; to be overridden where they need a folder."""
        return self.options

    @pytest.fixture
    def plugin(self, run_plugin: Run, plugin_name: str, plugin_options: Mapping[str, object]) -> Watch:
        """Give the running plugin."""
        return run_plugin(plugin_name, _WATCHERS, **plugin_options)

    def test_it_takes_every_event(self, plugin: Watch) -> None:
        daemon, pid = plugin.daemon, plugin.pid()
        for name in ("Two Words", "dot.ted", "brief"):
            daemon.call("start", name=name)
        daemon.events.wait("brief", "reap")
        two_words = daemon.watcher("Two Words")
        two_words.until_pids(2)
        for command in ("incr", "reload", "kill", "restart", "decr", "stop", "start"):
            two_words.do(command)
        daemon.call("set", name="dot.ted", options={"graceful_timeout": 5})
        daemon.call("add", name="late comer", cmd="sleep 1000", start=True)
        daemon.call("rm", name="late comer", waiting=True)
        daemon.call("rm", name="dot.ted", waiting=True)
        self._ends_well(plugin)
        assert [event.pid for event in daemon.events.all(plugin.name, "spawn")] == [pid]

    def test_it_is_restarted(self, plugin: Watch) -> None:
        last = plugin.daemon.events.last
        before = plugin.pid()
        plugin.do("restart")
        plugin.daemon.events.wait(plugin.name, "ready", after=last)
        assert plugin.pid() != before
        self._ends_well(plugin)

    def test_it_is_not_started_when_it_is_inactive(
        self, circusd: Callable[..., Daemon], plugin_name: str, plugin_options: Mapping[str, object]
    ) -> None:
        lines = {"use": plugin_name, "active": False, **plugin_options}
        section = "\n".join(f"{key} = {value}" for key, value in lines.items())
        daemon = circusd(f"[plugin:tested]\n{section}\n")
        assert daemon.watcher("plugin:tested").status() == "stopped"

    def _ends_well(self, plugin: Watch) -> None:
        last = plugin.daemon.events.last
        plugin.do("stop")
        (end,) = plugin.daemon.events.wait(plugin.name, "reap", after=last)
        log = plugin.daemon.log()
        assert end.payload["exit_code"] == 0, log
        assert "a handler of plugin" not in log, log
        assert "Exception in callback" not in log, log


class StreamContract:
    """Whatever a stream does with output: it takes all of it, from several processes and both outputs, a
    change of its options does not lose a line, and it ends.

    Attributes:
        stream: its name, or the dotted path of its class.
        options: of `stdout_stream` and `stderr_stream`.
    """

    stream: ClassVar[str]
    options: ClassVar[Mapping[str, object]] = {}
    lines: ClassVar[int] = 500

    @pytest.fixture
    def stream_name(self) -> str:
        """Give the name; to be parametrized for several."""
        return self.stream

    @pytest.fixture
    def stream_options(self, stream_name: str, tmp_path: Path) -> Mapping[str, object]:
        """Give the options; to be overridden where they need a folder."""
        return self.options

    def written(self, folder: Path) -> bytes | None:
        """Return what has become of all output, if that can be told; `folder` is tmp_path."""
        return None

    def test_it_takes_all_output_and_ends(
        self,
        circusd: Callable[..., Daemon],
        stream_name: str,
        stream_options: Mapping[str, object],
        tmp_path: Path,
    ) -> None:
        daemon = circusd(self._section(stream_name, stream_options))
        talker = daemon.watcher("talker")
        daemon.call("start", name=talker.name)
        daemon.events.wait(talker.name, "reap", count=2)
        talker.do("stop")
        description = daemon.call("describe", name=talker.name)
        assert daemon.events.all(talker.name, "output_dropped", "output_held") == [], daemon.log()
        assert daemon.call("stats")["infos"][talker.name] == {}, description
        assert "dropped_bytes" not in daemon.call("stats")
        daemon.stop()
        self._check(self.written(tmp_path))

    def test_it_is_restarted(
        self, circusd: Callable[..., Daemon], stream_name: str, stream_options: Mapping[str, object]
    ) -> None:
        daemon = circusd(self._section(stream_name, stream_options))
        for _ in range(2):
            last = daemon.events.last
            daemon.call("start", name="talker")
            daemon.events.wait("talker", "reap", count=2, after=last)
            daemon.watcher("talker").do("stop")

    def _section(self, name: str, options: Mapping[str, object]) -> str:
        program = (
            f"import os, sys\nfor n in range({self.lines}):\n"
            "    print(f'out {os.getpid()} {n}', flush=True)\n    print(f'err {os.getpid()} {n}', "
            "file=sys.stderr, flush=True)\n"
        )
        keys = {"class": name, **options}
        streams = [
            f"{output}_stream.{key} = {value}"
            for output in ("stdout", "stderr")
            for key, value in keys.items()
        ]
        cmd = f"{sys.executable} -c 'exec(bytes.fromhex(\"{program.encode().hex()}\"))'"
        head = f"[watcher:talker]\ncmd = {cmd}\nnumprocesses = 2\nrespawn = False\nautostart = False\n"
        return head + "\n".join(streams)

    def _check(self, written: bytes | None) -> None:
        if written is None:
            return
        found: dict[tuple[bytes, bytes], list[int]] = {}
        for line in written.splitlines():
            words = line.split()[-3:]
            found.setdefault((words[0], words[1]), []).append(int(words[2]))
        assert len(found) == 4, sorted(found)
        for numbers in found.values():
            assert numbers == list(range(self.lines))


class CommandContract:
    """Whatever a command does: it is documented, refuses what it can't use with a reason and nothing else,
    and what it tells can be written as JSON.

    Attributes:
        command: its word.
    """

    command: ClassVar[str]

    @pytest.fixture
    def command_name(self) -> str:
        """Give the word; to be parametrized for several."""
        return self.command

    @pytest.fixture
    def subject(self, command_name: str) -> Command[Any, Any]:
        """Give the command."""
        found: Command[Any, Any] = Drivers().load("circus.commands", command_name)()
        return found

    def test_its_name_is_the_word_it_is_found_by(self, subject: Command[Any, Any], command_name: str) -> None:
        assert subject.name == command_name == command_name.lower()
        assert not any(character.isspace() or character in ".:" for character in command_name)

    def test_it_is_documented(self, subject: Command[Any, Any]) -> None:
        first = (type(subject).__doc__ or "").strip().splitlines()
        assert first
        assert not first[0].endswith(".")
        assert all(isinstance(argument, Argument) and argument.help for argument in subject.arguments)

    def test_it_says_what_a_client_needs_to_have_it(self, subject: Command[Any, Any]) -> None:
        assert subject.access in ("read", "full")

    @pytest.mark.parametrize("value", [None, "", "\0", [], {}, [1, {"a": []}], -1, 1e308, 2**70, True])
    def test_it_refuses_what_it_can_not_use_with_a_reason(
        self, subject: Command[Any, Any], value: object
    ) -> None:
        names = [argument.name for argument in subject.arguments]
        for names_given in ([], names, *([name] for name in names), ["name"]):
            try:
                subject.parse(Properties(dict.fromkeys(names_given, value)))
            except MessageError as error:
                assert str(error)

    def test_a_request_without_properties_is_carried_out_or_refused(self, subject: Command[Any, Any]) -> None:
        try:
            subject.parse(Properties({}))
        except MessageError as error:
            assert str(error) or isinstance(subject, LocalCommand)

    def test_what_is_typed_becomes_json(self, subject: Command[Any, Any]) -> None:
        words = [argument for argument in subject.arguments if isinstance(argument, Word)]
        try:
            message = subject.message({word.name: _typed(word) for word in words if word.is_required})
        except MessageError as error:
            assert str(error)
        else:
            json.dumps(message, allow_nan=False)


def _typed(word: Word) -> Any:
    """A value that can be converted to most things."""
    value = word.convert(word.choices[0] if word.choices else "1")
    return [value] if word.is_many else value
