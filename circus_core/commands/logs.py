"""`logs`: the last output of processes, and what they write from now on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import merge
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias

from circus_core.commands.arguments import Option, Switch, Word, count
from circus_core.commands.command import Answer, Command, Conversation, Result
from circus_core.commands.log_lines import LogLines
from circus_core.commands.selection import SAFE_MATCH, Selection
from circus_core.errors import CallError, MessageError, RefusedError, WireCode
from circus_core.output.tail import Line, Reading
from circus_core.records import dataclass, field

if TYPE_CHECKING:
    from circus_core.commands.properties import Properties
    from circus_core.commands.target import ControlledArbiter, ControlledWatcher

__all__ = ["Logs", "LogsRequest", "LogsResult"]

STREAMS: Final = ("stdout", "stderr")
LONGEST_WAIT: Final = 60.0  # seconds
REPLY_SIZE: Final = 64 * 1024
"""Characters of lines in a reply, as JSON, at which it ends; a single line has at most about 600 000."""

_READ_SIZE: Final = 64 * 1024  # bytes of all tails together that are looked at for a reply
_LINE_SIZE: Final = 150  # characters of a line in a reply beside its message and its watcher
_THE_END: Final = "circusd has ended"
_WAIT: Final = 10.0  # seconds that circusctl lets the daemon wait for output
_GRACE: Final = 5.0  # seconds beyond that until the daemon counts as gone

_Found: TypeAlias = tuple[str, Line]
"""A line and the name of its watcher."""

Cursor = Mapping[str, tuple[int, int]]
"""Where reading goes on, by watcher: generation of its tail, offset there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogsRequest:
    """Attributes:
    lines: so many of the last ones; None: all behind `after`.
    stream: None for both.
    after: what was read before.
    wait: seconds that there may be nothing to answer.
    unfinished: also lines that have not ended yet.
    """

    selection: Selection
    lines: int | None
    stream: str | None
    after: Cursor
    wait: float
    unfinished: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LogsResult(Result):
    """Attributes:
    lines: in order of arrival.
    cursor: the next request's `after`.
    lost: bytes that were not kept until they were asked for, by watcher.
    missing: why there can be nothing of a watcher, by its name.
    has_more: there is more to read at once.
    has_ended: the daemon ends: nothing will come any more.
    """

    lines: Sequence[Mapping[str, Any]]
    cursor: Cursor
    lost: Mapping[str, int] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    has_more: bool = False
    has_ended: bool = False

    def to_json(self) -> dict[str, Any]:
        return {
            "lines": list(self.lines),
            "cursor": {name: list(place) for name, place in self.cursor.items()},
            "lost": dict(self.lost),
            "missing": dict(self.missing),
            "more": self.has_more,
            "ended": self.has_ended,
        }

    @classmethod
    def from_json(cls, reply: Mapping[str, Any]) -> Self:
        return cls(
            lines=reply["lines"],
            cursor=reply["cursor"],
            lost=reply["lost"],
            missing=reply["missing"],
            has_more=reply["more"],
            has_ended=reply["ended"],
        )

    def to_text(self) -> str:
        return LogLines(wants_colours=False).text(self)


