"""What process tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.controlled import Peers, Served
from tests.integration.circusd_runs import Runs
from tests.stack import free_ports


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    """Give what starts circusd by hand; nothing may be left of it."""
    runs = Runs(tmp_path)
    try:
        yield runs
    finally:
        runs.close()


@pytest.fixture(params=["ipc", "tcp"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Served]:
    """A controller that serves an arbiter without processes."""
    endpoints = [f"ipc://{tmp_path}/control", f"ipc://{tmp_path}/events"]
    if request.param == "tcp":
        endpoints = [f"tcp://127.0.0.1:{port}" for port in free_ports(2)]
    with Served(*endpoints) as running:
        yield running


@pytest.fixture
def peers() -> Iterator[Peers]:
    """Clients that speak raw ZeroMQ."""
    with Peers() as made:
        yield made


@pytest.fixture
def nobody(tmp_path: Path) -> str:
    """An endpoint where nobody listens."""
    return f"ipc://{tmp_path}/nobody"
