"""Namespaces for programs that take the default endpoints of Circus, or look at every process there is."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache

__all__ = ["can_isolate", "isolated"]

_NETWORK = "ip link set lo up && ip link set lo multicast on && ip route add 224.0.0.0/4 dev lo"


def isolated(*words: str) -> Sequence[str]:
    """Return the command that runs `words` with a network and processes of its own; none survives its end."""
    # The shell is their first process: it collects orphans, and what it runs gets signals as anywhere else.
    run = f'{_NETWORK} && "$@"; exit $?'
    flags = ["--net", "--pid", "--fork", "--mount-proc", "--kill-child"]
    if os.geteuid() != 0:
        flags.append("--map-root-user")
    return ["unshare", *flags, "sh", "-c", run, "sh", *words]


@cache
def can_isolate() -> bool:
    """Tell whether this system lets us."""
    if not (shutil.which("unshare") and shutil.which("ip")):
        return False
    return subprocess.run(isolated("true"), capture_output=True, check=False).returncode == 0
