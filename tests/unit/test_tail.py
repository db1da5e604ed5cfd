"""The tail of a watcher's output."""

from __future__ import annotations

from circus_core.output.tail import CHUNK_COST, Origin, Tail, Tails


def a_tail(limit: int = 10_000) -> Tail:
    return Tails().make(limit, 1.0)


def messages(tail: Tail, after: int | None = None, stream: str | None = None) -> list[str]:
    return [line.message for line in tail.read(after, stream=stream).lines]


def test_a_line_that_came_in_pieces_is_one_line_with_the_time_of_its_end() -> None:
    tail, origin, other = a_tail(), Origin(1, 1, "stdout"), Origin(2, 2, "stdout")
    tail.feed(origin, b"hel", 1.0)
    tail.feed(other, b"other\n", 2.0)
    tail.feed(origin, b"lo\nagain", 3.0)
    found = [(line.message, line.time, line.origin.pid) for line in tail.read().lines]
    assert found == [("other", 2.0, 2), ("hello", 3.0, 1)]
    assert [line.message for line in tail.read().unfinished] == ["again"]


def test_the_end_of_an_output_ends_its_line() -> None:
    tail, origin = a_tail(), Origin(1, 1, "stdout")
    tail.feed(origin, b"last words", 1.0)
    tail.finish(origin, 2.0)
    tail.finish(origin, 3.0)
    assert [(line.message, line.time) for line in tail.read().lines] == [("last words", 2.0)]


def test_only_one_stream_is_read_if_that_is_asked_for() -> None:
    tail = a_tail()
    tail.feed(Origin(1, 1, "stdout"), b"out\n", 1.0)
    tail.feed(Origin(1, 1, "stderr"), b"err\n", 1.0)
    assert messages(tail, stream="stderr") == ["err"]


def test_who_reads_too_late_is_told_how_much_is_lost() -> None:
    tail, origin = a_tail(2 * CHUNK_COST + 12), Origin(1, 1, "stdout")
    tail.feed(origin, b"one\n", 1.0)
    after = tail.end
    for _ in range(5):
        tail.feed(origin, b"later\n", 1.0)
    reading = tail.read(after)
    assert ([line.message for line in reading.lines], reading.lost) == (["later", "later"], 18)
    assert tail.read().lost == 0


def test_a_line_whose_beginning_is_gone_is_left_out_and_counted() -> None:
    tail, origin = a_tail(CHUNK_COST + 20), Origin(1, 1, "stdout")
    tail.feed(origin, b"begin", 1.0)
    tail.feed(origin, b"ning\nwhole\n", 1.0)
    reading = tail.read(0)
    assert ([line.message for line in reading.lines], reading.lost) == (["whole"], 10)


def test_of_a_chunk_larger_than_the_bound_the_end_is_kept() -> None:
    tail, origin = a_tail(CHUNK_COST + 10), Origin(1, 1, "stdout")
    tail.feed(origin, b"first\nsecond\nthird\n", 1.0)
    assert messages(tail) == ["third"]
    tail.feed(origin, b"0123456789abc\n", 1.0)
    assert messages(tail) == []


def test_it_shrinks_and_ends_when_told_to_and_begins_again() -> None:
    tail, origin = a_tail(), Origin(1, 1, "stdout")
    tail.feed(origin, b"one\n", 1.0)
    tail.feed(origin, b"two\n", 1.0)
    tail.resize(CHUNK_COST + 4)
    assert messages(tail) == ["two"]
    tail.resize(0)
    tail.feed(origin, b"unheard\n", 1.0)
    assert messages(tail) == []
    tail.resize(1000)
    tail.feed(origin, b"three\n", 1.0)
    assert messages(tail) == ["three"]


def test_listeners_hear_of_lines_not_of_pieces_of_them() -> None:
    tails = Tails()
    tail, origin = tails.make(10_000, 1.0), Origin(1, 1, "stdout")
    heard: list[str] = []
    with tails.listening([tail], heard.append):
        tail.feed(origin, b"piece", 1.0)
        assert heard == []
        tail.feed(origin, b" and end\n", 1.0)
        assert heard == ["stdout"]
        tails.make(1, 1.0)
        tails.finish()
        assert heard == ["stdout", "", ""]
    tail.feed(origin, b"nobody hears this\n", 1.0)
    assert heard == ["stdout", "", ""]
    assert tails.have_ended


def test_numbers_order_the_lines_of_all_tails_and_generations_differ() -> None:
    tails = Tails()
    first, second = tails.make(10_000, 1.0), tails.make(10_000, 1.0)
    assert first.generation < second.generation
    first.feed(Origin(1, 1, "stdout"), b"a\n", 1.0)
    second.feed(Origin(2, 1, "stdout"), b"b\n", 1.0)
    first.feed(Origin(1, 1, "stdout"), b"c\n", 1.0)
    lines = sorted((*first.read().lines, *second.read().lines), key=lambda line: (line.number, line.end))
    assert [line.message for line in lines] == ["a", "b", "c"]


def test_who_was_just_answered_is_awaited_until_he_asks_again() -> None:
    tails = Tails()
    assert not tails.are_awaited(5.0)
    tails.answered(5.0)
    assert tails.are_awaited(5.5)
    assert not tails.are_awaited(6.5)
    tails.asked()
    tails.asked()
    assert not tails.are_awaited(5.5)
