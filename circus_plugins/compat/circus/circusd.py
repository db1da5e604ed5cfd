"""circusd by its old path, and what programs use that become daemons themselves."""

from __future__ import annotations

import resource
import sys
from os import closerange
from typing import NoReturn

from circus.util import MAXFD, REDIRECT_TO
from circus_core import daemonize as _into_background
from circus_core import run_circusd

__all__ = ["MAXFD", "REDIRECT_TO", "closerange", "daemonize", "get_maxfd", "main"]


def main() -> NoReturn:
    """Run circusd with the arguments of this process, then end it."""
    sys.exit(run_circusd())


def daemonize() -> None:
    """Go on as a daemon: in a session without terminal, standard streams on /dev/null, others closed.

    The starting process ends with status 0 and never returns. Only before there are threads, a loop,
    sockets or open files.

    Raises:
        ValueError: gevent is loaded.
        OSError: there is no process or descriptor left.
    """
    if "gevent" in sys.modules:
        raise ValueError("Cannot daemonize if gevent is loaded")
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()  # what waits there would be lost
    _into_background().ready()


def get_maxfd() -> int:
    """Return how many descriptors a process may have."""
    _, highest = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAXFD if highest == resource.RLIM_INFINITY else highest


if __name__ == "__main__":
    main()
