"""Amounts look as Circus 0.19 printed them: programs read them."""

from __future__ import annotations

import pytest

from circus_core import size_text, time_text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0:00.00"), (0.09, "0:00.09"), (59.999, "1:00.00"), (61.5, "1:01.50"), (7261.25, "121:01.25")],
)
def test_cpu_time_is_padded_and_has_no_end(seconds: float, text: str) -> None:
    assert time_text(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0B"),
        (1023, "1023B"),
        (1024, "1.00K"),
        (10_000, "9.77K"),
        (14365491, "13.70M"),
        (2 << 30, "2.00G"),
    ],
)
def test_sizes_have_three_digits_and_a_letter(number: int, text: str) -> None:
    assert size_text(number) == text
