"""Room for descriptors: RLIMIT_NOFILE of this program."""

from __future__ import annotations

import resource

__all__ = ["ensure_descriptors"]

_MARGIN = 64  # what a program opens for a moment: pipes of a spawn, /proc files, log files


def ensure_descriptors(needed: int) -> int:
    """Make room for `needed` descriptors by raising the soft limit, as far as the hard limit lets.

    Nothing is changed while there is room: children inherit the soft limit, and programs exist
    that close every possible descriptor at start.

    Returns:
        How many descriptors this program may have open now; less than `needed` if the hard limit is lower.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = needed + _MARGIN
    if soft == resource.RLIM_INFINITY or wanted <= soft:
        return soft if soft != resource.RLIM_INFINITY else wanted
    target = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if target > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
    return max(target, soft)
