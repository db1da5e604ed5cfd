"""The tail of a watcher's output against a simple model: random chunks of random processes, any bounds."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from circus_core.output.tail import CHUNK_COST, LINE_LIMIT, Line, Origin, Tail, Tails

TEXTS = st.text(alphabet="ab\n\n€𝄞", max_size=12).map(str.encode)
CUTS = st.lists(st.tuples(st.integers(0, 2), st.binary(max_size=9) | TEXTS), max_size=40)


def a_tail(limit: int) -> Tail:
    return Tails().make(limit, 1.0)


def origins() -> list[Origin]:
    return [Origin(100 + at, at + 1, "stderr" if at == 2 else "stdout") for at in range(3)]


def fed(tail: Tail, chunks: list[tuple[int, bytes]]) -> list[Origin]:
    made = origins()
    for time, (at, data) in enumerate(chunks):
        tail.feed(made[at], data, float(time))
    return made


def texts(lines: list[Line], origin: Origin) -> list[str]:
    return [line.message for line in lines if line.origin is origin]


def model(chunks: list[tuple[int, bytes]]) -> dict[int, list[bytes]]:
    written: dict[int, bytes] = defaultdict(bytes)
    for at, data in chunks:
        written[at] += data
    return {at: data.split(b"\n") for at, data in written.items()}


@given(CUTS)
def test_with_room_for_all_every_line_is_read_once_and_in_order(chunks: list[tuple[int, bytes]]) -> None:
    tail = a_tail(1 << 20)
    made = fed(tail, chunks)
    reading = tail.read()
    for at, lines in model(chunks).items():
        assert texts(reading.lines, made[at]) == [line.decode(errors="replace") for line in lines[:-1]]
    assert [(line.number, line.end) for line in reading.lines] == sorted(
        (line.number, line.end) for line in reading.lines
    )
    assert reading.lost == 0


@given(CUTS, st.integers(0, 3 * CHUNK_COST + 60))
def test_whatever_the_bound_it_holds_and_what_is_left_are_last_lines(
    chunks: list[tuple[int, bytes]], limit: int
) -> None:
    tail = a_tail(limit)
    made = fed(tail, chunks)
    kept = [chunk.data for chunk in tail._chunks]
    assert sum(len(data) + CHUNK_COST for data in kept) == tail._cost <= limit
    reading = tail.read()
    for at, lines in model(chunks).items():
        found = texts(reading.lines, made[at])
        whole = [line.decode(errors="replace") for line in lines[:-1]]
        assert found == whole[len(whole) - len(found) :]


@given(CUTS, st.integers(CHUNK_COST, 4 * CHUNK_COST), st.data())
def test_reading_on_gives_what_was_not_read_yet_or_says_that_it_is_lost(
    chunks: list[tuple[int, bytes]], limit: int, data: st.DataObject
) -> None:
    tail = a_tail(limit)
    made = origins()
    read: dict[int, list[str]] = defaultdict(list)
    after, lost = 0, 0
    for time, (at, chunk) in enumerate(chunks):
        tail.feed(made[at], chunk, float(time))
        if data.draw(st.booleans()):
            reading = tail.read(after)
            after, lost = tail.end, lost + reading.lost
            for line in reading.lines:
                read[made.index(line.origin)].append(line.message)
    reading = tail.read(after)
    for line in reading.lines:
        read[made.index(line.origin)].append(line.message)
    lost += reading.lost
    for at, lines in model(chunks).items():
        whole = [line.decode(errors="replace") for line in lines[:-1]]
        if not lost:
            assert read[at] == whole
        else:
            left = iter(whole)
            assert all(message in left for message in read[at])  # some of them, in this order


@given(CUTS, st.sampled_from([None, "stdout", "stderr"]), st.integers(1, 9), st.integers(0, 40))
def test_read_a_few_chunks_at_a_time_every_line_comes_once(
    chunks: list[tuple[int, bytes]], stream: str | None, step: int, first: int
) -> None:
    tail = a_tail(1 << 20)
    fed(tail, chunks)
    whole = tail.read(stream=stream, first=first)
    read: list[Line] = []
    after: int | None = None
    for last in range(first + step, len(chunks) + step + 1, step):
        reading = tail.read(after, stream=stream, first=first if after is None else 0, last=last)
        assert [*tail.sizes(after, stream=stream, first=first if after is None else 0)] == [
            (chunk.number, len(chunk.data) + CHUNK_COST)
            for chunk in tail._chunks
            if chunk.end > (after or 0)
            and chunk.number >= (first if after is None else 0)
            and stream in (None, chunk.origin.stream)
        ]
        assert all(line.number <= last for line in reading.lines)
        read += reading.lines
        after = reading.end
    end = tail.read(after, stream=stream, first=first if after is None else 0)
    assert [*read, *end.lines] == whole.lines
    assert end.unfinished == whole.unfinished


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 3 * LINE_LIMIT), st.integers(5_000, 70_000), st.sampled_from("a€𝄞"))
def test_a_long_line_comes_in_pieces_that_cut_no_character(size: int, step: int, letter: str) -> None:
    written = (letter * size).encode()[: 4 * LINE_LIMIT]
    written = written[: len(written) - len(written) % len(letter.encode())] + b"\n"
    tail = a_tail(1 << 22)
    origin = origins()[0]
    after, read = 0, ""
    for at in range(0, len(written), step):
        tail.feed(origin, written[at : at + step], 1.0)
        for line in tail.read(after).lines:
            read += line.message
            assert len(line.message.encode()) <= LINE_LIMIT + (64 << 10)
        after = tail.end
    assert read == written.decode().rstrip("\n")


@given(CUTS, st.integers(0, 2000))
def test_the_unfinished_are_shown_without_the_bytes_of_half_a_character(
    chunks: list[tuple[int, bytes]], cut: int
) -> None:
    tail = a_tail(1 << 20)
    origin = origins()[0]
    written = "é€𝄞".encode() * 3
    tail.feed(origin, written[: cut % len(written)], 1.0)
    shown = "".join(line.message for line in tail.read().unfinished)
    assert ("é€𝄞" * 3).startswith(shown)
    assert len(written[: cut % len(written)]) - len(shown.encode()) <= 3
