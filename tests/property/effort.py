"""How hard properties are looked at."""

from __future__ import annotations

import os

__all__ = ["examples"]


def examples(number: int) -> int:
    """Return how many examples to try: `number`, or a tenth of it where CIRCUS_TEST_BRIEFLY is set.

    That is for a second look, such as that on another Python: random examples are others each time, and what
    they find hardly ever depends on the version.
    """
    return max(10, number // 10) if os.environ.get("CIRCUS_TEST_BRIEFLY") else number