class Logs(Command[LogsRequest, LogsResult]):
    """Print the last output of the processes of a watcher or of all

    Each line is preceded by its watcher and worker number, as in `web.1 | `; with --json it is an object with
    watcher, wid, pid, stream, time and message. circusd keeps so much of the last output of each watcher as
    its option tail_bytes says, of those streams that go through it: those with a stdout_stream.class or a
    stderr_stream.class. What is missing is said on standard error.
    """

    name = "logs"
    access = "read"
    arguments = (
        Word("name", "the watcher", is_required=False, completes="watcher"),
        Option("lines", "how many of the last lines, 100 if not given", convert=count, letter="n"),
        Switch("follow", "go on with what comes, until interrupted or circusd has gone", letter="f"),
        Option("stream", "only this one", choices=STREAMS),
        SAFE_MATCH,
    )
    result = LogsResult

    def parse(self, properties: Properties) -> LogsRequest:
        stream = properties.optional_text("stream")
        if stream is not None and stream not in STREAMS:
            raise MessageError(f"'stream' must be stdout or stderr, got '{stream}'")
        lines = properties.optional_integer("lines")
        if lines is not None and lines < 0:
            raise MessageError(f"'lines' must be a whole number >= 0, got {lines}")
        wait = properties.optional_number("wait") or 0.0
        if wait > LONGEST_WAIT:
            raise MessageError(f"'wait' must be a number of seconds <= {LONGEST_WAIT:g}, got {wait:g}")
        return LogsRequest(
            selection=Selection.parse_safe(properties),
            lines=lines,
            stream=stream,
            after=_cursor(properties.optional_mapping("after")),
            wait=wait,
            unfinished=properties.boolean("unfinished"),
        )

    async def execute(self, arbiter: ControlledArbiter, request: LogsRequest) -> LogsResult:
        if not request.wait:
            return _read(arbiter, request)
        return await _read_when_there_is(arbiter, request)

    def converse(self, daemon: Conversation, properties: Mapping[str, Any]) -> Iterator[Answer]:
        asked = {key: value for key, value in properties.items() if key != "follow"}
        asked.setdefault("lines", 100)
        shown = LogLines(wants_colours=daemon.wants_colours)
        follows = bool(properties.get("follow"))
        result = self._ask(daemon, {**asked, "unfinished": not follows})
        yield from shown.answers(result)
        del asked["lines"]
        while follows or result.has_more:
            if result.has_ended:
                raise CallError(_THE_END)
            after = {**asked, "after": result.cursor, "unfinished": not follows}
            result = self._follow(daemon, after) if follows else self._ask(daemon, after)
            yield from shown.answers(result)

    def _follow(self, daemon: Conversation, properties: Mapping[str, Any]) -> LogsResult:
        try:
            return self._ask(daemon, {**properties, "wait": _WAIT}, timeout=_WAIT + _GRACE)
        except RefusedError as error:
            if error.errno == WireCode.COMMAND_ERROR:
                raise CallError(_THE_END) from error
            raise

    def _ask(
        self, daemon: Conversation, properties: Mapping[str, Any], *, timeout: float | None = None
    ) -> LogsResult:
        reply = daemon.ask(self.name, properties, timeout=timeout)
        try:
            return LogsResult.from_json(reply)
        except (KeyError, TypeError) as error:
            raise CallError(f"the answer to '{self.name}' can't be understood: {reply}") from error


def _cursor(after: Mapping[str, Any]) -> Cursor:
    for name, place in after.items():
        if not (isinstance(place, list) and len(place) == 2 and all(type(part) is int for part in place)):
            raise MessageError(
                f"'after' must have two whole numbers for each watcher, got {place} for '{name}'"
            )
    return {name: (place[0], place[1]) for name, place in after.items()}


# On the loop of the daemon


async def _read_when_there_is(arbiter: ControlledArbiter, request: LogsRequest) -> LogsResult:
    """Read, as soon as there is something to answer, at the latest when the time is over."""
    import asyncio

    loop = asyncio.get_running_loop()
    end = loop.time() + request.wait
    arbiter.tails.asked()
    while True:
        arrival: asyncio.Future[None] = loop.create_future()

        def wake(stream: str, arrival: asyncio.Future[None] = arrival) -> None:
            if not arrival.done() and stream in ("", request.stream or stream):
                arrival.set_result(None)

        watchers = request.selection.of(arbiter)
        with arbiter.tails.listening([watcher.tail for watcher in watchers], wake):
            result = _read(arbiter, request)
            has_news = result.lines or result.lost or result.has_more or result.has_ended
            if has_news or loop.time() >= end:
                arbiter.tails.answered(loop.time())
                return result
            await asyncio.wait([arrival], timeout=end - loop.time())


def _read(arbiter: ControlledArbiter, request: LogsRequest) -> LogsResult:
    watchers = request.selection.of(arbiter)
    first, surplus = _beginning(watchers, request)
    last = _end(watchers, request, first)
    readings = {watcher.name: _reading(watcher, request, first, last) for watcher in watchers}
    found = _sorted((name, line) for name, reading in readings.items() for line in reading.lines)
    if last is None:
        if request.unfinished:
            found += _sorted((name, line) for name, each in readings.items() for line in each.unfinished)
        surplus = 0 if request.lines is None else max(0, len(found) - request.lines)
    sent = list(_within_size(found[surplus:]))
    done = min(surplus, len(found)) + len(sent)
    return LogsResult(
        lines=[_to_json(name, line) for name, line in sent],
        cursor=_places(watchers, readings, found[:done], found[done:]),
        lost={name: reading.lost for name, reading in readings.items() if reading.lost},
        missing=_missing(watchers, request.stream),
        has_more=last is not None or done < len(found),
        has_ended=arbiter.tails.have_ended,
    )


