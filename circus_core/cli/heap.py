"""One heap for all threads. glibc gives a thread its own, up to eight for each processor, so that many can
allocate at once; of threads that run Python code only one does, and each heap keeps what was freed in it.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress

__all__ = ["share_heap"]

_M_ARENA_MAX = -8  # mallopt(3)


def share_heap() -> None:
    """Let threads that start from now on allocate where the first one does, if the C library is glibc."""
    with suppress(AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
