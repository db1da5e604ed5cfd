"""Files of /proc on Linux (proc(5)), read as bytes. Nothing raises because a process has ended meanwhile.

Promised as a module: its names would puzzle in circus_core itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

__all__ = ["all_stats", "command", "is_hidden", "name_of", "number", "parent", "read", "state"]

_FILE: Final = 8192  # bytes; the files read here are shorter, or only their beginning matters
_NUMBER: Final = 32  # bytes that hold a number with blanks before it, and what ends it


def read(path: str) -> bytes:
    """Return the first 8 KiB of a file; nothing if it is gone or may not be read."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError:
        return b""
    try:
        return os.read(fd, _FILE)
    except OSError:  # ESRCH: it has ended between the two calls; EACCES: only now it is looked who asks
        return b""
    finally:
        os.close(fd)


def all_stats() -> Iterator[tuple[int, bytes]]:
    """Yield the pid and the text of /proc/PID/stat of every process that may be read."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            stat = read(f"/proc/{name}/stat")
            if stat:
                yield int(name), stat


def parent(stat: bytes) -> int:
    """Return the ppid in the text of /proc/PID/stat; the name before it may hold anything."""
    start = stat.rindex(b")") + 4
    return int(stat[start : stat.index(b" ", start)])


def state(stat: bytes) -> bytes:
    """Return the letter of the state in the text of /proc/PID/stat."""
    start = stat.rindex(b")") + 2
    return stat[start : start + 1]


def number(text: bytes, label: bytes) -> int | None:
    r"""Return the first number behind a label such as `b"\nVmRSS:"`; None where there is no such line."""
    start = text.find(label)
    if start < 0:
        return None
    start += len(label)
    return int(text[start : start + _NUMBER].split(None, 1)[0])


def command(pid: int, stat: bytes) -> str:
    """Return the name that a process goes by; for a zombie that in its `stat`."""
    first, _, _ = read(f"/proc/{pid}/cmdline").partition(b"\0")
    name = name_of(first.decode(errors="replace"))
    return name or stat[stat.index(b"(") + 1 : stat.rindex(b")")].decode(errors="replace")


def name_of(title: str) -> str:
    """Return what is left of a title such as `/usr/bin/python3` or `nginx: worker process`."""
    words = title.split(None, 1)
    return os.path.basename(words[0]) if words else ""


def is_hidden(pid: int) -> bool:
    """Tell whether a process that could not be read exists (mount option hidepid of proc(5))."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return not os.path.exists(f"/proc/{pid}/stat")
