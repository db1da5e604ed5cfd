"""Lines and characters across chunks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circus_streams.chunks import LONGEST_HELD, Origin, Source, whole_characters

BYTES = (
    st.binary(max_size=12) | st.text(max_size=8).map(str.encode) | st.sampled_from([b"\n", b"a\n", b"\n\n"])
)


def _source() -> Source:
    return Source(Origin("web", 1, 7, "stdout"))


@given(st.lists(BYTES))
def test_lines_come_whole_and_nothing_gets_lost(chunks: list[bytes]) -> None:
    source = _source()
    parts = [source.lines(each) for each in chunks]
    assert all(part.endswith(b"\n") for part in parts if part)
    assert b"".join((*parts, source.finish())) == b"".join(chunks)
    assert source.finish() == b""


@given(st.lists(BYTES))
def test_characters_come_whole_and_nothing_gets_lost(chunks: list[bytes]) -> None:
    source = _source()
    parts = [source.characters(each) for each in chunks]
    assert b"".join((*parts, source.finish())) == b"".join(chunks)


@given(st.text(), st.integers(0, 100))
def test_no_character_is_cut_and_at_most_three_bytes_wait(text: str, at: int) -> None:
    data = text.encode()[:at]
    end = whole_characters(data)
    assert len(data) - end <= 3
    data[:end].decode()


@given(st.binary(max_size=6))
def test_bytes_that_are_no_text_do_not_wait_for_ever(data: bytes) -> None:
    assert len(data) - whole_characters(data) <= 3
    assert whole_characters(data + b"a") == len(data) + 1


@pytest.mark.parametrize("extra", [0, 1, 2])
def test_a_part_of_a_long_line_ends_between_characters(extra: int) -> None:
    source = _source()
    data = b"x" * extra + "€".encode() * LONGEST_HELD
    cut = source.lines(data[: 100_000 + extra])
    cut.decode()
    assert len(cut) > LONGEST_HELD
    assert cut + source.lines(data[100_000 + extra :] + b"\n") == data + b"\n"
