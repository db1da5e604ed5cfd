"""Tells who overrides a method that circus-core never calls: 0.19 did its work by calling these."""

from __future__ import annotations

import warnings
from collections.abc import Collection

__all__ = ["warn_of_uncalled"]


def warn_of_uncalled(made: type, uncalled: Collection[str], instead: str) -> None:
    """Warn of what a new subclass defines in vain; called by __init_subclass__.

    Args:
        uncalled: methods that only the program itself calls.
        instead: where to do it now.
    """
    found = sorted(set(vars(made)) & set(uncalled))
    if found:
        warnings.warn(
            f"{made.__module__}.{made.__qualname__} overrides {', '.join(found)}: circus-core does this "
            f"by itself, so only calls of the program arrive there; {instead}",
            RuntimeWarning,
            stacklevel=3,
        )
