"""What became of the gevent flavour: its options are told of, and a patched interpreter is refused."""

from __future__ import annotations

import sys
import warnings
from typing import Any, Final

__all__ = ["refuse_patched", "warn_of_stream_backend"]

_NEEDED: Final = ("select", "threading", "queue")
"""Modules that the loop and its worker threads need as they are."""


def refuse_patched() -> None:
    """Raise RuntimeError where gevent has patched what an arbiter runs on."""
    monkey: Any = sys.modules.get("gevent.monkey")
    patched = [] if monkey is None else [name for name in _NEEDED if monkey.is_module_patched(name)]
    if patched:
        raise RuntimeError(
            f"gevent has patched {', '.join(patched)}: an arbiter runs on the event loop of asyncio, whose "
            "threads would never get their turn; run it in a program without monkey.patch_all(), its workers "
            "may use gevent"
        )


def warn_of_stream_backend(name: object, stacklevel: int) -> None:
    """Say what the option means now.

    Args:
        stacklevel: as for warnings.warn(), seen from the caller.
    """
    warnings.warn(
        f"stream_backend = {name!r} means nothing any more: output is read on the event loop, without "
        "threads and without gevent; leave it out",
        DeprecationWarning,
        stacklevel=stacklevel + 1,
    )
