"""RLIMIT_NOFILE, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("soft", "hard", "needed", "answer", "after"),
    [
        (100, 500, 20, 100, 100),  # there is room: nothing is changed
        (100, 500, 200, 264, 264),
        (100, 500, 1000, 500, 500),
        (500, 500, 1000, 500, 500),
    ],
)
def test_the_soft_limit_is_raised_only_as_far_as_needed(
    soft: int, hard: int, needed: int, answer: int, after: int
) -> None:
    script = (
        "import resource; from circus_core.backends.descriptors import ensure_descriptors\n"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))\n"
        f"print(ensure_descriptors({needed}), *resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(answer), str(after), str(hard)]
