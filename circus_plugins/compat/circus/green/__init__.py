"""`circus.green`: the gevent flavour of 0.19, which is the same as the other one now."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from circus import get_arbiter as _get_arbiter
from circus.arbiter import Arbiter

__all__ = ["get_arbiter"]


def get_arbiter(watchers: Iterable[Mapping[str, Any]] | str, **kwargs: Any) -> Arbiter:
    """Make an arbiter, as circus.get_arbiter does; NotImplementedError with background=True, as ever."""
    if kwargs.get("background"):
        raise NotImplementedError("circus.green has no background=True; circus.get_arbiter has")
    warnings.warn(
        "circus.green means nothing any more: an arbiter runs on the event loop of asyncio, without gevent; "
        "use circus.get_arbiter",
        DeprecationWarning,
        stacklevel=2,
    )
    return _get_arbiter(watchers, **kwargs)
