"""What process tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.circusd_runs import Runs


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    """Give what starts circusd by hand; nothing may be left of it."""
    runs = Runs(tmp_path)
    try:
        yield runs
    finally:
        runs.close()
