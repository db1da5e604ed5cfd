"""A daemon whose processes do nothing does nothing."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from circus_core.testing import Daemon, until
from tests.counting.tally import times_on_cpu

_IDLE = 2.0  # seconds
_PATIENCE = 60.0  # seconds; threads that had work end after 10


def _rests(pid: int) -> bool:
    """Tell whether no thread of it runs for two seconds."""
    before = times_on_cpu(pid)
    time.sleep(_IDLE)  # nothing is waited for: that nothing happens is what is tested
    return times_on_cpu(pid) == before


@pytest.mark.timeout(300)
def test_a_daemon_with_1000_idle_processes_makes_no_system_call_and_is_never_woken(
    circusd: Callable[..., Daemon],
) -> None:
    daemon = circusd("[watcher:idle]\ncmd = sleep 100000\nnumprocesses = 1000\n", circus={"check_delay": 0.5})
    until(lambda: len(daemon.watcher("idle").pids()) == 1000, deadline=_PATIENCE)
    end = time.monotonic() + _PATIENCE
    while not _rests(daemon.pid):
        assert time.monotonic() < end, f"it goes on working: {times_on_cpu(daemon.pid)}"
