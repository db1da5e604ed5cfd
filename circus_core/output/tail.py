"""The last output of the processes of each watcher, in memory: bounded in bytes, cut into lines when read.

Feeding costs the same for a chunk of any size, but for one search for its last line end. Nothing here does
I/O or knows of a loop.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from operator import attrgetter
from typing import Final, NamedTuple, Self

from circus_core.records import dataclass, field

__all__ = ["LINE_LIMIT", "Line", "Listener", "Origin", "Reading", "Tail", "Tails"]

KIB: Final = 1024
CHUNK_LIMIT: Final = 64 * KIB  # bytes of one chunk; longer ones are kept as several
CHUNK_COST: Final = 200  # bytes of memory that a chunk takes beside its data
_FOLLOWERS: Final = 100  # for whom the end is held up
LINE_LIMIT: Final = 32 * KIB
"""A line that has this many bytes at the end of a chunk is shown in pieces: they can be sent in one reply."""

Listener = Callable[[str], None]
"""Told the stream ("stdout" or "stderr") of which a line has come; cheap, never raises."""


@dataclass(slots=True, eq=False)
class Origin:
    """One output of one process.

    Attributes:
        stream: "stdout" or "stderr".
        open_size: bytes behind the last line end.
        is_cut: what is kept of it begins within a line.
    """

    pid: int
    wid: int
    stream: str
    open_size: int = 0
    is_cut: bool = False


class Line(NamedTuple):
    """A line, without its end. Lines of all watchers come in order of (number, end).

    Attributes:
        number: of the chunk that ended it.
        end: offset in its tail behind the line.
        time: when its end was read, seconds since the epoch.
    """

    number: int
    end: int
    origin: Origin
    time: float
    data: bytes

    @property
    def message(self) -> str:
        """Its text; what is not UTF-8 is replaced by U+FFFD."""
        return self.data.decode(errors="replace")


@dataclass(frozen=True, slots=True)
class Reading:
    """What a tail holds behind some offset.

    Attributes:
        lines: in the order in which they ended.
        unfinished: the beginnings of lines that have not ended yet.
        start: offset at which the first of the lines could have ended.
        end: offset behind what was read.
        lost: bytes behind that offset which are not kept any more; of a line begun before it only the rest.
    """

    lines: list[Line]
    unfinished: list[Line]
    start: int
    end: int
    lost: int = 0


@dataclass(slots=True)
class _Chunk:
    """`end` is the offset behind it; `ends_piece`: what it leaves unfinished is shown without the rest."""

    number: int
    end: int
    origin: Origin
    time: float
    data: bytes
    ends_piece: bool


@dataclass(slots=True)
class _OpenLine:
    """A line whose end was not found yet; `is_cut` if its beginning is not kept."""

    is_cut: bool
    parts: list[bytes] = field(default_factory=list)

    def finish(self, last: bytes) -> bytes:
        return b"".join((*self.parts, last))


class Tail:
    """The last output of one watcher's processes. Made by Tails.

    Attributes:
        generation: tells this tail from an earlier one of a watcher with the same name.
        begin: offset of the first byte that is kept.
        end: offset behind all that was ever fed; offsets count bytes.
    """

    def __init__(self, limit: int, *, generation: int, numbers: Iterator[int]) -> None:
        """Args:
        limit: bytes that it may take; 0 keeps nothing.
        numbers: of chunks, in order of arrival over all tails.
        """
        self.generation = generation
        self.begin = self.end = 0
        self._limit = limit
        self._numbers = numbers
        self._chunks: deque[_Chunk] = deque()
        self._cost = 0
        self._listeners: list[Listener] = []

    @classmethod
    def keeping_nothing(cls) -> Self:
        """Return one for output that nobody will ask for."""
        return cls(0, generation=0, numbers=itertools.count())

    @property
    def limit(self) -> int:
        """Bytes that it may take; 0: it keeps nothing."""
        return self._limit

    def resize(self, limit: int) -> None:
        """Take at most `limit` bytes from now on."""
        self._limit = limit
        self._shrink()

    def feed(self, origin: Origin, data: bytes, time: float) -> None:
        """Keep what was read from an output; `time` in seconds since the epoch."""
        if not self._limit:
            return
        if len(data) > CHUNK_LIMIT:
            for at in range(0, len(data), CHUNK_LIMIT):
                self.feed(origin, data[at : at + CHUNK_LIMIT], time)
            return
        line_end = data.rfind(b"\n")
        open_size = len(data) - line_end - 1 if line_end >= 0 else origin.open_size + len(data)
        ends_piece = open_size >= LINE_LIMIT
        origin.open_size = 0 if ends_piece else open_size
        self.end += len(data)
        self._chunks.append(_Chunk(next(self._numbers), self.end, origin, time, data, ends_piece))
        self._cost += len(data) + CHUNK_COST
        if self._cost > self._limit:
            self._shrink()
        if self._listeners and (line_end >= 0 or ends_piece):
            for listener in tuple(self._listeners):
                listener(origin.stream)

    def skip(self, origin: Origin, count: int) -> None:
        """So many bytes were written and can't be kept; what came before them goes, too."""
        if not (self._limit and count):
            return
        while self._chunks:
            self._forget(self._chunks.popleft())
        self.end += count
        self.begin = self.end
        origin.open_size = 0
        origin.is_cut = True

    def finish(self, origin: Origin, time: float) -> None:
        """There will be no more from this output: the line it was in has ended."""
        if origin.open_size:
            self.feed(origin, b"\n", time)

    def read(
        self,
        after: int | None = None,
        *,
        stream: str | None = None,
        first: int = 0,
        last: int | None = None,
    ) -> Reading:
        """Return the lines that ended behind the offset `after`; None: all that are kept.

        A line whose beginning is not kept is left out, and counts as lost.

        Args:
            stream: only lines of this one.
            first: number of the first chunk whose lines are wanted.
            last: number of the last one; None: there is no last one.
        """
        since = self.begin if after is None else after
        lost = 0 if after is None else max(0, self.begin - since)
        at = self._place(since, first)
        found: list[Line] = []
        begun: dict[Origin, _OpenLine] = {}
        start: int | None = None
        for chunk in islice(self._chunks, at, None):
            chunk_start = max(since, chunk.end - len(chunk.data))
            if last is not None and chunk.number > last:
                return Reading(found, [], since if start is None else start, chunk_start, lost)
            start = chunk_start if start is None else start
            if stream is None or chunk.origin.stream == stream:
                before = begun.get(chunk.origin) or self._open_line(chunk.origin, at)
                begun[chunk.origin], missed = _split(chunk, before, since, found)
                lost += missed
        unfinished = list(self._unfinished(begun, at, stream))
        return Reading(found, unfinished, self.end if start is None else start, self.end, lost)

    def sizes(
        self, after: int | None = None, *, stream: str | None = None, first: int = 0
    ) -> Iterator[tuple[int, int]]:
        """Yield number and cost in bytes of the chunks that read() would look at, the oldest first."""
        for chunk in islice(self._chunks, self._place(self.begin if after is None else after, first), None):
            if stream is None or chunk.origin.stream == stream:
                yield chunk.number, len(chunk.data) + CHUNK_COST

    def newest(self, after: int | None = None, *, stream: str | None = None) -> Iterator[tuple[int, int]]:
        """Yield number and count of lines of the chunks behind an offset, the newest first."""
        since = self.begin if after is None else after
        for chunk in reversed(self._chunks):
            if chunk.end <= since:
                return
            if stream is None or chunk.origin.stream == stream:
                yield chunk.number, chunk.data.count(b"\n") + chunk.ends_piece

    def add_listener(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def remove_listener(self, listener: Listener) -> None:
        self._listeners.remove(listener)

    def _place(self, since: int, first: int) -> int:
        """Return the index of the first chunk that ends behind an offset and has at least this number."""
        return max(
            bisect_right(self._chunks, since, key=lambda chunk: chunk.end),
            bisect_left(self._chunks, first, key=lambda chunk: chunk.number),
        )

    def _open_line(self, origin: Origin, at: int) -> _OpenLine:
        """Return what an output left unfinished before the chunk with this index."""
        back: list[_Chunk] = []
        for chunk in islice(reversed(self._chunks), len(self._chunks) - at, None):
            if chunk.origin is origin:
                back.append(chunk)
                if b"\n" in chunk.data:
                    break
        rest = _OpenLine(is_cut=origin.is_cut)
        while back:
            rest = _skipped(back.pop(), rest)
        return rest

    def _unfinished(self, begun: Mapping[Origin, _OpenLine], at: int, stream: str | None) -> Iterator[Line]:
        """Yield the beginnings of lines, of outputs in the order in which they are kept.

        Args:
            begun: what those leave unfinished of which there are chunks behind the one with the index `at`.
        """
        for origin in dict.fromkeys(map(attrgetter("origin"), self._chunks)):
            if origin.open_size and (stream is None or origin.stream == stream):
                rest = begun.get(origin) or self._open_line(origin, at)
                data = rest.finish(b"")
                whole = data[: _whole_characters(data)]
                if whole and not rest.is_cut:
                    last = self._chunks[-1]
                    yield Line(last.number, self.end + 1, origin, last.time, whole)  # not before there

    def _shrink(self) -> None:
        """Drop the oldest chunks; of the newest one keep the end, if it alone is too large."""
        while self._cost > self._limit and len(self._chunks) > 1:
            self._forget(self._chunks.popleft())
        if self._chunks and self._cost > self._limit:
            last = self._chunks.pop()
            self._forget(last)
            room = self._limit - CHUNK_COST
            if room > 0:
                last.origin.is_cut = last.data[-room - 1 : -room] != b"\n"
                last.data = last.data[-room:]
                self.begin = last.end - room
                self._chunks.append(last)
                self._cost = self._limit

    def _forget(self, chunk: _Chunk) -> None:
        self._cost -= len(chunk.data) + CHUNK_COST
        self.begin = chunk.end
        chunk.origin.is_cut = not (chunk.ends_piece or chunk.data.endswith(b"\n"))


class Tails:
    """All tails of one arbiter, and who waits for lines in them.

    Attributes:
        have_ended: nothing will come any more.
    """

    def __init__(self) -> None:
        self.have_ended = False
        self._numbers = itertools.count(1)
        self._generation = 0
        self._listeners: list[Listener] = []
        self._answered: deque[float] = deque(maxlen=_FOLLOWERS)  # when, of those who will ask again

    def make(self, limit: int, time: float) -> Tail:
        """Return the tail of a new watcher; `time` in seconds since the epoch."""
        self._generation = max(self._generation + 1, int(time * 1e6))
        self._tell_all()
        return Tail(limit, generation=self._generation, numbers=self._numbers)

    @contextmanager
    def listening(self, tails: Iterable[Tail], listener: Listener) -> Iterator[None]:
        """Within it, the listener is told of lines in these tails; with "" of new tails and of the end."""
        heard = list(tails)
        self._listeners.append(listener)
        for tail in heard:
            tail.add_listener(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)
            for tail in heard:
                tail.remove_listener(listener)

    def asked(self) -> None:
        """Somebody who follows asks for what has come."""
        if self._answered:
            self._answered.popleft()

    def answered(self, time: float) -> None:
        """Somebody who follows was answered, at `time` of any clock, and will ask again."""
        self._answered.append(time)

    def are_awaited(self, time: float) -> bool:
        """Tell whether somebody who follows is about to ask again: he was answered within the last second."""
        return any(time - answered < 1 for answered in self._answered)

    def finish(self) -> None:
        """The end: nobody need wait any longer."""
        self.have_ended = True
        self._tell_all()

    def _tell_all(self) -> None:
        for listener in tuple(self._listeners):
            listener("")


def _skipped(chunk: _Chunk, before: _OpenLine) -> _OpenLine:
    """Return what a chunk that is not asked for leaves unfinished."""
    at = chunk.data.rfind(b"\n")
    rest = before if at < 0 else _OpenLine(is_cut=False)
    rest.parts.append(chunk.data[at + 1 :])
    return _behind_piece(rest) if chunk.ends_piece else rest


def _split(chunk: _Chunk, before: _OpenLine, since: int, found: list[Line]) -> tuple[_OpenLine, int]:
    """Add the lines that end in a chunk behind `since` to `found`.

    Returns:
        what the chunk leaves unfinished, and the bytes of a line that had to be left out.
    """
    *ended, last = chunk.data.split(b"\n")
    end, missed, rest = chunk.end - len(chunk.data), 0, before
    if ended:
        end += len(ended[0]) + 1
        if end > since and before.is_cut:
            missed = len(ended[0]) + 1
        elif end > since:
            found.append(_line(chunk, end, before.finish(ended[0])))
        for part in ended[1:]:
            end += len(part) + 1
            if end > since:
                found.append(_line(chunk, end, part))
        rest = _OpenLine(is_cut=False)
    rest.parts.append(last)
    if not chunk.ends_piece:
        return rest, missed
    if rest.is_cut:
        return _OpenLine(is_cut=False), missed + len(last)
    data = rest.finish(b"")
    found.append(_line(chunk, chunk.end, data[: _whole_characters(data)]))
    return _behind_piece(rest), missed


def _behind_piece(rest: _OpenLine) -> _OpenLine:
    """Return what follows a piece of a long line: the bytes of a character that was cut by its end."""
    data = rest.finish(b"")
    return _OpenLine(is_cut=False, parts=[] if rest.is_cut else [data[_whole_characters(data) :]])


def _line(chunk: _Chunk, end: int, data: bytes) -> Line:
    return Line(chunk.number, end, chunk.origin, chunk.time, data)


def _whole_characters(data: bytes) -> int:
    """Return how many bytes are left without a UTF-8 character that begins in the last three, and is cut."""
    for back in range(1, min(3, len(data)) + 1):
        byte = data[-back]
        if byte >= 0xC0:
            return len(data) - back if back < _length_of_character(byte) else len(data)
        if byte < 0x80:
            break
    return len(data)


def _length_of_character(first_byte: int) -> int:
    return 4 if first_byte >= 0xF0 else 3 if first_byte >= 0xE0 else 2
