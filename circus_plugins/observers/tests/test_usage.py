"""What is too much: figures in, verdicts out."""

from __future__ import annotations

import pytest

from circus_observers.usage import Amount, Excess, Limits, Tally, Usage, parse_amount, read_usage

IDLE = Usage(cpu=0.0, memory=1.0, resident=10 * 2**20)
BUSY = Usage(cpu=95.0, memory=60.0, resident=600 * 2**20)


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("90", Amount(90)),
        ("0.5", Amount(0.5)),
        ("90 %", Amount(90)),
        ("100B", Amount(100, is_bytes=True)),
        ("1k", Amount(2**10, is_bytes=True)),
        ("1.5M", Amount(1.5 * 2**20, is_bytes=True)),
        ("2 GiB", Amount(2 * 2**30, is_bytes=True)),
        ("2gb", Amount(2 * 2**30, is_bytes=True)),
        ("2Gi", Amount(2 * 2**30, is_bytes=True)),
        ("3 megabytes", Amount(3 * 2**20, is_bytes=True)),
        ("3 kilobyte", Amount(3 * 2**10, is_bytes=True)),
        ("7 bytes", Amount(7, is_bytes=True)),
        ("1Y", Amount(2**80, is_bytes=True)),
    ],
)
def test_amounts_are_read(text: str, amount: Amount) -> None:
    assert parse_amount(text) == amount


@pytest.mark.parametrize("text", ["", "much", "-1", "10 Q", "1e3", "M", "N/A", "10 megs", "1..2"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse_amount(text)


def test_an_entry_of_stats_is_read() -> None:
    assert read_usage({"cpu": 12.5, "mem": 0.25, "mem_info1": "1.50M"}) == Usage(
        cpu=12.5, memory=0.25, resident=1.5 * 2**20
    )
    assert read_usage({"cpu": "N/A", "mem": "N/A", "mem_info1": "N/A"}) == Usage()


@pytest.mark.parametrize(
    ("limits", "usages", "excesses"),
    [
        (Limits(max_cpu=90), [IDLE, BUSY], {Excess.OVER_CPU}),
        (Limits(max_cpu=95), [BUSY], set()),
        (Limits(min_cpu=0), [IDLE, BUSY], {Excess.UNDER_CPU}),
        (Limits(min_cpu=0), [BUSY], set()),
        (Limits(max_mem=Amount(50)), [IDLE, BUSY], {Excess.OVER_MEMORY}),
        (Limits(max_mem=Amount(500 * 2**20, is_bytes=True)), [BUSY], {Excess.OVER_MEMORY}),
        (Limits(max_mem=Amount(700 * 2**20, is_bytes=True)), [BUSY], set()),
        (Limits(min_mem=Amount(100 * 2**20, is_bytes=True)), [IDLE, BUSY], {Excess.UNDER_MEMORY}),
        (Limits(min_mem=Amount(100 * 2**20, is_bytes=True)), [BUSY], set()),
        (Limits(min_mem=Amount(1)), [IDLE], set()),
        (Limits(health=75), [IDLE, BUSY], {Excess.OVER_HEALTH}),
        (Limits(health=78), [BUSY], set()),
        (Limits(max_cpu=1, min_cpu=1, max_mem=Amount(1), min_mem=Amount(1), health=1), [], set()),
        (Limits(max_cpu=1, min_cpu=1, max_mem=Amount(1), min_mem=Amount(1), health=1), [Usage()], set()),
    ],
)
def test_limits_find_what_is_wrong(limits: Limits, usages: list[Usage], excesses: set[Excess]) -> None:
    assert set(limits.exceeded(usages)) == excesses


def test_what_is_wrong_once_too_often_in_a_row_fills_the_tally() -> None:
    tally = Tally(Limits(max_cpu=90), max_count=2)
    fills = []
    for usage in (BUSY, BUSY, IDLE, BUSY, BUSY, BUSY):
        tally.look([usage])
        fills.append(tally.is_full)
    assert fills == [False, False, False, False, False, True]
    tally.reset()
    assert not tally.is_full
