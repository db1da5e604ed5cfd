"""Which tests one worker of pytest-xdist does after the other, and which ones are begun first.

A share is a file, since its tests share fixtures; a long file in which some tests share nothing is several.
What takes longest is begun first, or it would be left to one worker at the end while the others have nothing
to do. A file that is not listed here only has a later turn.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

__all__ = ["rank", "share"]

_PARTS: Final = (
    re.compile(r"(tests/integration/test_circus019\.py::).*\[((?:ours|old)_to_(?:ours|old))"),
    re.compile(r"(tests/integration/test_output_capture\.py::\w+)"),
    re.compile(r"(tests/property/test_plan_simulation\.py::\w+)"),
    re.compile(r"(tests/contract/test_plugins\.py::\w+).*\[([^-\]]*)"),
    re.compile(r"(tests/packaging/)"),  # distributions are built once
)
"""What a share is called: the groups together."""

_LONG: Final[Sequence[str]] = (
    "tests/packaging/",
    "tests/integration/test_benchmarks.py",
    "tests/embedders/",
    "tests/integration/test_circus019.py",
    "tests/integration/test_output_capture.py",
    "tests/property/test_plan_simulation.py",
    "circus_plugins/observers/tests/test_with_daemon.py",
    "circus_plugins/flapping/tests/test_with_daemon.py",
    "tests/integration/test_plugin_in_both_hosts.py",
    "tests/integration/test_reloadconfig.py",
    "tests/integration/test_lifecycle_processes.py",
    "tests/integration/test_control_keys.py",
    "tests/integration/test_lifecycle_stop_wins.py",
    "circus_plugins/watchdog/tests/test_with_daemon.py",
    "circus_plugins/prometheus/tests/test_with_daemon.py",
    "tests/integration/test_lifecycle_commands.py",
    "tests/integration/test_lifecycle_hooks.py",
    "tests/integration/test_circusd_signals.py",
    "tests/faults/",
    "tests/integration/",
    "circus_plugins/",
    "tests/contract/",
    "tests/docs/",
)


def share(nodeid: str) -> str:
    """Return the share of a test."""
    for part in _PARTS:
        if match := part.match(nodeid):
            return "".join(match.groups())
    return nodeid.partition("::")[0]


def rank(nodeid: str) -> int:
    """Return the turn of a test: the lowest is begun first."""
    ranks = (turn for turn, beginning in enumerate(_LONG) if nodeid.startswith(beginning))
    return next(ranks, len(_LONG))
