"""What process tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.integration.circusd_runs import Runs
from tests.integration.daemon import Daemon


@pytest.fixture
def circusd(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """Give a function that starts a daemon from ini sections; the arguments are those of `Daemon`."""
    with ExitStack() as stack:
        count = iter(range(100))

        def start(sections: str, **options: Any) -> Daemon:
            return stack.enter_context(Daemon(tmp_path / f"d{next(count)}", sections, **options))

        yield start


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    """Give what starts circusd by hand; nothing may be left of it."""
    runs = Runs(tmp_path)
    try:
        yield runs
    finally:
        runs.close()