def _beginning(watchers: Sequence[ControlledWatcher], request: LogsRequest) -> tuple[int, int]:
    """Return the number of the chunk in which the last lines begin, and how many lines there are too many."""
    if request.lines is None:
        return 0, 0
    newest = [watcher.tail.newest(_offset(watcher, request), stream=request.stream) for watcher in watchers]
    number, lines = 0, 0
    for number, more in merge(*newest, reverse=True):
        lines += more
        if lines >= request.lines:
            return number, lines - request.lines
    return 0, 0


def _offset(watcher: ControlledWatcher, request: LogsRequest) -> int | None:
    """Return up to where this watcher was read before, None if it was not."""
    generation, offset = request.after.get(watcher.name, (0, 0))
    return offset if generation == watcher.tail.generation else None


def _end(watchers: Sequence[ControlledWatcher], request: LogsRequest, first: int) -> int | None:
    """Return the number of the chunk with which it is enough for one reply; None: there are no more."""
    sizes = (w.tail.sizes(_offset(w, request), stream=request.stream, first=first) for w in watchers)
    read, last = 0, 0
    for number, size in merge(*sizes):
        if read >= _READ_SIZE:
            return last
        read, last = read + size, number
    return None


def _reading(watcher: ControlledWatcher, request: LogsRequest, first: int, last: int | None) -> Reading:
    tail, offset = watcher.tail, _offset(watcher, request)
    if offset is not None and offset >= tail.end and not request.unfinished:
        return Reading([], [], tail.end, tail.end)
    return tail.read(offset, stream=request.stream, first=first, last=last)


def _sorted(lines: Iterable[_Found]) -> list[_Found]:
    return sorted(lines, key=lambda found: (found[1].number, found[1].end))


def _within_size(lines: Sequence[_Found]) -> Iterator[_Found]:
    """Yield as many as fit into a reply, but at least one."""
    import json

    size = 0
    for name, line in lines:
        length = _LINE_SIZE + 6 * len(name) + len(json.dumps(line.message))
        if size and size + length > REPLY_SIZE:
            return
        size += length
        yield name, line


def _places(
    watchers: Sequence[ControlledWatcher],
    readings: Mapping[str, Reading],
    done: Sequence[_Found],
    left: Sequence[_Found],
) -> Cursor:
    """Return where to go on: behind what was read, or where lines are left, behind the last that is not."""
    unread = {name for name, _ in left}
    ends = {name: line.end for name, line in done if name in unread}
    places = {}
    for watcher in watchers:
        reading = readings[watcher.name]
        end = ends.get(watcher.name, reading.start) if watcher.name in unread else reading.end
        places[watcher.name] = (watcher.tail.generation, min(end, reading.end))
    return places


def _missing(watchers: Sequence[ControlledWatcher], stream: str | None) -> dict[str, str]:
    """Return why nothing is kept, where that is so."""
    wanted = set(STREAMS if stream is None else (stream,))
    return {
        watcher.name: reason for watcher in watchers for reason in [_why_missing(watcher, wanted)] if reason
    }


def _why_missing(watcher: ControlledWatcher, wanted: set[str]) -> str:
    if not wanted & set(watcher.captured):
        from circus_core.config.overflow import MERGED

        stderr = watcher.config.stderr_stream
        if wanted == {"stderr"} and stderr is not None and stderr.class_name == MERGED:
            return "its stderr goes with its stdout: ask for that"
        names = " or ".join(f"{name}_stream.class" for name in STREAMS if name in wanted)
        return f"its output does not go through circusd: set {names}"
    if not watcher.tail.limit:
        return "its tail_bytes is 0"
    return ""


def _to_json(name: str, line: Line) -> dict[str, Any]:
    origin = line.origin
    return {
        "watcher": name,
        "wid": origin.wid,
        "pid": origin.pid,
        "stream": origin.stream,
        "time": line.time,
        "message": line.message,
    }
