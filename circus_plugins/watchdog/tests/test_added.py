"""Watchers that come by the command `add`: their processes are heard like those of the file."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from circus_core import RefusedError
from circus_core.testing import Watch

BEATING = f"{sys.executable} -I -S {Path(__file__).with_name('beating.py')}"


def test_a_watcher_that_is_added_has_the_options_of_the_file_and_is_heard(
    run_plugin: Callable[..., Watch],
) -> None:
    daemon = run_plugin("watchdog", port=0, loop_rate=0.1).daemon  # in the file nobody is to be heard
    patient = {"watchdog.notify": True, "watchdog.max_count": 1_000_000}
    options = patient | {"watchdog.stop_signal": "KILL"}
    daemon.call("add", name="late", cmd=f"{BEATING} lost 0", options=options, start=True)
    (reap,) = daemon.events.wait("late", "reap")
    assert reap.payload["exit_code"] == -signal.SIGKILL
    with pytest.raises(RefusedError, match=r"watchdog\.max_count must be a whole number >= 1"):
        daemon.call("add", name="more", cmd="sleep 1000", options={"watchdog.max_count": 0})
    with pytest.raises(RefusedError, match=r"unknown key 'watchdog\.max_cont'; did you mean"):
        daemon.call("add", name="more", cmd="sleep 1000", options={"watchdog.max_cont": 1})
