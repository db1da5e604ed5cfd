"""`logs`: what the daemon answers, and what circusctl makes of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from circus_core import wire
from circus_core.commands.command import Answer
from circus_core.commands.logs import REPLY_SIZE, Logs
from circus_core.commands.properties import Properties
from circus_core.config.model import WatcherConfig
from circus_core.errors import CallError, MessageError, RefusedError, UnknownWatcherError
from circus_core.output.tail import LINE_LIMIT, Origin
from tests.controlled import FakeArbiter
from tests.counting.tally import Calls

OUT = Origin(11, 1, "stdout")
ERR = Origin(11, 1, "stderr")


async def carried_out(arbiter: FakeArbiter, **properties: Any) -> dict[str, Any]:
    command = Logs()
    result = await command.execute(arbiter, command.parse(Properties(properties)))
    reply: dict[str, Any] = json.loads(json.dumps(result.to_json()))
    return reply


def asked(arbiter: FakeArbiter, **properties: Any) -> dict[str, Any]:
    return asyncio.run(carried_out(arbiter, **properties))


def messages(reply: Mapping[str, Any]) -> list[str]:
    return [line["message"] for line in reply["lines"]]


def write(arbiter: FakeArbiter, watcher: str, text: str, origin: Origin = OUT) -> None:
    arbiter.get_watcher(watcher).tail.feed(origin, text.encode(), 5.0)


class Daemon:
    """Answers as circusd does."""

    wants_colours = False

    def __init__(self, arbiter: FakeArbiter) -> None:
        self.arbiter = arbiter
        self.asked: list[Mapping[str, Any]] = []
        self.failure: Exception | None = None

    def ask(
        self, command: str, properties: Mapping[str, Any], /, *, timeout: float | None = None
    ) -> dict[str, Any]:
        self.asked.append(properties)
        if self.failure is not None and len(self.asked) > 1:
            raise self.failure
        return asked(self.arbiter, **{**properties, "wait": 0.0})

    def events(
        self, topics: Sequence[str] = (), /, *, of_control: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        raise NotImplementedError


def test_lines_of_all_watchers_come_in_order_of_arrival() -> None:
    arbiter = FakeArbiter()
    write(arbiter, "sleeper", "one\n")
    write(arbiter, "lazy", "two\nthree\n")
    write(arbiter, "sleeper", "four\nhal", ERR)
    reply = asked(arbiter)
    assert messages(reply) == ["one", "two", "three", "four"]
    assert reply["lines"][3] == {
        "watcher": "Sleeper", "wid": 1, "pid": 11, "stream": "stderr", "time": 5.0, "message": "four",
    }  # fmt: skip
    assert messages(asked(arbiter, lines=2)) == ["three", "four"]
    assert messages(asked(arbiter, lines=2, unfinished=True)) == ["four", "hal"]
    assert messages(asked(arbiter, lines=0)) == []
    assert messages(asked(arbiter, name="s*", match="glob", stream="stdout")) == ["one"]


def test_reading_goes_on_where_it_ended_also_with_watchers_that_are_new() -> None:
    arbiter = FakeArbiter()
    write(arbiter, "sleeper", "one\nhalf")
    cursor = asked(arbiter, unfinished=True)["cursor"]
    write(arbiter, "sleeper", " of it\n")
    cursor.pop("lazy")
    write(arbiter, "lazy", "new\n")
    reply = asked(arbiter, after=cursor)
    assert messages(reply) == ["half of it", "new"]
    assert messages(asked(arbiter, after=reply["cursor"])) == []


def test_a_watcher_of_the_same_name_is_read_from_its_beginning() -> None:
    arbiter = FakeArbiter()
    write(arbiter, "lazy", "before\n")
    cursor = asked(arbiter)["cursor"]
    arbiter.get_watcher("lazy").tail = arbiter.tails.make(1000, 1.0)
    write(arbiter, "lazy", "after\n")
    assert messages(asked(arbiter, after=cursor)) == ["after"]


def test_what_was_not_kept_is_told() -> None:
    arbiter = FakeArbiter()
    arbiter.get_watcher("lazy").tail.resize(300)
    cursor = asked(arbiter)["cursor"]
    write(arbiter, "lazy", "gone\n")
    write(arbiter, "lazy", "kept\n")
    reply = asked(arbiter, after=cursor)
    assert (messages(reply), reply["lost"]) == (["kept"], {"lazy": 5})


@pytest.mark.parametrize("text", ["x" * 1000 + "\n", "\x01" * (LINE_LIMIT + 60_000) + "\n", "\n"])
def test_replies_are_cut_so_that_they_can_be_sent_and_nothing_is_lost_by_that(text: str) -> None:
    arbiter = FakeArbiter()
    arbiter.get_watcher("lazy").tail.resize(8 << 20)
    number = 3 if len(text) > 2000 else 2000
    for _ in range(number):
        write(arbiter, "lazy", text)
    reply = asked(arbiter, lines=10_000)
    read = messages(reply)
    while reply["more"]:
        assert len(wire.encode_reply(reply, request_id="i" * 32, time=1.0)) < wire.MAX_MESSAGE
        reply = asked(arbiter, after=reply["cursor"])
        read += messages(reply)
    assert "".join(read) == text.strip("\n") * number
    assert len("".join(read)) < REPLY_SIZE or len(read) > 1


@pytest.mark.parametrize("number", [0, 1, 3000, 40_000])
def test_reading_much_in_pieces_keeps_the_order_over_watchers(number: int) -> None:
    arbiter = FakeArbiter()
    written = []
    for name in ("lazy", "sleeper"):
        arbiter.get_watcher(name).tail.resize(8 << 20)
    for turn in range(300):
        name = ("lazy", "sleeper", "sleeper")[turn % 3]
        lines = [f"{turn} {at}" for at in range(turn % 7 * 20)]
        written += lines
        write(arbiter, name, "".join(f"{line}\n" for line in lines), OUT if turn % 2 else ERR)
    reply = asked(arbiter, lines=number)
    read = messages(reply)
    for _ in range(10_000):
        if not reply["more"]:
            break
        reply = asked(arbiter, after=reply["cursor"])
        read += messages(reply)
    assert read == written[len(written) - min(number, len(written)) :]
    assert messages(asked(arbiter, after=reply["cursor"])) == []


def test_a_wait_ends_with_the_first_line_that_is_asked_for() -> None:
    async def scenario() -> None:
        arbiter = FakeArbiter()
        cursor = (await carried_out(arbiter))["cursor"]
        waiting = asyncio.ensure_future(
            carried_out(arbiter, after=cursor, wait=20, stream="stderr", name="lazy")
        )
        for origin, text in ((OUT, "not this\n"), (ERR, "half"), (ERR, " of it\n")):
            await asyncio.sleep(0)
            assert not waiting.done()
            write(arbiter, "lazy", text, origin)
        assert messages(await waiting) == ["half of it"]
        assert not arbiter.get_watcher("lazy").tail._listeners
        assert not arbiter.tails._listeners

    asyncio.run(scenario())


def test_a_wait_ends_with_what_has_no_line_but_more_behind_it() -> None:
    arbiter = FakeArbiter()
    arbiter.get_watcher("lazy").tail.resize(8 << 20)
    for _ in range(1000):
        write(arbiter, "lazy", ".")

    async def scenario() -> str:
        async with asyncio.timeout(20):
            reply = await carried_out(arbiter, wait=60)
            assert (reply["lines"], reply["more"]) == ([], True)
            write(arbiter, "lazy", "end\n")
            while not reply["lines"]:
                reply = await carried_out(arbiter, after=reply["cursor"], wait=60)
        return "".join(messages(reply))

    assert asyncio.run(scenario()) == "." * 1000 + "end"


@pytest.mark.parametrize("is_behind", [False, True])
def test_an_answer_costs_the_same_however_many_watchers_have_much_to_tell(is_behind: bool) -> None:
    def calls(watchers: int) -> int:
        arbiter = FakeArbiter()
        for number in range(watchers):
            arbiter.add_watcher(WatcherConfig(name=f"w{number}", cmd="x"))
        for turn in range(40_000 // watchers):
            for number in range(watchers):
                write(arbiter, f"w{number}", f"{turn:090}\n")
        command = Logs()
        after = asked(arbiter)["cursor"] if is_behind else {}
        request = command.parse(Properties({"after": after}))
        coroutine = command.execute(arbiter, request)
        with Calls() as counted, pytest.raises(StopIteration):
            coroutine.send(None)
        return counted.count

    assert calls(100) < 2 * calls(5) + 100 * 100


def test_a_wait_ends_when_the_time_is_over_or_the_daemon_ends() -> None:
    async def scenario() -> None:
        arbiter = FakeArbiter()
        cursor = (await carried_out(arbiter))["cursor"]
        assert messages(await carried_out(arbiter, after=cursor, wait=0.01)) == []
        waiting = asyncio.ensure_future(carried_out(arbiter, after=cursor, wait=20))
        await asyncio.sleep(0)
        arbiter.tails.finish()
        assert (await waiting)["ended"]

    asyncio.run(scenario())


def test_a_wait_hears_of_watchers_that_come_later() -> None:
    async def scenario() -> None:
        arbiter = FakeArbiter()
        cursor = (await carried_out(arbiter))["cursor"]
        waiting = asyncio.ensure_future(carried_out(arbiter, after=cursor, wait=20))
        await asyncio.sleep(0)
        arbiter.add_watcher(WatcherConfig(name="late", cmd="x"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        write(arbiter, "late", "here\n")
        assert messages(await waiting) == ["here"]

    asyncio.run(scenario())


def test_it_is_said_why_there_is_nothing() -> None:
    arbiter = FakeArbiter()
    arbiter.get_watcher("lazy").captured = frozenset()
    arbiter.get_watcher("sleeper").captured = frozenset({"stdout"})
    arbiter.get_watcher("web one").tail.resize(0)
    assert asked(arbiter)["missing"] == {
        "lazy": "its output does not go through circusd: set stdout_stream.class or stderr_stream.class",
        "web one": "its tail_bytes is 0",
    }
    assert asked(arbiter, stream="stderr", name="sleeper")["missing"] == {
        "Sleeper": "its output does not go through circusd: set stderr_stream.class"
    }


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({"lines": -1}, "'lines' must be a whole number >= 0, got -1"),
        ({"lines": "x"}, "'lines' isn't an integer"),
        ({"stream": "stdin"}, "'stream' must be stdout or stderr, got 'stdin'"),
        ({"wait": 61}, "'wait' must be a number of seconds <= 60, got 61"),
        ({"after": []}, "'after' property should be an object"),
        ({"after": {"a": 1}}, "'after' must have two whole numbers for each watcher"),
        ({"after": {"a": [1, True]}}, "'after' must have two whole numbers for each watcher"),
        ({"name": "x", "match": "regex"}, "'match' must be simple or glob here"),
    ],
)
def test_a_bad_property_is_named(properties: dict[str, Any], reason: str) -> None:
    with pytest.raises(MessageError, match=reason):
        asked(FakeArbiter(), **properties)


def test_an_unknown_watcher_is_refused() -> None:
    with pytest.raises(UnknownWatcherError):
        asked(FakeArbiter(), name="ghost")


def shown(answers: Iterator[Answer]) -> list[str]:
    return [("# " if answer.is_aside else "") + answer.text() for answer in answers]


def test_circusctl_prints_lines_behind_their_watchers_and_says_once_what_is_missing() -> None:
    arbiter = FakeArbiter()
    arbiter.get_watcher("lazy").captured = frozenset()
    arbiter.get_watcher("web one").captured = frozenset()
    write(arbiter, "sleeper", "one\r\ntwo")
    write(arbiter, "web one", "last\n", Origin(2, 12, "stdout"))
    assert shown(Logs().converse(Daemon(arbiter), {"lines": 5})) == [
        "# nothing of lazy, web one: its output does not go through circusd: set stdout_stream.class or "
        "stderr_stream.class",
        "Sleeper.1  | one",
        "web one.12 | last",
        "Sleeper.1  | two",
    ]


def test_circusctl_follows_until_the_daemon_ends() -> None:
    arbiter = FakeArbiter()
    write(arbiter, "lazy", "one\nhalf")
    answers = Logs().converse(Daemon(arbiter), {"name": "lazy", "follow": True})
    assert next(answers).text() == "lazy.1 | one"
    arbiter.get_watcher("lazy").tail.resize(400)
    write(arbiter, "lazy", " is lost by a flood\n" + "x" * 100 + "\nlast\n")
    write(arbiter, "lazy", "words\n")
    arbiter.tails.finish()
    lost = next(answers)
    assert (lost.is_aside, lost.data["watcher"]) == (True, "lazy")
    assert [next(answers).text() for _ in range(1)] == ["lazy.1 | words"]
    with pytest.raises(CallError, match="circusd has ended"):
        next(answers)


@pytest.mark.parametrize(("errno", "kind"), [(5, CallError), (3, RefusedError)])
def test_circusctl_says_that_the_daemon_has_ended(errno: int, kind: type[Exception]) -> None:
    daemon = Daemon(FakeArbiter())
    daemon.failure = RefusedError("circusd ends", errno=errno, reply={})
    with pytest.raises(kind, match="circusd"):
        list(Logs().converse(daemon, {"follow": True}))


def test_each_watcher_has_a_colour_on_a_terminal() -> None:
    arbiter = FakeArbiter()
    write(arbiter, "sleeper", "one\n")
    write(arbiter, "lazy", "two\n")
    daemon = Daemon(arbiter)
    daemon.wants_colours = True
    assert shown(Logs().converse(daemon, {})) == [
        "\x1b[36mSleeper.1 |\x1b[0m one",
        "\x1b[33mlazy.1    |\x1b[0m two",
    ]
