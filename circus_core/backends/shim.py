"""Becomes the command after it has set limits, identity and descriptors. Run as a file, by `gate.py` only.

Runs as `python -I -S shim.py ORDERS ARGV...`; imports nothing but small modules of the standard library.
A failure is a line on stderr and exit status 126, or 127 if the program is gone, as from a shell.
"""

import fcntl
import json
import os
import resource
import signal
import sys
from typing import Any

FIRST_LISTEN_FD = 3  # sd_listen_fds(3)


def main() -> None:
    """Never returns."""
    orders = json.loads(sys.argv[1])
    doing = "start"
    try:
        for step, act in STEPS:
            doing = step
            act(orders)
        doing = f"run '{orders['program']}'"
        os.execve(orders["program"], sys.argv[2:], os.environ)
    except (OSError, ValueError, OverflowError) as error:
        reason = error.strerror.lower() if isinstance(error, OSError) and error.strerror else error
        os.write(2, os.fsencode(f"circus: cannot {doing}: {reason}\n"))
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)


def undo_python(orders: dict[str, Any]) -> None:
    """Take back what the start of the interpreter did: PEP 538, and signals that it ignores."""
    if orders["lc_ctype"] is None:
        os.environ.pop("LC_CTYPE", None)
    else:
        os.environ["LC_CTYPE"] = orders["lc_ctype"]
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if hasattr(signal, "SIGXFSZ"):
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)


def place_sockets(orders: dict[str, Any]) -> None:
    """Move the sockets to 3, 4, ... and say so in LISTEN_*; close where they were."""
    if not orders["listen"]:
        return
    count = len(orders["listen"])
    above = FIRST_LISTEN_FD + count
    copies = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, above) for fd in orders["listen"]]
    for fd in set(orders["listen"]).difference(orders["keep"]):
        os.close(fd)
    for place, copy in enumerate(copies, FIRST_LISTEN_FD):
        os.dup2(copy, place, inheritable=True)
    os.environ["LISTEN_PID"] = str(os.getpid())
    os.environ["LISTEN_FDS"] = str(count)
    os.environ["LISTEN_FDNAMES"] = orders["names"]


def set_niceness(orders: dict[str, Any]) -> None:
    if orders["nice"] is not None:
        os.setpriority(os.PRIO_PROCESS, 0, orders["nice"])


def set_limits(orders: dict[str, Any]) -> None:
    """Soft and hard limit alike. Infinite nofile falls back to the hard limit where it is refused."""
    for name, number, value in orders["limits"]:
        wanted = resource.RLIM_INFINITY if value is None else value
        try:
            resource.setrlimit(number, (wanted, wanted))
        except (OSError, ValueError) as error:
            if value is not None or number != resource.RLIMIT_NOFILE:
                raise ValueError(f"rlimit_{name} {wanted}: {error}") from error
            hard = resource.getrlimit(number)[1]
            resource.setrlimit(number, (hard, hard))


def change_identity(orders: dict[str, Any]) -> None:
    uid, gid, user = orders["uid"], orders["gid"], orders["user"]
    if uid is not None:
        if user is None:
            os.setgroups([])
        else:
            os.initgroups(user, gid)
    if gid is not None:
        os.setregid(gid, gid)
    if uid is not None:
        os.setreuid(uid, uid)


def enter_folder(orders: dict[str, Any]) -> None:
    if orders["enter"] is not None:
        os.chdir(orders["enter"])


# Descriptors before a low nofile forbids them; all that needs root before the identity is given up.
STEPS = (
    ("restore signals", undo_python),
    ("place the sockets", place_sockets),
    ("set niceness", set_niceness),
    ("set limits", set_limits),
    ("change user and group", change_identity),
    ("enter the working_dir", enter_folder),
)

if __name__ == "__main__":
    main()
