"""The shares of tests name files that there are, and keep together what shares fixtures."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shares import _LONG, rank, share

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("place", _LONG)
def test_what_is_begun_first_exists(place: str) -> None:
    assert (ROOT / place).exists()


def test_a_file_is_a_share() -> None:
    assert (
        share("tests/unit/test_x.py::test_a[b]")
        == share("tests/unit/test_x.py::test_c")
        == "tests/unit/test_x.py"
    )


def test_each_pair_of_circusctl_and_circusd_is_a_share() -> None:
    file = "tests/integration/test_circus019.py"
    rows = [
        f"{file}::test_a[old_to_ours-x y]",
        f"{file}::test_b[old_to_ours-[z]",
        f"{file}::test_b[old_to_old-z]",
    ]
    first, second, third = map(share, rows)
    assert first == second != third


def test_all_that_needs_the_built_distributions_is_one_share() -> None:
    places = ["tests/packaging/test_a.py::test_b", "tests/packaging/test_c.py::test_d[e]"]
    assert len(set(map(share, places))) == 1


def test_the_longest_come_first_and_unknown_ones_last() -> None:
    assert rank("tests/packaging/test_a.py::test_b") == 0
    assert rank("tests/integration/test_circus019.py::test_a") < rank("tests/integration/test_ssh.py::test_b")
    assert rank("tests/unit/test_x.py::test_y") == len(_LONG)
